"""Mask planes as bits of an integer image, and the `MP_*` header cards that say which bit is which."""

from collections.abc import Sequence

import numpy as np
from astropy.io import fits
from jaxtyping import Bool, Int32, Shaped

__all__ = ["PLANES_AN_HDU", "bits_of", "planes_of"]

PLANES_AN_HDU = 31
"""The sign bit of a 32-bit integer stays free: FITS integers are signed."""


def bits_of(planes: Sequence[Bool[np.ndarray, "..."]]) -> Int32[np.ndarray, "..."]:
    """An integer image whose bit k is set where plane k is True."""
    if len(planes) > PLANES_AN_HDU:
        raise ValueError(f"{len(planes)} mask planes for one integer image; wanted at most {PLANES_AN_HDU}")
    bits = np.zeros(planes[0].shape, np.int32)
    for bit, plane in enumerate(planes):
        bits |= plane.astype(np.int32) << bit
    return bits


def planes_of(bits: Shaped[np.ndarray, "..."], header: fits.Header) -> dict[str, Bool[np.ndarray, "..."]]:
    """Each plane named by an `MP_<name>` card of the header, True where its bit is set, in the order of the bits.

    Bit numbers differ between files of one survey, so only the file's own header is believed. Where the file has a
    BLANK value, which astropy gives as NaN, no plane is set.
    """
    places = {key[3:]: int(header[key]) for key in header if key.startswith("MP_")}
    bits = np.nan_to_num(bits).astype(np.int64)
    return {name: (bits >> place & 1).astype(bool) for name, place in sorted(places.items(), key=lambda item: item[1])}
