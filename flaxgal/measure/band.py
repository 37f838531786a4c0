"""The light of a galaxy and of its arms in one band, with errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from flaxgal.measure.aperture import Aperture, growth
from flaxgal.measure.background import Sky, fit_sky, noise_correlation
from flaxgal.measure.colours import BandLight
from flaxgal.measure.disc_light import Bulge, find_bulge, interarm_region, interarm_weights
from flaxgal.measure.errors import Noise, coherent_pixels, pixel_variance, standard_error
from flaxgal.measure.flags import Flag
from flaxgal.measure.geometry import Profile, radial_profile
from flaxgal.measure.record import BandFlux

__all__ = ["DrawnMask", "SeenBand", "draw_masks", "measure_band"]

TOTAL_FLOOR = 0.005
"""Relative error of the total that no depth removes: light beyond the aperture, wings of neighbours. It is the scatter
found on mock galaxies that are bright enough to have no other."""
LEAST_SEEN = 0.55
"""A band that sees less of the aperture is not measured. Drawn spirals seen to 52 % lost 6 % of their light."""
UNEVEN_PIXELS = 7.0
"""Pixels of the disc between arms that are brighter or fainter than their ring together, as far as it matters for its
mean there: about a disc of seeing. With it and the tilt, 63 and 74 % of contrasts of mock spirals of 64 and 128 pixels
lie within their error; with patches of the size of `coherent_pixels` and without the tilt 73 and 83 %."""
GROWING_SHARE = 0.02
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """One drawing of a galaxy's arms."""

    arm: Bool[np.ndarray, "y x"]
    """Within the galaxy's aperture."""
    clear: Bool[np.ndarray, "y x"]
    """Within the aperture, and clear of all arms."""
    other_discs: tuple[Float64[np.ndarray, "y x"], ...] = ()
    """Weights whose sum with the light is the disc's where the arms are, had the galaxy one of its `other_rings`."""


@dataclass(frozen=True, eq=False)
class SeenBand:
    """What measuring one band gave."""

    flux: BandFlux
    flags: Flag
    light: BandLight | None = None
    """None where the band was not measured."""
    bulge_radius: float = NAN


@dataclass(frozen=True, eq=False)
class _ArmNumbers:
    """What is said of the arms under one drawing of them."""

    values: Float64[np.ndarray, " number"]
    """Arm flux, arm ÷ total, arm ÷ disc, contrast, excess ÷ total."""
    below: float = NAN
    """Light of the disc between the arms on the area of the arms."""
    between: Float64[np.ndarray, " ring"] | None = None
    """Weight in `below` of each pixel between the arms, by ring."""


def draw_masks(drawings: tuple[np.ndarray, ...], aperture: Aperture) -> tuple[DrawnMask, ...]:
    """Arm masks of the whole image, seen within the aperture."""
    masks = [mask & aperture.inside for mask in drawings]
    first, *others = [DrawnMask(mask, interarm_region(mask, aperture.inside)) for mask in masks]
    clear = first.clear & aperture.alone
    weights = [(ring, interarm_weights(first.arm, clear, ring)) for ring in aperture.other_rings]
    discs = tuple(np.where(clear, weight[ring], 0.0) for ring, weight in weights if weight is not None)
    return replace(first, other_discs=discs), *others


def measure_band(
    image: Float64[np.ndarray, "y x"],
    variance: Float64[np.ndarray, "y x"] | None,
    usable: Bool[np.ndarray, "y x"],
    aperture: Aperture,
    masks: tuple[DrawnMask, ...],
    *,
    deviation: float = NAN,
    seeing_fwhm_pixels: float = 0.0,
) -> SeenBand:
    """Total and arm light of one band; nothing where too little of the galaxy, or no sky, is seen.

    The first of `masks` is measured; the others tell how uncertain it is. `deviation` is the noise of a pixel of sky;
    `seeing_fwhm_pixels` is 0 where it is not known.
    """
    good = usable & aperture.alone
    own = aperture.inside & aperture.alone
    profile = radial_profile(image, aperture.ring, good, aperture.rings)
    sky = fit_sky(profile, aperture.half_light_radius)
    # A galaxy is brightest in its centre: filling it in from the rings around is a guess, and always too faint.
    centre_hidden = not (good & aperture.nucleus).any()
    if (good & own).sum() <= LEAST_SEEN * own.sum() or centre_hidden or not np.isfinite(sky.level):
        return SeenBand(BandFlux(), Flag.MISSING_BAND)
    flags = Flag(0)
    if (~usable & aperture.inside).sum() > 0.02 * aperture.inside.sum():
        flags |= Flag.MISSING_PIXELS
    above = Profile(profile.mean - sky.level, profile.scatter, profile.pixels)
    light, spread = _filled(image - sky.level, above, aperture, good, masks[0].arm)
    total, arm = float(light[aperture.inside].sum()), float(light[masks[0].arm].sum())
    if not total > 0:
        faint = BandFlux(total_flux=total, arm_flux=arm, sky=sky.level, sky_error=sky.error)
        return SeenBand(faint, flags | Flag.NEGATIVE_LIGHT)
    if aperture.inside.sum() * sky.error > 0.05 * total:
        flags |= Flag.SKY_UNCERTAIN
    noise = _noise(image, variance, spread, good, aperture, sky)
    bulge = find_bulge(light, aperture, seeing_fwhm_pixels=seeing_fwhm_pixels)
    drawn = [_arm_numbers(light, mask, good, aperture, total, bulge) for mask in masks]
    # Of an empty mask the range tells nothing: how far a network is off that finds no arms at all is not in it.
    ranged = len(drawn) > 1 and masks[0].arm.any()
    mask_error = np.ptp([one.values for one in drawn], axis=0) / 2 if ranged else np.full(5, NAN)
    flux, oddities = _band_flux(light, aperture, masks[0], good, drawn[0], mask_error, bulge, noise)
    grown, still = _growth(above, sky, deviation, aperture, total)
    flags |= oddities | still
    complete = BandFlux(**flux, growth=grown, sky=sky.level, sky_error=sky.error)
    return SeenBand(complete, flags, BandLight(light, noise), bulge.radius)


