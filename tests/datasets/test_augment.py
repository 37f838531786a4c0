"""Claims about augmentation: picture, target and weight move together, and nothing comes from nowhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from flaxgal.config import AugmentConfig
from flaxgal.datasets import augment as rooms
from flaxgal.datasets.augment import inverse_matrix

augment = jax.jit(rooms.augment, static_argnames="config")
resample = jax.jit(rooms.resample)

NOTHING = AugmentConfig(
    rotate=False,
    flip=False,
    zoom=(1.0, 1.0),
    shift=0.0,
    brightness=(1.0, 1.0),
    gamma=(1.0, 1.0),
    sky=0.0,
    noise=0.0,
    blur_pixels=0.0,
)


def galaxies(number=3, height=12, width=12, bands=2, classes=1, seed=0):
    random = np.random.default_rng(seed)
    image = random.random((number, height, width, bands), np.float32)
    target = random.random((number, height, width, classes), np.float32)
    weight = (random.random((number, height, width)) < 0.9).astype(np.float32)
    return jnp.asarray(image), jnp.asarray(target), jnp.asarray(weight)


def only(**changes):
    return AugmentConfig(**{**{f: getattr(NOTHING, f) for f in NOTHING.__dataclass_fields__}, **changes})


GEOMETRY = only(rotate=True, flip=True, zoom=(0.7, 1.4), shift=0.2)


def map_of(angle_deg=0.0, mirror=1.0, zoom=1.0):
    one = jnp.ones(1)
    return inverse_matrix(jnp.deg2rad(angle_deg) * one, mirror * one, zoom * one)


def test_a_config_that_changes_nothing_returns_its_input_exactly():
    before = galaxies()
    for a, b in zip(before, augment(jax.random.key(0), *before, config=NOTHING), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_quarter_turn_is_rot90():
    image = galaxies(number=1)[0]
    turned = resample(image, map_of(90.0), jnp.zeros((1, 2)))
    np.testing.assert_allclose(turned[0], np.rot90(image[0]), atol=1e-5)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turned_and_mirrored_picture_is_turned_first(quarters):
    image = galaxies(number=1)[0]
    changed = resample(image, map_of(90.0 * quarters, mirror=-1.0), jnp.zeros((1, 2)))
    np.testing.assert_allclose(changed[0], np.rot90(image[0], quarters)[:, ::-1], atol=1e-5)


def test_a_mirror_turns_an_s_into_a_z():
    s_shape = np.zeros((1, 9, 9, 1), np.float32)
    s_shape[0, 1, 4:7, 0] = s_shape[0, 7, 2:5, 0] = s_shape[0, 1:8, 4, 0] = 1
    mirrored = resample(jnp.asarray(s_shape), map_of(mirror=-1.0), jnp.zeros((1, 2)))
    np.testing.assert_allclose(mirrored, s_shape[:, :, ::-1], atol=1e-6)
    turns = [np.rot90(s_shape[0], k) for k in range(4)]
    assert all(np.abs(turn - np.asarray(mirrored[0])).max() > 0.5 for turn in turns)


def test_flips_happen_to_half_of_the_galaxies_and_rotation_alone_keeps_chirality():
    image, target, weight = galaxies(number=200, height=5, width=5)
    flipped, _, _ = augment(jax.random.key(1), image, target, weight, config=only(flip=True))
    mirrored = np.array([np.allclose(a, b[:, ::-1], atol=1e-5) for a, b in zip(flipped, image, strict=True)])
    same = np.array([np.allclose(a, b, atol=1e-5) for a, b in zip(flipped, image, strict=True)])
    assert np.all(mirrored ^ same)
    assert 70 < mirrored.sum() < 130


@pytest.mark.parametrize("shape", [(12, 12), (9, 14)])
def test_resampling_agrees_with_scipy(shape):
    random = np.random.default_rng(3)
    for _ in range(5):
        image = random.random((1, *shape, 1), np.float32)
        matrix = map_of(random.uniform(0, 360), random.choice([-1.0, 1.0]), random.uniform(0.6, 1.6))
        shift = jnp.asarray(random.uniform(-3, 3, (1, 2)), jnp.float32)
        centre = (np.asarray(shape) - 1) / 2
        a = np.asarray(matrix[0], float)
        expected = scipy.ndimage.affine_transform(
            image[0, ..., 0], a, centre - a @ (centre + np.asarray(shift[0], float)), order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(resample(jnp.asarray(image), matrix, shift)[0, ..., 0], expected, atol=2e-5)


def test_zooming_by_two_doubles_a_galaxy():
    blob = np.exp(-0.5 * (np.hypot(*(np.mgrid[:33, :33] - 16)) / 3) ** 2).astype(np.float32)
    zoomed = resample(jnp.asarray(blob)[None, ..., None], map_of(zoom=2.0), jnp.zeros((1, 2)))[0, ..., 0]
    assert zoomed.sum() / blob.sum() == pytest.approx(4, rel=0.02)


def test_a_positive_shift_moves_a_galaxy_to_higher_y_and_x():
    image = np.zeros((1, 9, 9, 1), np.float32)
    image[0, 4, 4] = 1
    moved = resample(jnp.asarray(image), map_of(), jnp.asarray([[2.0, -1.0]]))
    assert np.unravel_index(np.argmax(moved), moved.shape) == (0, 6, 3, 0)


def test_the_target_moves_with_the_image_and_is_never_brightened():
    image, _, weight = galaxies(number=20, height=32, width=32, bands=1)
    image = jnp.asarray(scipy.ndimage.gaussian_filter(np.asarray(image), (0, 2, 2, 0)))
    moved, target, inside = augment(jax.random.key(2), image, image, jnp.ones_like(weight), config=GEOMETRY)
    np.testing.assert_allclose(moved, target * inside[..., None], atol=1e-6)
    _, unchanged, _ = augment(
        jax.random.key(2), image, image, weight, config=only(noise=0.3, gamma=(0.5, 0.5), sky=0.1)
    )
    np.testing.assert_array_equal(unchanged, image)


def test_an_arm_stays_an_arm_beside_pixels_that_do_not_count():
    _, _, weight = galaxies(number=40, height=16, width=16)
    image, arms = jnp.ones((40, 16, 16, 1)), jnp.ones((40, 16, 16, 1)) * (weight > 0)[..., None]
    _, target, moved = augment(jax.random.key(3), image, arms, weight, config=GEOMETRY)
    target, moved = np.asarray(target)[..., 0], np.asarray(moved)
    assert ((moved > 0) & (moved < 0.9)).mean() > 0.1
    np.testing.assert_allclose(target[moved > 0], 1.0, atol=1e-5)
    assert not target[moved == 0].any()


def test_targets_agree_with_the_mean_over_what_counts_by_scipy():
    image, target, weight = galaxies(number=4, height=12, width=9)
    weight = weight * jnp.asarray(np.random.default_rng(1).random(weight.shape), jnp.float32)
    _, found, found_weight = augment(jax.random.key(4), image, target, weight, config=GEOMETRY)
    maps = zip(*rooms.draw_geometry(jax.random.split(jax.random.key(4))[0], 4, (12, 9), GEOMETRY), strict=True)
    centre = np.array([11, 8]) / 2
    for k, (matrix, shift) in enumerate(maps):
        a, shift = np.asarray(matrix, float), np.asarray(shift, float)
        moved, counts = (
            scipy.ndimage.affine_transform(plane, a, centre - a @ (centre + shift), order=1, mode="grid-constant")
            for plane in np.asarray([target[k, ..., 0] * weight[k], weight[k]], float)
        )
        np.testing.assert_allclose(found_weight[k], counts, atol=2e-5)
        surely = counts > 0.01
        np.testing.assert_allclose(found[k, ..., 0][surely], (moved[surely] / counts[surely]), atol=1e-3)


def test_pixels_from_outside_the_frame_are_dark_and_do_not_count_even_with_noise():
    image, target = jnp.ones((50, 16, 16, 1)), jnp.ones((50, 16, 16, 1))
    image, target, weight = augment(
        jax.random.key(0), image, target, jnp.ones((50, 16, 16)), config=only(shift=0.5, noise=0.2, sky=0.2)
    )
    outside = np.asarray(weight) == 0
    assert 0.1 < outside.mean() < 0.9
    assert np.all(np.asarray(image)[outside] == 0)
    assert np.all(np.asarray(target)[outside] == 0)


def test_a_left_out_pixel_stays_left_out():
    image, target, _ = galaxies(number=30, height=16, width=16)
    _, _, weight = augment(jax.random.key(0), image, target, jnp.zeros((30, 16, 16)), config=AugmentConfig())
    assert not weight.any()


def test_everything_stays_between_zero_and_one_and_finite():
    image, target, weight = galaxies(number=40, height=16, width=16)
    wild = AugmentConfig(
        zoom=(0.3, 3.0), shift=0.8, brightness=(0.2, 5.0), gamma=(0.2, 4.0), noise=1.0, sky=0.5, blur_pixels=2.0
    )
    for array in augment(jax.random.key(5), image, target, weight, config=wild):
        assert np.isfinite(array).all()
        assert array.min() >= 0
        assert array.max() <= 1 + 1e-6


def test_keys_decide_and_galaxies_of_a_batch_differ():
    image = jnp.tile(galaxies(number=1)[0], (4, 1, 1, 1))
    target, weight = image[..., :1], jnp.ones(image.shape[:3])
    first, again, other = (
        augment(jax.random.key(k), image, target, weight, config=AugmentConfig())[0] for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(first[0], first[1])


def test_blur_agrees_with_scipy():
    image = galaxies(number=2, height=20, width=20)[0]
    blurred = rooms.blur(image, jnp.asarray([0.8, 0.0]), radius=4)
    expected = scipy.ndimage.gaussian_filter(np.asarray(image[0]), (0.8, 0.8, 0), radius=(4, 4, 0), mode="nearest")
    np.testing.assert_allclose(blurred[0], expected, atol=1e-5)
    np.testing.assert_array_equal(blurred[1], image[1])


def test_noise_has_the_spread_it_was_asked_for():
    grey = jnp.full((400, 16, 16, 1), 0.5)
    noisy, _, _ = augment(jax.random.key(0), grey, grey, jnp.ones((400, 16, 16)), config=only(noise=0.06))
    spread = np.asarray(noisy).std(axis=(1, 2, 3))
    assert spread.max() == pytest.approx(0.06, rel=0.15)
    assert spread.mean() == pytest.approx(0.03, rel=0.1)


@pytest.mark.parametrize("changes", [{"zoom": (0.0, 1.0)}, {"gamma": (2.0, 1.0)}, {"noise": -0.1}])
def test_impossible_ranges_are_refused_with_the_name_of_the_field(changes):
    with pytest.raises(ValueError, match=rf"augment\.{next(iter(changes))}"):
        AugmentConfig(**changes)


def gathers(jaxpr):
    """How often a program reads pixels by number, in itself and in the programs it calls."""
    found = 0
    for equation in jaxpr.eqns:
        found += equation.primitive.name == "gather"
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")):
            inner = getattr(value, "jaxpr", value)
            found += gathers(inner) if hasattr(inner, "eqns") else 0
    return found


def test_picture_target_and_weight_are_interpolated_in_one_pass_of_four_gathers():
    traced = jax.make_jaxpr(lambda *batch: rooms.augment(jax.random.key(0), *batch, AugmentConfig()))
    assert gathers(traced(*galaxies(bands=3, classes=2)).jaxpr) == 4
