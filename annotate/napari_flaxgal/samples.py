"""Mock galaxies to try the tools on: File > Open Sample > flaxgal. JAX, which renders them, is imported when asked."""

from __future__ import annotations

import numpy as np

from flaxgal.config import MockConfig
from napari_flaxgal.layers import LayerData, cutout_layers, mask_layer

__all__ = ["flocculent_spiral", "grand_design_spiral"]

GRAND_DESIGN = MockConfig(
    image_size=256,
    class_fractions=(0.0, 0.0, 1.0),
    arm_count_fractions=(0.0, 1.0, 0.0, 0.0),
    effective_radius_pixels=(40.0, 50.0),
    pitch_angle_deg=(16.0, 24.0),
    arm_contrast=(1.2, 2.0),
    flocculence=(0.0, 0.15),
    signal_to_noise=(2000.0, 3000.0),
    max_inclination_deg=45.0,
    max_offset_pixels=6.0,
)
FLOCCULENT = MockConfig(
    image_size=256,
    class_fractions=(0.0, 0.0, 1.0),
    arm_count_fractions=(0.0, 0.0, 0.5, 0.5),
    effective_radius_pixels=(40.0, 50.0),
    flocculence=(0.7, 1.0),
    arm_contrast=(1.5, 3.0),
    signal_to_noise=(1500.0, 2500.0),
    max_inclination_deg=55.0,
    max_offset_pixels=6.0,
)


def grand_design_spiral() -> list[LayerData]:
    """A spiral with two clean arms, in three bands, and its true arms as a hidden mask."""
    return _mock_layers(GRAND_DESIGN, seed=5)


def flocculent_spiral() -> list[LayerData]:
    """A spiral of many patchy arms: the difficult case."""
    return _mock_layers(FLOCCULENT, seed=2)


def _mock_layers(config: MockConfig, *, seed: int) -> list[LayerData]:
    import jax

    from flaxgal.mock.cutouts import mock_cutouts
    from flaxgal.mock.galaxy import render

    mocks = jax.device_get(render(config, jax.random.key(seed), 1))
    cutout = next(mock_cutouts(config, mocks, population=f"sample-{seed}"))
    truth = np.asarray(mocks.arm_mask[0]).astype(np.uint8)
    data, options, kind = mask_layer(truth, name=f"{cutout.object_id} true arms", cutout=cutout)
    return [*cutout_layers(cutout), (data, options | {"visible": False}, kind)]