def _band_flux(
    light: np.ndarray,
    aperture: Aperture,
    mask: DrawnMask,
    good: np.ndarray,
    numbers: _ArmNumbers,
    mask_error: np.ndarray,
    bulge: Bulge,
    noise: Noise | None,
) -> tuple[dict[str, float], Flag]:
    """The columns of a band that come from sums of its light, with their errors where the noise is known."""
    arm, ratio, to_disc, contrast, excess = (float(value) for value in numbers.values)
    inside, kron = aperture.inside.astype(float), aperture.kron.astype(float)
    total, within_kron = float((light * inside).sum()), float((light * kron).sum())
    flags = Flag(0)
    if mask.arm.any() and not np.isfinite(contrast):
        flags |= Flag.NO_INTERARM
    if not np.isfinite(to_disc):
        flags |= Flag.NO_BULGE_FIT
    if mask_error[1] > ratio * (1 - ratio):  # more than 0.1 it is for over half of the masks of a short training
        flags |= Flag.MASK_UNCERTAIN
    flux = {
        "total_flux": total,
        "arm_flux": arm,
        "flux_ratio": ratio,
        "flux_ratio_mask_error": float(mask_error[1]),
        "kron_flux": within_kron if np.isfinite(aperture.kron_radius) else NAN,
        "bulge_flux": bulge.flux,
        "arm_to_disc_ratio": to_disc,
        "arm_contrast": contrast,
        "arm_excess_ratio": excess,
    }
    if noise is None:
        return flux, flags | Flag.NO_VARIANCE
    floor = TOTAL_FLOOR * total
    disc = total - bulge.flux
    bulge_in_arms = float(bulge.profile[aperture.ring[mask.arm]].sum()) / bulge.flux if bulge.flux > 0 else 0.0
    # What moves each number besides its pixels: light beyond the aperture, the bulge taken off, a disc that is uneven
    # or tilted otherwise.
    of_disc = np.hypot(to_disc * floor, (to_disc - bulge_in_arms) * bulge.error) / disc if disc > 0 else NAN
    between = None if numbers.between is None else np.where(mask.clear & good, numbers.between[aperture.ring], 0.0)
    tilted = [float(np.einsum("yx,yx", disc, light)) - numbers.below for disc in mask.other_discs]
    uneven = np.hypot(_unevenness(light, between, aperture, noise), np.linalg.norm(tilted))
    others = [
        0.0,
        ratio * TOTAL_FLOOR,
        of_disc,
        contrast * uneven / numbers.below,
        np.hypot(excess * TOTAL_FLOOR, uneven / total),
    ]
    errors = [
        NAN if weight is None else float(np.hypot(standard_error(weight, noise), other))
        for weight, other in zip(_weights(numbers, mask.arm, inside, between, total, disc), others, strict=True)
    ]
    if not mask.arm.any():  # none drawn: what can be wrong is the mask alone
        errors = [NAN] * len(errors)
    both = np.hypot(errors, np.nan_to_num(mask_error)).tolist()
    total_error = float(np.hypot(standard_error(inside, noise), floor))
    kron_error = float(np.hypot(standard_error(kron, noise), TOTAL_FLOOR * within_kron))
    names = ("arm_flux", "flux_ratio", "arm_to_disc_ratio", "arm_contrast", "arm_excess_ratio")
    flux |= {
        f"{name}_error": error if np.isfinite(flux[name]) else NAN for name, error in zip(names, both, strict=True)
    }
    within_bulge = aperture.inside & (aperture.ring <= bulge.radius) if np.isfinite(bulge.flux) else aperture.inside
    bulge_error = float(np.hypot(standard_error(within_bulge.astype(float), noise), bulge.error))
    flux |= {"total_flux_error": total_error, "kron_flux_error": kron_error, "bulge_flux_error": bulge_error}
    return flux, flags | (Flag.FAINT if total < 10 * total_error else Flag(0))


