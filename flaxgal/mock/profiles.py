"""Light profiles of galaxies and stars: Sérsic and Moffat, as surface brightness and as light in pixels.

Coordinates are in pixels, x to the right and y up. A position angle here is the angle of the major axis from the +x
axis towards +y, in radians.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["elliptical_radius", "moffat", "moffat_alpha", "moffat_pixels", "sersic", "sersic_b", "sersic_pixels"]

Scalar = Float[Array, ""] | float

CORE_PIXELS = 9
"""The cusp is refined in a square of this many cells, each split `CORE_SPLIT` ways, `CORE_LEVELS` times."""
CORE_SPLIT = 5
CORE_LEVELS = 3
PSF_CORE_PIXELS = 17
_TINY = 1e-12


def sersic_b(n: Scalar) -> Float[Array, ""]:
    """The b that makes r_e enclose half the light (Ciotti & Bertin 1999, A&A 352, 447, eq. 18); for n > 0.36."""
    n = jnp.asarray(n)
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3) - 2194697 / 30690717750 / n**4


def elliptical_radius(
    x: Float[Array, "*#grid"], y: Float[Array, "*#grid"], *, axis_ratio: Scalar, angle: Scalar
) -> Float[Array, "..."]:
    """Distance along the major axis of the ellipse through each point; differentiable at the centre too."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    along, across = x * cos + y * sin, (y * cos - x * sin) / axis_ratio
    return jnp.sqrt(along**2 + across**2 + _TINY)


def sersic(
    radius: Float[Array, "*grid"], *, effective_radius: Scalar, n: Scalar, axis_ratio: Scalar = 1.0
) -> Float[Array, "*grid"]:
    r"""Surface brightness of a Sérsic galaxy of total flux 1, per square pixel.

    .. math:: I(R) = I_e \exp\{-b_n [(R / R_e)^{1/n} - 1]\},\quad
              1 = 2 \pi n R_e^2 q\, e^{b_n} b_n^{-2n} \Gamma(2n)\, I_e

    Sérsic (1968), Atlas de Galaxias Australes; total flux from Ciotti & Bertin (1999). `radius` and `effective_radius`
    are along the major axis; GalSim's half-light radius is `effective_radius * sqrt(axis_ratio)`.
    """
    b = sersic_b(n)
    log_total = jnp.log(2 * jnp.pi * n * effective_radius**2 * axis_ratio) - 2 * n * jnp.log(b)
    log_total += jax.scipy.special.gammaln(2 * jnp.asarray(n, jnp.float32))
    return jnp.exp(-b * jnp.exp(jnp.log(radius / effective_radius + _TINY) / n) - log_total)


def sersic_pixels(
    size: int, *, effective_radius: Scalar, n: Scalar, axis_ratio: Scalar, angle: Scalar
) -> Float[Array, "{size} {size}"]:
    """Light of a Sérsic galaxy of total flux 1 in each pixel; its centre is the middle of pixel (size//2, size//2).

    Pixels hold the brightness at their middles plus a 24th of its Laplacian (their mean, to fourth order). Around the
    cusp 9 × 9 of them are split 5 × 5, the innermost 9 × 9 of those split again, and once more: cells of 1/125 pixel.
    The pixels around the centre are then changed so that the image has the second moments of the galaxy as pixels see
    it, which sampling a cusp once a pixel loses: seen through seeing, its core would come out 1 to 2 % too sharp.
    """

    def brightness(x, y):
        radius = elliptical_radius(x, y, axis_ratio=axis_ratio, angle=angle)
        return sersic(radius, effective_radius=effective_radius, n=n, axis_ratio=axis_ratio)

    axis = jnp.arange(size, dtype=jnp.float32) - size // 2
    coarse = brightness(axis[None, :], axis[:, None])
    sides = sum(jnp.roll(coarse, step, axis) for step in (-1, 1) for axis in (0, 1))
    pixels = coarse.at[1:-1, 1:-1].add(((sides - 4 * coarse) / 24)[1:-1, 1:-1])
    low, high = size // 2 - CORE_PIXELS // 2, size // 2 + CORE_PIXELS // 2 + 1
    return pixels.at[low:high, low:high].set(_core(brightness))


def _core(brightness) -> Float[Array, "9 9"]:
    """Light in the central pixels, refined towards the centre, with the second moments of what pixels see."""
    fine = CORE_PIXELS * CORE_SPLIT
    low, high = fine // 2 - CORE_PIXELS // 2, fine // 2 + CORE_PIXELS // 2 + 1
    steps = jnp.arange(fine, dtype=jnp.float32) - fine // 2
    # The innermost cell is sampled where an n = 4 cusp has about its mean over the cell: its middle is far too bright.
    cells = brightness(*_mesh(jnp.where(steps == 0, 0.12, steps) / CORE_SPLIT**CORE_LEVELS))
    for level in range(CORE_LEVELS - 1, 0, -1):
        means = _pooled(cells)
        cells = brightness(*_mesh(steps / CORE_SPLIT**level)).at[low:high, low:high].set(means)
    return _pooled(cells) + _sharpness(cells, steps / CORE_SPLIT)


