"""One row of the catalogue, as records: a galaxy, its shape, its light in each band, its colours and its arms."""

from __future__ import annotations

from dataclasses import dataclass, field

from flaxgal.measure.arms import Arm, Chirality
from flaxgal.measure.flags import Flag
from flaxgal.measure.fourier import Fourier

__all__ = ["BandFlux", "Colour", "Measurement"]

NAN = float("nan")


@dataclass(frozen=True)
class BandFlux:
    """Light of one galaxy in one band, sky-subtracted, in the cutout's unit; NaN where it could not be measured."""

    total_flux: float = NAN
    """Within twice the Petrosian radius."""
    total_flux_error: float = NAN
    arm_flux: float = NAN
    arm_flux_error: float = NAN
    flux_ratio: float = NAN
    """Arm ÷ total."""
    flux_ratio_error: float = NAN
    """Photons, sky and, where the mask is a probability, the mask."""
    sky: float = NAN
    """Level taken off, per pixel."""
    sky_error: float = NAN
    flux_ratio_mask_error: float = NAN
    """The mask's own share of `flux_ratio_error`; NaN for a mask of yes and no, which does not say how sure it is."""
    kron_flux: float = NAN
    """Within 2.5 Kron radii (Kron 1980, ApJS 43, 305; Bertin & Arnouts 1996, A&AS 117, 393): 96 % of the light of an
    exponential disc (Graham & Driver 2005, PASA 22, 118). The rest is not put back, as it depends on the profile."""
    kron_flux_error: float = NAN
    """Of the light within that aperture; what lies outside is no part of it."""
    growth: float = NAN
    """What a ring around the aperture, a quarter of its radius wide, would add to the total, as a share of it."""
    bulge_flux: float = NAN
    """What rises above the disc in the centre: bulge and nucleus."""
    bulge_flux_error: float = NAN
    arm_to_disc_ratio: float = NAN
    """Arm ÷ (total − bulge), the bulge taken out of both."""
    arm_to_disc_ratio_error: float = NAN
    arm_contrast: float = NAN
    """Surface brightness of the arms ÷ that of the disc between them at the same radius."""
    arm_contrast_error: float = NAN
    arm_excess_ratio: float = NAN
    """Light that the arms add to the disc between them at the same radius ÷ total."""
    arm_excess_ratio_error: float = NAN
    surface_brightness_limit_mag_arcsec2: float = NAN
    """3 σ of the sky's noise averaged over 100 square arcseconds, in AB magnitudes; needs calibrated flux."""


@dataclass(frozen=True)
class Colour:
    """Difference of two bands in magnitudes within one aperture, from images of the same seeing if the PSFs are known.

    NaN where a flux is not above three times its error.
    """

    total_mag: float = NAN
    total_mag_error: float = NAN
    arm_mag: float = NAN
    """Of the light inside the arm mask."""
    arm_mag_error: float = NAN
    interarm_mag: float = NAN
    """Of the disc's light outside the arm mask, without the bulge's region."""
    interarm_mag_error: float = NAN


@dataclass(frozen=True)
class Measurement:
    """One row of the catalogue: a galaxy, its shape, its light in each band, and what may be wrong with it."""

    object_id: str
    survey: str
    ra_deg: float
    dec_deg: float
    unit: str
    run: str
    threshold: float
    flags: Flag
    bands: dict[str, BandFlux] = field(default_factory=dict)
    flux_ratio_gamma22: float = NAN
    """The seed's estimate on a picture: Σ p^2.2 within the arms ÷ Σ p^2.2 of the whole picture."""
    arm_pixels: int = 0
    """Pixels of the arm mask."""
    centre_y: float = NAN
    """Of the isophotes, in pixels; the first pixel's centre is 0."""
    centre_x: float = NAN
    axis_ratio: float = NAN
    axis_ratio_error: float = NAN
    """NaN where isophotes could not be fitted, and the shape is that of the light's moments."""
    position_angle_deg: float = NAN
    """Of the major axis, from +x towards +y on the pixel grid."""
    position_angle_error_deg: float = NAN
    position_angle_sky_deg: float = NAN
    """Of the major axis on the sky, from north through east; NaN without a WCS."""
    half_light_radius_pixels: float = NAN
    petrosian_radius_pixels: float = NAN
    pixel_scale_arcsec: float = NAN
    others_share: float = NAN
    """Share of the aperture covered by other objects."""
    kron_radius_pixels: float = NAN
    """Kron's first moment of the light, along the major axis; the aperture is 2.5 times as large."""
    bulge_radius_pixels: float = NAN
    """Semi-major axis within which the bulge outshines the disc; 0 without a bulge."""
    psf_matched: bool = False
    """Whether all bands were brought to one seeing before their colours were taken."""
    colours: dict[str, Colour] = field(default_factory=dict)
    """By "blue-red", as in "g-r": for each band and the next."""
    inclination_deg: float = NAN
    """Of a disc that is a fifth as thick as wide: 0 face-on, 90 edge-on."""
    arms: tuple[Arm, ...] = ()
    """Longest first."""
    chirality: Chirality = "-"
    """Of most of the arms' length, as seen on the sky."""
    pitch_angle_deg: float = NAN
    """Of the arms that wind the way most do, weighted by length."""
    pitch_angle_error_deg: float = NAN
    fourier: Fourier = field(default_factory=Fourier)
    """The opinion of the image without the mask."""

    @property
    def number_of_arms(self) -> int:
        """How many arms were told apart."""
        return len(self.arms)
