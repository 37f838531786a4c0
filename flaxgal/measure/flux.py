"""How much of a galaxy's light comes from its spiral arms: total flux, arm flux and their ratio in each band.

On linear flux the sky is taken off, other objects are replaced by the galaxy's own light at the same radius, and both
sums run over one aperture of twice the Petrosian radius, as far as the image reaches. Errors come from the variance and
from the sky; without a variance they stay empty. On 8-bit pictures light cannot be added up, and only the seed's
estimate is made: pixels to the power 2.2, which undoes a screen's gamma and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64

from flaxgal.measure.arms import Arm, ArmSet, measure_arms
from flaxgal.measure.background import Sky, border_sky, fit_sky, pixel_noise, usable_pixels
from flaxgal.measure.flags import Flag
from flaxgal.measure.geometry import (
    Ellipse,
    elliptical_radius,
    half_light_radius,
    moment_ellipse,
    petrosian_radius,
    radial_profile,
)
from flaxgal.measure.record import BandFlux, Measurement
from flaxgal.measure.sources import Sources, detection_image, find_sources
from flaxgal.survey.cutout import Cutout

__all__ = ["BandFlux", "Measurement", "measure_cutout"]

APERTURE_PETROSIANS = 2.0
"""Twice the Petrosian radius holds 99 % of an exponential disc (Graham et al. 2005, AJ 130, 1535, table 1)."""
TOTAL_FLOOR = 0.005
"""Relative error of the total that no depth removes: light beyond the aperture, wings of neighbours. It is the scatter
found on mock galaxies that are bright enough to have no other."""
LEAST_SEEN = 0.55
"""A band that sees less of the aperture is not measured. Drawn spirals seen to 52 % lost 6 % of their light."""
GAMMA = 2.2
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Aperture:
    """Which pixels count: the galaxy's, those among them that are arm, and those not disturbed by other objects."""

    inside: Bool[np.ndarray, "y x"]
    arm: Bool[np.ndarray, "y x"]
    alone: Bool[np.ndarray, "y x"]
    ring: np.ndarray
    """Ring number (y, x): the elliptical radius, rounded."""
    half_light_radius: float


def measure_cutout(
    cutout: Cutout,
    arms: Float[np.ndarray, "y x"] | Bool[np.ndarray, "y x"],
    *,
    threshold: float = 0.5,
    run: str = "",
) -> Measurement:
    """Measure the light of a galaxy and of its arms.

    Parameters
    ----------
    cutout : the galaxy in one or more bands.
    arms : arm mask (True = arm), or arm probability; NaN counts as no arm.
    threshold : a pixel is arm when its probability is above this; not used for a mask.
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
    flags = _mask_flags(arm)
    if not cutout.has_linear_flux:
        return Measurement(**known, flags=flags | Flag.PICTURE, flux_ratio_gamma22=_gamma_ratio(cutout, arm))
    return _measure_light(cutout, arm, known, flags)


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

    light = np.power(to_picture(cutout, ("grey",))[..., 0] / 255.0, GAMMA)
    total = light.sum()
    return float(light[arm].sum() / total) if total > 0 else NAN


def _measure_light(cutout: Cutout, arm: np.ndarray, known: dict, flags: Flag) -> Measurement:
    """The row of a cutout in linear flux."""
    flux = cutout.flux.astype(float)
    usable = usable_pixels(cutout.flux, cutout.mask_planes)
    noise = np.array([pixel_noise(image, good) for image, good in zip(flux, usable, strict=True)])
    guess = np.array([border_sky(image, good) for image, good in zip(flux, usable, strict=True)])
    seen = np.isfinite(noise) & np.isfinite(guess)
    flags |= Flag.MISSING_BAND if not seen.all() else Flag(0)
    if not seen.any():
        return Measurement(**known, flags=flags | Flag.NO_GALAXY, bands=dict.fromkeys(cutout.bands, BandFlux()))
    # An image without any noise (a model, a test) is given a little, so that "significant" keeps a meaning.
    least = 1e-6 * np.nanmax(np.abs(np.where(usable, flux, np.nan)), axis=(1, 2), initial=1e-30)
    together = detection_image(flux[seen] - guess[seen, None, None], np.maximum(noise, least)[seen], usable[seen])
    sources = find_sources(together, arm)
    if not sources.found:
        return Measurement(**known, flags=flags | Flag.NO_GALAXY, bands=dict.fromkeys(cutout.bands, BandFlux()))
    ellipse = moment_ellipse(together, sources.galaxy, sources.peak)
    aperture, petrosian, shape_flags = _aperture(together, np.asarray(usable.any(axis=0)), sources, ellipse, arm)
    flags |= shape_flags
    bands = {}
    for number, band in enumerate(cutout.bands):
        variance = None if cutout.variance is None else cutout.variance[number].astype(float)
        bands[band], band_flags = _measure_band(flux[number], variance, usable[number], aperture)
        flags |= band_flags
    if "SAT" in cutout.mask_planes and (cutout.mask_planes["SAT"] & sources.galaxy).any():
        flags |= Flag.SATURATED
    covered = float((sources.others & aperture.inside).sum() / aperture.inside.sum())
    found = measure_arms(aperture.arm, together, ellipse, first_row=cutout.first_row, wcs=cutout.wcs)
    flags |= found.flags
    return Measurement(
        **known,
        flags=flags | (Flag.CROWDED if covered > 0.25 else Flag(0)),
        bands=bands,
        centre_y=ellipse.centre[0],
        centre_x=ellipse.centre[1],
        axis_ratio=ellipse.axis_ratio,
        position_angle_deg=ellipse.position_angle_deg,
        half_light_radius_pixels=aperture.half_light_radius,
        petrosian_radius_pixels=petrosian,
        others_share=covered,
        arms=_with_shares(found, together, aperture),
        chirality=found.chirality,
        pitch_angle_deg=found.pitch_angle_deg,
        pitch_angle_error_deg=found.pitch_angle_error_deg,
    )


def _with_shares(found: ArmSet, light: np.ndarray, aperture: Aperture) -> tuple[Arm, ...]:
    """The arms, each with its share of the galaxy's light."""
    own = np.where(aperture.alone & aperture.inside, light, 0.0)
    shares = np.bincount(found.labels.ravel(), weights=own.ravel(), minlength=len(found.arms) + 1) / own.sum()
    return tuple(replace(arm, flux_share=float(share)) for arm, share in zip(found.arms, shares[1:], strict=True))


