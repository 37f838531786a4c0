"""Pictures as seen on the sky: the first row at the top and no mirror image, so that S- and Z-wise can be told apart.

Arrays keep the order of their files (see `flaxgal.survey.cutout`): FITS images begin at the bottom, PNGs at the top,
and either may show the sky mirrored. With north up, east is to the left; north itself need not be up here, as turning a
picture changes no sense of winding.
"""

from typing import Any

import numpy as np
from jaxtyping import Shaped

from flaxgal.survey.cutout import Cutout, FirstRow

__all__ = ["as_seen", "is_mirror_image"]


def as_seen(cutout: Cutout, picture: Shaped[np.ndarray, "y x *k"]) -> Shaped[np.ndarray, "y x *k"]:
    """A picture on a cutout's pixels with its top first, and mirrored if the cutout shows a mirror image."""
    seen = picture[::-1] if cutout.first_row == "bottom" else picture
    return seen[:, ::-1] if is_mirror_image(cutout.first_row, cutout.wcs) else seen


def is_mirror_image(first_row: FirstRow, wcs: Any = None) -> bool:
    """Whether an array, drawn with its first row where `first_row` says, shows the sky mirrored by its WCS.

    Without a WCS it is taken for the sky.
    """
    if wcs is None:
        return False
    celestial = wcs.celestial
    # With x to the right and y up, right ascension grows to the left: the determinant is negative on the sky.
    turn = float(np.linalg.det(celestial.pixel_scale_matrix))
    if celestial.wcs.lng > celestial.wcs.lat:  # the first axis of the world is declination
        turn = -turn
    return turn > 0 if first_row == "bottom" else turn < 0
