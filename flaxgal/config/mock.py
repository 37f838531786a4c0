"""The population that mock galaxies are drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from flaxgal.config.checks import are_shares, require


@dataclass(frozen=True, kw_only=True)
class MockConfig:
    """The population that mock galaxies are drawn from. Ranges are (low, high)."""

    image_size: int = 64
    """Pixels on a side."""
    bands: tuple[str, ...] = ("g", "r", "i")
    """From g, r, i, z, y."""
    pixel_scale_arcsec: float = 0.168
    """HSC's coadds by default."""
    effective_radius_pixels: tuple[float, float] = (6.5, 22.0)
    """Half-light radius along the major axis, drawn uniformly in the logarithm."""
    signal_to_noise: tuple[float, float] = (100.0, 3000.0)
    """S/N of the light within the half-light ellipse in the last band but one, drawn uniformly in the logarithm."""
    seeing_fwhm_arcsec: tuple[float, float] = (0.35, 0.85)
    """Full width at half maximum of the Moffat point-spread function."""
    moffat_beta: tuple[float, float] = (2.5, 4.5)
    """Exponent of the Moffat function: small means broad wings."""
    max_inclination_deg: float = 75.0
    class_fractions: tuple[float, float, float] = (0.1, 0.1, 0.8)
    """Shares of E, S0 and Sp."""
    arm_count_fractions: tuple[float, float, float, float] = (0.06, 0.7, 0.14, 0.1)
    """Shares of spirals with 1, 2, 3 and 4 arms."""
    pitch_angle_deg: tuple[float, float] = (8.0, 38.0)
    """Of the arms at their middle radius."""
    arm_contrast: tuple[float, float] = (0.5, 4.0)
    """Crest of an arm over the disc below it at the arm's middle radius, before seeing; uniform in the logarithm."""
    flocculence: tuple[float, float] = (0.0, 1.0)
    """0: smooth, symmetric, logarithmic arms (grand design); 1: wavy, patchy, unequal ones (flocculent)."""
    bar_fraction: float = 0.45
    """Share of discs with a bar."""
    max_offset_pixels: float = 3.0
    """Largest distance of the galaxy from the picture's centre, along x and along y."""
    neighbour_rate: float = 0.35
    """Chance that each of four possible neighbours (stars and galaxies) is there."""
    mask_width: float = 1.0
    """Width of the arm mask, in units of the full width at half maximum of the arm after seeing."""
    mask_contrast: float = 0.05
    """Least height of an arm over its surroundings, as a share of the light there, for it to be in the mask."""
    mask_signal_to_noise: float = 0.5
    """Least height of an arm over its surroundings, in units of the noise of one pixel (all bands together)."""
    mask_pixels: int = 24
    """An arm mask with fewer pixels than this is empty: nobody would draw it."""

    def __post_init__(self) -> None:
        require(self.image_size >= 1, "mock image_size", self.image_size, "1 pixel or more")
        for name in ("pixel_scale_arcsec", "mask_width"):
            require(0 < getattr(self, name) < math.inf, f"mock {name}", getattr(self, name), "a number above 0")
        for name in ("max_offset_pixels", "mask_contrast", "mask_signal_to_noise", "mask_pixels"):
            require(0 <= getattr(self, name) < math.inf, f"mock {name}", getattr(self, name), "0 or more")
        for name in ("effective_radius_pixels", "signal_to_noise", "seeing_fwhm_arcsec", "arm_contrast"):
            low, high = getattr(self, name)
            require(0 < low <= high < math.inf, f"mock {name}", (low, high), "(low, high) with 0 < low <= high")
        for name, least, most in (("moffat_beta", 1.0, math.inf), ("pitch_angle_deg", 0.0, 90.0)):
            low, high = getattr(self, name)
            wanted = f"(low, high) with {least} < low <= high < {most}"
            require(least < low <= high < most, f"mock {name}", (low, high), wanted)
        low, high = self.flocculence
        require(0 <= low <= high <= 1, "mock flocculence", (low, high), "(low, high) with 0 <= low <= high <= 1")
        inclination = self.max_inclination_deg
        require(0 <= inclination <= 90, "mock max_inclination_deg", inclination, "degrees from 0 to 90")
        for name in ("bar_fraction", "neighbour_rate"):
            require(0 <= getattr(self, name) <= 1, f"mock {name}", getattr(self, name), "a share from 0 to 1")
        for name in ("class_fractions", "arm_count_fractions"):
            shares = getattr(self, name)
            require(are_shares(shares, within=1e-3), f"mock {name}", shares, "shares of 0 or more that sum to 1")

    def balanced(self) -> MockConfig:
        """The same population with as many E as S0 as Sp."""
        return replace(self, class_fractions=(1 / 3, 1 / 3, 1 / 3))