def _aperture(
    together: np.ndarray, usable: np.ndarray, sources: Sources, ellipse: Ellipse, arm: np.ndarray
) -> tuple[Aperture, float, Flag]:
    """The galaxy's aperture, its Petrosian radius in pixels, and what is odd about them."""
    radius = elliptical_radius(ellipse, together.shape)
    ring = np.rint(radius).astype(int)
    rings = int(ring.max()) + 1
    alone = ~sources.others
    profile = radial_profile(together, ring, usable & alone, rings)
    half_light = half_light_radius(profile, ellipse.axis_ratio)
    sky = fit_sky(profile, half_light)
    profile = radial_profile(together - sky.level, ring, usable & alone, rings)
    half_light = half_light_radius(profile, ellipse.axis_ratio)
    petrosian = petrosian_radius(profile, ellipse.axis_ratio, within=2.0 * float(radius[sources.galaxy].max()))
    inside = radius <= APERTURE_PETROSIANS * petrosian if np.isfinite(petrosian) else np.ones(ring.shape, bool)
    counted = arm & inside
    edge = min(radius[0].min(), radius[-1].min(), radius[:, 0].min(), radius[:, -1].min())
    middle = (np.array(together.shape) - 1) / 2
    flags = Flag(0)
    if not petrosian < edge:
        flags |= Flag.CUT_BY_EDGE
    if np.hypot(*(np.array(ellipse.centre) - middle)) > 0.25 * min(together.shape):
        flags |= Flag.OFF_CENTRE
    if (arm & ~inside).sum() > 0.1 * arm.sum():
        flags |= Flag.MASK_OUTSIDE_GALAXY
    main = inside & (radius <= petrosian) if np.isfinite(petrosian) else inside
    if (arm & main).sum() > 0.9 * main.sum():
        flags |= Flag.MASK_EVERYTHING
    return Aperture(inside, counted, alone, ring, half_light), petrosian, flags


