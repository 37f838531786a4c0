r"""The exact truth about a mock galaxy's arms: the mask that a person would draw, by formula.

With E the light of the arm component after seeing, G all light of the galaxy, both added over the bands with weights
1/(sky variance), and ⟨·⟩ the mean under a Gaussian of standard deviation

.. math:: σ = 1 + 1.2 \sqrt{(0.42\,\mathrm{FWHM})^2 + (0.08\,R_e)^2} \ \mathrm{pixels},

about twice as wide as an arm, the height of an arm over its surroundings is H = E − ⟨E⟩ and the light there is
L = G − E + ⟨E⟩. A pixel is arm where

1. it lies on a **ridge**: within `mask_width` × FWHM / 2 of an arm's crest, the FWHM being that of the arm's Gaussian
   cross-section as seen on the sky, the seeing added in quadrature; and between the arm's ends (± 0.1 in ln R);
2. the arm **stands out** there: H ≥ `mask_contrast` · L and H ≥ `mask_signal_to_noise` · (sky noise of a pixel), with H
   and L averaged along the ridge under a Gaussian of σ = 1.5 + 0.12 R_e pixels, so that no short gap breaks the mask;
3. it is not a **crumb**: the ridge pixels that stand out fill at least 30 % of a Gaussian of σ = 2.2 pixels around it,
   the outline is that of a brush: where a Gaussian of σ = 1 pixel is filled to 45 %;
   and the whole mask has at least `mask_pixels` pixels, else it is empty.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from flaxgal.config import MockConfig
from flaxgal.mock.arms import across_arms, arm_width, disc_plane, log_length, winding
from flaxgal.mock.painting import bar_radius
from flaxgal.mock.population import Arms, Galaxy
from flaxgal.mock.seeing import blur

__all__ = ["arm_mask", "arm_ridge", "bar_mask", "nearest_arm", "sky_coordinates"]

Grid = Float[Array, "y x"]
Bands = Float[Array, "band y x"]
Mask = Bool[Array, "y x"]

SIGMA_OF_FWHM = 0.4247
"""Standard deviation of a Gaussian over its full width at half maximum."""
CRUMB_PIXELS, CRUMB_SHARE = 2.2, 0.3
BRUSH_PIXELS = 1.0
_TINY = 1e-6


def sky_coordinates(image_size: int, galaxy: Galaxy) -> tuple[Grid, Grid]:
    """How far each of the picture's pixels is from the galaxy's centre along x and along y."""
    axis = jnp.arange(image_size, dtype=jnp.float32) - (image_size - 1) / 2
    shape = (image_size, image_size)
    return jnp.broadcast_to(axis - galaxy.offset_x, shape), jnp.broadcast_to((axis - galaxy.offset_y)[:, None], shape)


def arm_mask(config: MockConfig, galaxy: Galaxy, whole: Bands, arms: Bands, sky: Float[Array, " band"]) -> Mask:
    """True = arm, as the module's docstring defines it.

    `whole` and `arms` are G and E band by band, `sky` the standard deviation of the sky's noise in each.
    """
    weight = 1 / sky[:, None, None] ** 2
    whole, arms = jnp.sum(whole * weight, 0), jnp.sum(arms * weight, 0)
    noise = jnp.sqrt(jnp.sum(weight))
    seeing = SIGMA_OF_FWHM * galaxy.fwhm
    around = blur(arms, 1 + 1.2 * jnp.sqrt(seeing**2 + (0.08 * galaxy.disc.effective_radius) ** 2))
    radius, angle = disc_plane(galaxy.disc, *sky_coordinates(config.image_size, galaxy))
    ridge = arm_ridge(galaxy.arms, radius, angle, seeing=seeing, width=config.mask_width)
    layers = jnp.stack([arms - around, whole - arms + around, jnp.ones_like(arms)])
    height, light, filled = blur(layers * ridge[None], 1.5 + 0.12 * galaxy.disc.effective_radius)
    threshold = jnp.maximum(config.mask_contrast * light, config.mask_signal_to_noise * noise * filled)
    mask = ridge & (height >= threshold)
    mask &= blur(mask.astype(jnp.float32), CRUMB_PIXELS) >= CRUMB_SHARE
    mask = blur(mask.astype(jnp.float32), BRUSH_PIXELS) >= 0.45
    return mask & (jnp.sum(mask) >= config.mask_pixels) & (galaxy.arms.count > 0)


def arm_ridge(arms: Arms, radius: Grid, angle: Grid, *, seeing: Float[Array, ""] | float, width: float) -> Mask:
    """Pixels within `width` × FWHM / 2 of the crest of any arm, as seen on the sky; `radius`, `angle` by `disc_plane`.

    An arm's width on the sky is 1/|∇u|, u being the distance across it in units of its width; the seeing, a Gaussian of
    standard deviation `seeing` pixels, is added in quadrature.
    """
    s = jnp.log(radius / arms.inner_radius)
    phase = angle - arms.chirality * winding(arms, s)
    slope = radius * jnp.sin(arms.pitch) / arm_width(arms, radius) * _gradient(phase) + _TINY
    reach = width * 1.1775 * jnp.sqrt(1 + (seeing * slope) ** 2)
    end = log_length(arms) * arms.length[:, None, None]
    there = (arms.strength[:, None, None] > 0) & (s > -0.1)[None] & (s[None] < end + 0.1)
    return jnp.any(there & (jnp.abs(across_arms(arms, radius, angle)) <= reach[None]), 0)


def nearest_arm(config: MockConfig, galaxy: Galaxy) -> Int[Array, "y x"]:
    """Which of the galaxy's arms, from 0, has its crest nearest to each pixel, in widths of the arm."""
    radius, angle = disc_plane(galaxy.disc, *sky_coordinates(config.image_size, galaxy))
    arms = galaxy.arms
    along = jnp.log(radius / arms.inner_radius)[None]
    end = log_length(arms) * arms.length[:, None, None]
    there = (arms.strength[:, None, None] > 0) & (along > -0.4) & (along < end + 0.4)
    return jnp.argmin(jnp.where(there, jnp.abs(across_arms(arms, radius, angle)), jnp.inf), axis=0)


def _gradient(phase: Grid) -> Grid:
    """|∇ phase| in radians a pixel, by central differences of exp(i phase), which does not jump at ±π."""
    cos, sin = jnp.cos(phase), jnp.sin(phase)
    slopes = [(jnp.asarray(jnp.gradient(sin, axis=k)), jnp.asarray(jnp.gradient(cos, axis=k))) for k in (0, 1)]
    down, right = (cos * of_sin - sin * of_cos for of_sin, of_cos in slopes)
    return jnp.sqrt(down**2 + right**2 + _TINY)


def bar_mask(config: MockConfig, galaxy: Galaxy) -> Mask:
    """True = within the outline where the bar has half its central surface brightness, before seeing."""
    radius, angle = disc_plane(galaxy.disc, *sky_coordinates(config.image_size, galaxy))
    return (galaxy.bar.share > 0) & (bar_radius(galaxy.bar, radius, angle) < 1)
