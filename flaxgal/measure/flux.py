"""How much of a galaxy's light comes from its spiral arms: total flux, arm flux and their ratio in each band.

On linear flux the sky is taken off, other objects are replaced by the galaxy's own light at the same radius, and both
sums run over one aperture of twice the Petrosian radius, as far as the image reaches. Errors come from the variance and
from the sky; without a variance they stay empty. On 8-bit pictures light cannot be added up, and only the seed's
estimate is made: pixels to the power 2.2, which undoes a screen's gamma and nothing else.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from flaxgal.measure.aperture import Aperture, find_aperture
from flaxgal.measure.arms import Arm, ArmSet, measure_arms
from flaxgal.measure.background import border_sky, pixel_noise, surface_brightness_limit
from flaxgal.measure.band import DrawnMask, SeenBand, draw_masks, measure_band
from flaxgal.measure.colours import measure_colours
from flaxgal.measure.disc import PICTURE_NOISE, linear_light
from flaxgal.measure.errors import mask_thresholds
from flaxgal.measure.flags import Flag
from flaxgal.measure.fourier import measure_fourier
from flaxgal.measure.geometry import inclination_deg, sky_position_angle_deg
from flaxgal.measure.isophotes import isophote_ellipse, psf_fwhm_pixels
from flaxgal.measure.record import BandFlux, Colour, Measurement
from flaxgal.measure.saturation import dead_pixels, is_clipped
from flaxgal.measure.sources import detection_image, find_sources, near_centre
from flaxgal.survey.cutout import Cutout

__all__ = ["BandFlux", "Measurement", "measure_cutout"]

GAMMA_LIGHT = np.power(np.arange(256) / 255.0, 2.2)
"""What the seed takes for the light of each level of an 8-bit picture."""
LEAST_SKY_PIXELS = 100
FOURIER_SPAN = (0.5, 2.2)
"""Half-light radii between which azimuthal Fourier amplitudes are taken."""
FOURIER_FROM_PIXELS = 3.0
"""Farther in, seeing makes everything round."""
BRIGHT_KNOT = 0.025
"""Share of the arm mask's light in one: stars a galaxy has in its arms are left in, and counted as arm."""
NAN = float("nan")


def measure_cutout(
    cutout: Cutout,
    arms: Float[np.ndarray, "y x"] | Bool[np.ndarray, "y x"],
    *,
    threshold: float = 0.5,
    threshold_range: tuple[float, float] | None = None,
    run: str = "",
) -> Measurement:
    """Measure the light of a galaxy and of its arms.

    Parameters
    ----------
    cutout : the galaxy in one or more bands.
    arms : arm mask (True = arm), or arm probability; NaN counts as no arm.
    threshold : a pixel is arm when its probability is above this; not used for a mask.
    threshold_range : thresholds of masks one sigma too generous and one too strict; not given,
        `flaxgal.measure.errors.mask_thresholds` says them.
    run : name of the model that made `arms`, kept in the row.

    Raises
    ------
    ValueError
        If `arms` has another shape than the cutout.
    """
    if arms.shape != cutout.image_shape:
        raise ValueError(
            f"{cutout.object_id}: the arm mask has {arms.shape[0]} × {arms.shape[1]} pixels and the image "
            f"{cutout.image_shape[0]} × {cutout.image_shape[1]}; run flaxgal predict on this very image"
        )
    arm = arms if arms.dtype == bool else arms > threshold
    known = {
        "object_id": cutout.object_id,
        "survey": cutout.survey,
        "ra_deg": NAN if cutout.ra_deg is None else cutout.ra_deg,
        "dec_deg": NAN if cutout.dec_deg is None else cutout.dec_deg,
        "unit": cutout.unit,
        "run": run,
        "threshold": NAN if arms.dtype == bool else float(threshold),
        "arm_pixels": int(arm.sum()),
        "pixel_scale_arcsec": NAN if cutout.pixel_scale_arcsec is None else cutout.pixel_scale_arcsec,
    }
    known["flux_ratio_gamma22"] = _gamma_ratio(cutout, arm)
    flags = _mask_flags(arm) | (Flag(0) if cutout.has_linear_flux else Flag.PICTURE)
    levels = () if arms.dtype == bool else threshold_range or mask_thresholds(threshold)
    return _measure_light(cutout, (arm, *(arms > level for level in levels)), known, flags)


def _mask_flags(arm: np.ndarray) -> Flag:
    """What is odd about the arm mask by itself."""
    flags = Flag(0)
    number = int(arm.sum())
    if number == 0:
        return Flag.NO_ARMS
    if number < 5:
        flags |= Flag.TINY_MASK
    if arm[0].any() or arm[-1].any() or arm[:, 0].any() or arm[:, -1].any():
        flags |= Flag.MASK_TOUCHES_EDGE
    return flags