def _measure_band(
    image: Float64[np.ndarray, "y x"],
    variance: Float64[np.ndarray, "y x"] | None,
    usable: Bool[np.ndarray, "y x"],
    aperture: Aperture,
) -> tuple[BandFlux, Flag]:
    """Total and arm light of one band; nothing where too little of the galaxy, or no sky, is seen."""
    good = usable & aperture.alone
    own = aperture.inside & aperture.alone
    rings = int(aperture.ring.max()) + 1
    profile = radial_profile(image, aperture.ring, good, rings)
    sky = fit_sky(profile, aperture.half_light_radius)
    # A galaxy is brightest in its centre: filling it in from the rings around is a guess, and always too faint.
    centre_hidden = not profile.pixels[:2].any()
    if (good & own).sum() <= LEAST_SEEN * own.sum() or centre_hidden or not np.isfinite(sky.level):
        return BandFlux(), Flag.MISSING_BAND
    flags = Flag(0)
    light, spread = _filled(image - sky.level, aperture, good, rings)
    total, arm = float(light[aperture.inside].sum()), float(light[aperture.arm].sum())
    if (~usable & aperture.inside).sum() > 0.02 * aperture.inside.sum():
        flags |= Flag.MISSING_PIXELS
    if not total > 0:
        return BandFlux(total_flux=total, arm_flux=arm, sky=sky.level, sky_error=sky.error), flags | Flag.NEGATIVE_LIGHT
    if aperture.inside.sum() * sky.error > 0.05 * total:
        flags |= Flag.SKY_UNCERTAIN
    errors = _errors(total, arm, variance, spread, good, aperture, sky)
    if errors is None:
        return BandFlux(
            total_flux=total, arm_flux=arm, flux_ratio=arm / total, sky=sky.level, sky_error=sky.error
        ), flags | Flag.NO_VARIANCE
    if total < 10 * errors[0]:
        flags |= Flag.FAINT
    return BandFlux(total, errors[0], arm, errors[1], arm / total, errors[2], sky.level, sky.error), flags


def _filled(light: np.ndarray, aperture: Aperture, good: np.ndarray, rings: int) -> tuple[np.ndarray, np.ndarray]:
    """The image with the galaxy's own mean light where it cannot be seen, and the variance of such a guess.

    A hidden arm pixel gets the mean of the arm pixels on its ring, any other pixel that of the others on its ring;
    where a ring has fewer than three of its kind, the mean of the whole ring; where it has nothing, what the rings
    around it suggest.
    """
    every = radial_profile(light, aperture.ring, good, rings)
    if good[aperture.inside].all():
        return light, np.zeros_like(light)
    seen = np.flatnonzero(np.isfinite(every.mean))
    level = np.interp(np.arange(rings), seen, every.mean[seen])
    spread = np.interp(np.arange(rings), seen, every.scatter[seen])
    filled, variance = light.copy(), np.zeros_like(light)
    for kind in (aperture.arm, ~aperture.arm):
        own = radial_profile(light, aperture.ring, good & kind, rings)
        enough = own.pixels >= 3
        hidden = kind & ~good
        at = aperture.ring[hidden]
        filled[hidden] = np.where(enough, own.mean, level)[at]
        variance[hidden] = np.square(np.where(enough, own.scatter, spread))[at]
    return filled, variance


def _errors(
    total: float,
    arm: float,
    variance: np.ndarray | None,
    spread: np.ndarray,
    good: np.ndarray,
    aperture: Aperture,
    sky: Sky,
) -> tuple[float, float, float] | None:
    """Standard errors of total flux, arm flux and ratio R; None where the noise is not known.

    With arm light A and the rest B independent, R = A / (A + B) has the variance
    ((1 − R)² var A + R² var B) / T²; a sky wrong by δ moves R by (R n_total − n_arm) δ / T, and a total wrong by a
    share f (`TOTAL_FLOOR`) moves it by R f.
    """
    if variance is None:
        return None
    known = np.isfinite(variance) & (variance > 0)
    if not known[good & aperture.inside].any():
        return None
    # A few pixels of unknown noise get the typical noise of the rest.
    pixel = np.where(known, variance, np.median(variance[known & good & aperture.inside]))
    pixel = np.where(good, pixel, spread)
    inside, arms = aperture.inside, aperture.arm
    arm_variance = float(pixel[arms].sum())
    rest_variance = float(pixel[inside & ~arms].sum())
    ratio, area, arm_area = arm / total, int(inside.sum()), int(arms.sum())
    light = (1 - ratio) ** 2 * arm_variance + ratio**2 * rest_variance
    tilt = (ratio * area - arm_area) * sky.error
    floor = TOTAL_FLOOR * total
    return (
        float(np.sqrt(arm_variance + rest_variance + (area * sky.error) ** 2 + floor**2)),
        float(np.sqrt(arm_variance + (arm_area * sky.error) ** 2)),
        float(np.sqrt(light + tilt**2 + (ratio * floor) ** 2) / total),
    )