def _mesh(axis: Float[Array, " s"]) -> tuple[Float[Array, "1 s"], Float[Array, "s 1"]]:
    return axis[None, :], axis[:, None]


def _pooled(cells: Float[Array, "45 45"]) -> Float[Array, "9 9"]:
    return cells.reshape(CORE_PIXELS, CORE_SPLIT, CORE_PIXELS, CORE_SPLIT).mean((1, 3))


def _sharpness(cells: Float[Array, "45 45"], axis: Float[Array, " 45"]) -> Float[Array, "9 9"]:
    """What to add to the pixels: second differences at the centre that make up for the second moments they lack.

    Pixels of a smooth image have its moments plus 1/12 (Sheppard's correction); those of a cusp have less. A window
    that vanishes at the edge keeps the rest of the galaxy out of the comparison.
    """
    window = (1 - (2 * axis / CORE_PIXELS) ** 2) ** 2
    cells = cells * window[:, None] * window[None, :]
    pixels, area = _pooled(cells), 1 / CORE_SPLIT**2
    middles = jnp.arange(CORE_PIXELS, dtype=jnp.float32) - CORE_PIXELS // 2
    pixel_variance = jnp.sum(pixels) / 12
    lack_x = area * jnp.sum(cells.sum(0) * axis**2) + pixel_variance - jnp.sum(pixels.sum(0) * middles**2)
    lack_y = area * jnp.sum(cells.sum(1) * axis**2) + pixel_variance - jnp.sum(pixels.sum(1) * middles**2)
    lack_xy = area * (axis @ cells @ axis) - middles @ pixels @ middles
    second = jnp.zeros(CORE_PIXELS).at[CORE_PIXELS // 2 + jnp.arange(-1, 2)].set(jnp.asarray([0.5, -1.0, 0.5]))
    first = jnp.zeros(CORE_PIXELS).at[CORE_PIXELS // 2 + jnp.arange(-1, 2)].set(jnp.asarray([-0.5, 0.0, 0.5]))
    here = jnp.zeros(CORE_PIXELS).at[CORE_PIXELS // 2].set(1.0)
    return lack_x * jnp.outer(here, second) + lack_y * jnp.outer(second, here) + lack_xy * jnp.outer(first, first)


def moffat_alpha(fwhm: Scalar, beta: Scalar) -> Float[Array, ""]:
    """Scale radius of the Moffat function with this full width at half maximum."""
    return jnp.asarray(fwhm / (2 * jnp.sqrt(2 ** (1 / jnp.asarray(beta)) - 1)))


def moffat(
    x: Float[Array, "*#grid"], y: Float[Array, "*#grid"], *, fwhm: Scalar, beta: Scalar
) -> Float[Array, "*grid"]:
    r"""Surface brightness of a star of flux 1, per square pixel (Moffat 1969, A&A 3, 455); needs beta > 1.

    .. math:: I(r) = \frac{\beta - 1}{\pi \alpha^2} [1 + (r/\alpha)^2]^{-\beta}
    """
    alpha = moffat_alpha(fwhm, beta)
    return (beta - 1) / (jnp.pi * alpha**2) * (1 + (x**2 + y**2) / alpha**2) ** (-beta)


def moffat_pixels(size: int, *, fwhm: Scalar, beta: Scalar) -> Float[Array, "{size} {size}"]:
    """Light of a star of flux 1 in each pixel, centred on the middle of pixel (size//2, size//2); sums to just under 1.

    Integrated by 3-point Gauss-Legendre quadrature along x and y in the central 17 × 17 pixels, sampled outside.
    """
    axis = jnp.arange(size, dtype=jnp.float32) - size // 2
    wings = moffat(axis[None, :], axis[:, None], fwhm=fwhm, beta=beta)
    half = min(PSF_CORE_PIXELS // 2, (size - 1) // 2)
    nodes = jnp.asarray([-0.3872983346, 0.0, 0.3872983346])
    weights = jnp.asarray([5.0, 8.0, 5.0]) / 18
    points = jnp.arange(-half, half + 1, dtype=jnp.float32)[:, None] + nodes[None]
    fine = moffat(points[None, :, None, :], points[:, None, :, None], fwhm=fwhm, beta=beta)
    core = jnp.einsum("yxji,j,i->yx", fine, weights, weights)
    low, high = size // 2 - half, size // 2 + half + 1
    return wings.at[low:high, low:high].set(core)