def _gamma_ratio(cutout: Cutout, arm: np.ndarray) -> float:
    """The seed's estimate: Σ p^2.2 in the mask ÷ Σ p^2.2, p the 8-bit grey picture; NaN for a black picture."""
    from flaxgal.survey.display import to_picture

    try:
        light = GAMMA_LIGHT[to_picture(cutout, ("grey",))[..., 0]]
    except ValueError:  # an image without light makes no picture
        return NAN
    total = light.sum()
    return float(light[arm].sum() / total) if total > 0 else NAN


def _measure_light(cutout: Cutout, drawings: tuple[np.ndarray, ...], known: dict, flags: Flag) -> Measurement:
    """The row of a cutout: of a picture its shape and its arms, and the light of no band."""
    arm = drawings[0]
    flux, usable = linear_light(cutout)
    bands = cutout.bands if cutout.has_linear_flux else ()
    usable &= np.array([_has_light(image, good) for image, good in zip(flux, usable, strict=True)])[:, None, None]
    noise = np.array([pixel_noise(image, good) for image, good in zip(flux, usable, strict=True)])
    if bands:
        usable &= ~np.array([dead_pixels(*band) for band in zip(flux, usable, noise.tolist(), strict=True)])
    guess = np.array([border_sky(image, good) for image, good in zip(flux, usable, strict=True)])
    seen = np.isfinite(noise) & np.isfinite(guess)
    flags |= Flag.MISSING_BAND if not seen.all() else Flag(0)
    nothing = Flag.NO_GALAXY | (Flag.SATURATED if _is_saturated(cutout, near_centre(arm.shape)) else Flag(0))
    if not seen.any():
        return Measurement(**known, flags=flags | nothing, bands=dict.fromkeys(bands, BandFlux()))
    # An image without any noise (a model, a test) is given a little, so that "significant" keeps a meaning.
    least = 1e-6 * np.nanmax(np.abs(np.where(usable, flux, np.nan)), axis=(1, 2), initial=1e-30)
    least = least if bands else np.full(len(flux), PICTURE_NOISE)
    together = detection_image(flux[seen] - guess[seen, None, None], np.maximum(noise, least)[seen], usable[seen])
    sources = find_sources(together, arm)
    if not sources.found:
        flags |= Flag.GALAXY_UNCERTAIN if sources.uncertain else Flag(0)
        return Measurement(**known, flags=flags | nothing, bands=dict.fromkeys(bands, BandFlux()))
    # Where only some bands see the galaxy, it looks fainter than it is: shapes are read where all do.
    own = np.asarray(usable[seen].all(axis=0)) & ~sources.others
    seeing = psf_fwhm_pixels(cutout.psf)
    ellipse = isophote_ellipse(together, sources.galaxy, own, sources.peak, arm_mask=arm, seeing_fwhm_pixels=seeing)
    aperture, oddities = find_aperture(together, np.asarray(usable.any(axis=0)), sources, ellipse, arm)
    flags |= oddities
    masks = draw_masks(drawings, aperture)
    measured = _bands(cutout, flux, usable, noise, aperture, masks, seeing) if bands else {}
    for one in measured.values():
        flags |= one.flags
    # What no band measures has no radius either: a galaxy without its centre looks larger than it is.
    is_measured = not bands or any(Flag.MISSING_BAND not in one.flags for one in measured.values())
    counted = sources.galaxy & aperture.inside
    clipped = (
        is_clipped(one, good & counted, picture=not bands) for one, good in zip(cutout.flux, usable, strict=True)
    )
    if any(clipped) or _is_saturated(cutout, counted):
        flags |= Flag.SATURATED
    if sources.knot_share > BRIGHT_KNOT:
        flags |= Flag.BRIGHT_KNOT
    covered = float((sources.others & aperture.inside).sum() / aperture.inside.sum())
    radii = [one.bulge_radius for one in measured.values() if np.isfinite(one.bulge_radius)]
    bulge_radius = float(np.median(radii)) if radii else NAN
    colours, matched = _colours(cutout, measured, aperture, masks[0], bulge_radius)
    found = measure_arms(masks[0].arm, ellipse, first_row=cutout.first_row, wcs=cutout.wcs)
    fourier = measure_fourier(
        together,
        own,
        ellipse,
        inner_radius_pixels=max(FOURIER_FROM_PIXELS, FOURIER_SPAN[0] * aperture.half_light_radius),
        outer_radius_pixels=FOURIER_SPAN[1] * aperture.half_light_radius,
        first_row=cutout.first_row,
        wcs=cutout.wcs,
    )
    flags |= found.flags | (Flag.CROWDED if covered > 0.25 else Flag(0))
    return Measurement(
        **known,
        flags=flags | (Flag.NOT_PSF_MATCHED if colours and not matched else Flag(0)),
        bands={band: one.flux for band, one in measured.items()},
        centre_y=ellipse.centre[0],
        centre_x=ellipse.centre[1],
        axis_ratio=ellipse.axis_ratio,
        axis_ratio_error=ellipse.axis_ratio_error or NAN,
        position_angle_deg=ellipse.position_angle_deg,
        position_angle_error_deg=ellipse.position_angle_error_deg or NAN,
        position_angle_sky_deg=sky_position_angle_deg(ellipse.position_angle_deg, ellipse.centre, cutout.wcs),
        inclination_deg=inclination_deg(ellipse.axis_ratio),
        half_light_radius_pixels=aperture.half_light_radius if is_measured else NAN,
        petrosian_radius_pixels=aperture.petrosian_radius if is_measured else NAN,
        kron_radius_pixels=aperture.kron_radius if is_measured else NAN,
        bulge_radius_pixels=bulge_radius,
        others_share=covered,
        psf_matched=matched,
        colours=colours,
        arms=_with_shares(found, together, aperture) if is_measured else found.arms,
        chirality=found.chirality,
        pitch_angle_deg=found.pitch_angle_deg,
        pitch_angle_error_deg=found.pitch_angle_error_deg,
        fourier=fourier,
    )