def _arm_numbers(
    light: np.ndarray, mask: DrawnMask, good: np.ndarray, aperture: Aperture, total: float, bulge: Bulge
) -> _ArmNumbers:
    """Arm flux, its ratios to total and disc, its contrast and excess over the disc between, under one drawing."""
    arm_flux = float(light[mask.arm].sum())
    ratio = arm_flux / total
    disc = total - bulge.flux
    to_disc = (arm_flux - float(bulge.profile[aperture.ring[mask.arm]].sum())) / disc if disc > 0 else NAN
    clear = mask.clear & good
    between = interarm_weights(mask.arm, clear, aperture.ring)
    by_ring = np.bincount(aperture.ring[clear], light[clear], minlength=aperture.rings)
    below = NAN if between is None else float(between @ by_ring)
    contrast = arm_flux / below if below > 0 else NAN
    excess = (arm_flux - below) / total if mask.arm.any() else 0.0
    return _ArmNumbers(np.array([arm_flux, ratio, to_disc, contrast, excess]), below, between)


def _weights(
    numbers: _ArmNumbers,
    mask: np.ndarray,
    inside: np.ndarray,
    between: np.ndarray | None,
    total: float,
    disc: float,
) -> tuple[np.ndarray | None, ...]:
    """How each of the numbers changes with the light of each pixel.

    A ratio R = N / D of two weighted sums changes with a pixel's light as (w_N − R w_D) / D.
    """
    arm = mask.astype(float)
    _, ratio, to_disc, contrast, excess = numbers.values
    return (
        arm,
        (arm - ratio * inside) / total,
        (arm - to_disc * inside) / disc if disc > 0 else None,
        None if between is None or not numbers.below > 0 else (arm - contrast * between) / numbers.below,
        None if between is None else (arm - between - excess * inside) / total,
    )


def _unevenness(light: np.ndarray, between: np.ndarray | None, aperture: Aperture, noise: Noise) -> float:
    """Standard error of the disc's light below the arms, as the disc differs from place to place on a ring.

    What is seen of a ring between the arms stands for what the arms cover; its scatter beyond the noise is the galaxy's
    own, patch by patch.
    """
    if between is None:
        return NAN
    ring = aperture.ring
    profile = radial_profile(light, ring, between > 0, aperture.rings)
    own = np.square(profile.scatter) - radial_profile(noise.pixel, ring, between > 0, aperture.rings).mean
    own = np.maximum(np.nan_to_num(own), 0.0)
    return float(np.sqrt(UNEVEN_PIXELS * (np.square(between) * own[ring]).sum()))


def _noise(
    image: np.ndarray,
    variance: np.ndarray | None,
    spread: np.ndarray,
    good: np.ndarray,
    aperture: Aperture,
    sky: Sky,
) -> Noise | None:
    """The noise of a band; None where its variance is not known."""
    pixel = pixel_variance(variance, good, aperture.inside)
    if pixel is None:
        return None
    return Noise(
        pixel=pixel,
        filled=spread,
        sky_error=sky.error,
        correlation=noise_correlation(image, good & ~aperture.inside),
        coherent=coherent_pixels(aperture.half_light_radius),
    )


def _growth(profile: Profile, sky: Sky, deviation: float, aperture: Aperture, total: float) -> tuple[float, Flag]:
    """By which share the total would grow in the next ring, and whether that is more than chance."""
    light, area = growth(profile, aperture)
    if not np.isfinite(light):
        return NAN, Flag(0)
    chance = np.hypot(area * sky.error, np.sqrt(area) * np.nan_to_num(deviation))
    rising = light > GROWING_SHARE * total and light > 3.0 * chance
    return light / total, Flag.GROWING if rising else Flag(0)


def _filled(
    light: np.ndarray, profile: Profile, aperture: Aperture, good: np.ndarray, arm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The image with the galaxy's own mean light where it cannot be seen, and the variance of such a guess.

    A hidden arm pixel gets the mean of the arm pixels on its ring, any other pixel that of the others on its ring;
    where a ring has fewer than three of its kind, the mean of the whole ring; where it has nothing, what the rings
    around it suggest.
    """
    if good.all():
        return light, np.zeros_like(light)
    rings = aperture.rings
    seen = np.flatnonzero(np.isfinite(profile.mean))
    level = np.interp(np.arange(rings), seen, profile.mean[seen])
    spread = np.interp(np.arange(rings), seen, profile.scatter[seen])
    filled, variance = light.copy(), np.zeros_like(light)
    for kind in (arm, ~arm):
        own = radial_profile(light, aperture.ring, good & kind, rings)
        enough = own.pixels >= 3
        hidden = kind & ~good
        at = aperture.ring[hidden]
        filled[hidden] = np.where(enough, own.mean, level)[at]
        variance[hidden] = np.square(np.where(enough, own.scatter, spread))[at]
    return filled, variance
