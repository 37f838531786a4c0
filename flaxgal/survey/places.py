"""How far apart two positions on the sky are, and how near they must be to be one galaxy's."""

import math

__all__ = ["SAME_ARCSEC", "arcsec_apart"]

SAME_ARCSEC = 2.0
"""Positions no further apart than this are one galaxy."""


def arcsec_apart(
    ra_deg: float | int, dec_deg: float | int, other_ra_deg: float | int, other_dec_deg: float | int
) -> float:
    """The distance of two near positions (ICRS, degrees) in arcsec, on the plane that touches the sky at the second."""
    east = ((ra_deg - other_ra_deg + 180) % 360 - 180) * math.cos(math.radians(other_dec_deg))
    return 3600 * math.hypot(east, dec_deg - other_dec_deg)
