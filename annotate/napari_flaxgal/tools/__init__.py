"""What an annotator sees and draws with, as functions of arrays: no napari, no Qt, no JAX.

light      where the galaxy is, how its disc lies on the sky, and its light in units of the sky's noise
residual   the light left over when a smooth galaxy is taken away: arms, bars, dust
polar      the disc seen face-on and unrolled, ln r against azimuth: arms are straight lines there
tracer     an arm as a few clicks and a width
snap       where the ridges of arms run, and clicks moved on to them
"""

from napari_flaxgal.tools.light import GalaxyLight, galaxy_light
from napari_flaxgal.tools.polar import PolarFrame, frame_of
from napari_flaxgal.tools.residual import arm_contrast, residual, residual_limits
from napari_flaxgal.tools.snap import ridge_path, ridge_strength, snap
from napari_flaxgal.tools.tracer import Trace

__all__ = [
    "GalaxyLight",
    "PolarFrame",
    "Trace",
    "arm_contrast",
    "frame_of",
    "galaxy_light",
    "residual",
    "residual_limits",
    "ridge_path",
    "ridge_strength",
    "snap",
]