def _is_saturated(cutout: Cutout, region: np.ndarray) -> bool:
    """Whether the image's own mask plane says that pixels of a region are saturated."""
    return "SAT" in cutout.mask_planes and bool((cutout.mask_planes["SAT"] & region).any())


def _has_light(image: np.ndarray, good: np.ndarray) -> bool:
    """Whether a band was observed: where it was not, some surveys have the same number, often 0, in every pixel."""
    return bool(good.any() and np.ptp(image[good]) > 0)


def _bands(
    cutout: Cutout,
    flux: np.ndarray,
    usable: np.ndarray,
    noise: np.ndarray,
    aperture: Aperture,
    masks: tuple[DrawnMask, ...],
    seeing_fwhm_pixels: float,
) -> dict[str, SeenBand]:
    """Each band measured, with its surface-brightness limit where the flux is calibrated."""
    measured = {}
    calibrated = cutout.unit == "nJy" and cutout.pixel_scale_arcsec is not None
    for number, band in enumerate(cutout.bands):
        variance = None if cutout.variance is None else cutout.variance[number].astype(float)
        sky = usable[number] & aperture.alone & ~aperture.inside
        enough = np.count_nonzero(sky) >= LEAST_SKY_PIXELS
        deviation = pixel_noise(flux[number], sky) if enough else float(noise[number])
        one = measure_band(
            flux[number],
            variance,
            usable[number],
            aperture,
            masks,
            deviation=deviation,
            seeing_fwhm_pixels=seeing_fwhm_pixels,
        )
        if calibrated and one.light is not None:
            limit = surface_brightness_limit(deviation, cutout.pixel_scale_arcsec or NAN)
            one = replace(one, flux=replace(one.flux, surface_brightness_limit_mag_arcsec2=limit))
        measured[band] = one
    return measured


def _colours(
    cutout: Cutout, measured: dict[str, SeenBand], aperture: Aperture, mask: DrawnMask, bulge_radius: float
) -> tuple[dict[str, Colour], bool]:
    """Colours of the measured bands, where their flux is calibrated, and whether they are of one seeing."""
    lights = {band: one.light for band, one in measured.items() if one.light is not None}
    if cutout.unit != "nJy" or len(lights) < 2:
        return {}, False
    disc = mask.clear if np.isnan(bulge_radius) else mask.clear & (aperture.ring > bulge_radius)
    return measure_colours(lights, cutout.psf, order=cutout.bands, core=aperture.core, arm=mask.arm, interarm=disc)


def _with_shares(found: ArmSet, light: np.ndarray, aperture: Aperture) -> tuple[Arm, ...]:
    """The arms, each with its share of the galaxy's light; NaN where that is not above the sky."""
    own = np.where(aperture.alone & aperture.inside, light, 0.0)
    total = float(own.sum()) if own.sum() > 0 else NAN
    shares = np.bincount(found.labels.ravel(), weights=own.ravel(), minlength=len(found.arms) + 1) / total
    return tuple(replace(arm, flux_share=float(share)) for arm, share in zip(found.arms, shares[1:], strict=True))
