"""Colours of a galaxy, its arms and the disc between them, from bands brought to one seeing.

Without that, the sharper band has its arms' light inside the mask and the blurred one has lost it to the disc: arms
would look bluer or redder than they are by what the seeing did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from flaxgal.measure.errors import Noise, standard_error
from flaxgal.measure.record import Colour
from flaxgal.survey.psf_matching import convolve, convolved_psf, matching_kernel, misplaced_light

__all__ = ["BandLight", "measure_colours", "same_seeing"]

ALIKE = 0.005
"""PSFs with a smaller share of their light in different pixels are one and the same."""
MATCHED = 0.05
"""Largest share of a star's light that may be misplaced after matching."""
LEAST_SIGMA = 3.0
MAGNITUDE = 2.5 / np.log(10.0)
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class BandLight:
    """The galaxy's own light in one band, sky-subtracted, gaps and neighbours filled in, and its noise."""

    light: Float[np.ndarray, "y x"]
    noise: Noise | None


def same_seeing(
    images: Mapping[str, Float[np.ndarray, "y x"]], psfs: Mapping[str, np.ndarray]
) -> dict[str, Float[np.ndarray, "y x"]] | None:
    """The images as if all were seen through the broadest of their PSFs; None where that cannot be had.

    It cannot where a band has no PSF, one without light, or one that the matching does not bring to the broadest.
    """
    if any(band not in psfs or not np.isfinite(psfs[band]).all() or psfs[band].sum() <= 0 for band in images):
        return None
    broadest = max(images, key=lambda band: _second_moment(psfs[band]))
    wanted, matched = psfs[broadest].astype(float), {}
    for band, image in images.items():
        psf = psfs[band].astype(float)
        if band == broadest or (psf.shape == wanted.shape and _unlike(psf, wanted) < ALIKE):
            matched[band] = image
            continue
        kernel = matching_kernel(psf, wanted)
        if misplaced_light(convolved_psf(psf, kernel), wanted) > MATCHED:
            return None
        matched[band] = convolve(image, kernel)
    return matched


def _unlike(psf: np.ndarray, wanted: np.ndarray) -> float:
    """Share of light in different pixels of two images of one size."""
    return float(np.abs(psf / psf.sum() - wanted / wanted.sum()).sum() / 2)


def _second_moment(psf: np.ndarray) -> float:
    """Mean square radius of the light of the core; wings hold noise."""
    light = np.where(psf > 0.02 * psf.max(), psf, 0.0).astype(float)
    y, x = np.indices(psf.shape)
    total = light.sum()
    dy, dx = y - (light * y).sum() / total, x - (light * x).sum() / total
    return float((light * (dy * dy + dx * dx)).sum() / total)


def measure_colours(
    bands: Mapping[str, BandLight],
    psfs: Mapping[str, np.ndarray],
    *,
    order: Sequence[str],
    core: Bool[np.ndarray, "y x"],
    arm: Bool[np.ndarray, "y x"],
    interarm: Bool[np.ndarray, "y x"],
) -> tuple[dict[str, Colour], bool]:
    """The colour of each band and the next where both were measured, and whether they were taken from one seeing.

    Parameters
    ----------
    order : the image's own bands, in order of wavelength; a colour across one that is missing would be another colour.
    core, arm, interarm : where the light of the galaxy, of the arms, and of the disc between them is added up.
    """
    matched = same_seeing({band: one.light for band, one in bands.items()}, psfs) if len(bands) > 1 else None
    regions = (core, arm & core, interarm & core)
    sums = {
        band: [_sum((matched or {band: bands[band].light})[band], bands[band].noise, region) for region in regions]
        for band in bands
    }
    neighbours = ((blue, red) for blue, red in pairwise(order) if blue in sums and red in sums)
    colours = {f"{blue}-{red}": _colour(sums[blue], sums[red]) for blue, red in neighbours}
    return colours, matched is not None


def _sum(image: np.ndarray, noise: Noise | None, region: np.ndarray) -> tuple[float, float]:
    """Light in a region and its error, which seeing hardly changes as regions are larger than stars."""
    error = NAN if noise is None else standard_error(region.astype(float), noise)
    return float(image[region].sum()), error


def _colour(blue: Sequence[tuple[float, float]], red: Sequence[tuple[float, float]]) -> Colour:
    values = []
    for (b, b_error), (r, r_error) in zip(blue, red, strict=True):
        seen = b > 0 and r > 0 and not (b < LEAST_SIGMA * b_error or r < LEAST_SIGMA * r_error)
        values.append(-2.5 * np.log10(b / r) if seen else NAN)
        values.append(MAGNITUDE * np.hypot(b_error / b, r_error / r) if seen else NAN)
    return Colour(*(float(value) for value in values))
