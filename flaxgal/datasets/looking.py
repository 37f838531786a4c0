"""Labelled galaxies of one survey as another would have seen them, on their way into a data set."""

import numpy as np
from jaxtyping import Float

from flaxgal.survey.cutout import Cutout
from flaxgal.survey.homogenise import homogenise
from flaxgal.survey.looks import LOOKS, Look

__all__ = ["in_look", "look_named"]


def look_named(name: str) -> Look:
    """The look of a survey.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in LOOKS:
        raise ValueError(f"look {name!r}, expected one of {', '.join(LOOKS)}")
    return LOOKS[name]


def in_look(
    cutout: Cutout, share: Float[np.ndarray, "class y x"], weight: Float[np.ndarray, "y x"], look: Look
) -> tuple[Cutout, Float[np.ndarray, "class v u"], Float[np.ndarray, "v u"]]:
    """A galaxy, its marks and how much each pixel counts, in the look of a survey; one of that survey as it is.

    The frame is seen as much smaller as it takes to fit the look's own. What the cutout lacks of its pixel scale and
    seeing is that of its survey. The noise that is added depends on the galaxy's id alone.

    Raises
    ------
    ValueError
        If the seeing is unknown, or too wide for the look (see `flaxgal.survey.homogenise`).
    """
    if cutout.survey == look.name:
        return cutout, share, weight
    source = LOOKS.get(cutout.survey)
    scale = cutout.pixel_scale_arcsec or (source.pixel_scale_arcsec if source else None)
    shrink = 1.0
    if scale and look.image_size:
        shrink = max(1.0, max(cutout.image_shape) * scale / (look.image_size * look.pixel_scale_arcsec))
    marks = np.concatenate([share * weight, weight[None]]).astype(np.float32)
    found = homogenise(cutout, look, fraction=marks, source=source, shrink=shrink)
    *shares, counts = np.nan_to_num(found.fraction)  # type: ignore[call-overload]
    return found.cutout, np.stack(shares) / np.where(counts > 0, counts, 1), counts
