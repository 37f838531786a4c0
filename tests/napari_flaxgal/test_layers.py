"""Galaxies, predictions and masks as layers of a viewer without a window, and layers as masks again."""

from dataclasses import replace

import numpy as np
import pytest
from marked import SHAPE, galaxy, revision
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from flaxgal.survey.prediction import Prediction
from napari_flaxgal.layers import (
    bad_pixel_layer,
    cutout_layers,
    first_row_of,
    mask_in_layer,
    mask_layer,
    prediction_layers,
    revision_layers,
)


def shown(layers):
    """The layers in a viewer without a window."""
    viewer = ViewerModel()
    for data, options, kind in layers:
        viewer.add_layer(Layer.create(data, options, kind))
    return viewer


def test_a_galaxy_its_prediction_and_its_mask_lie_on_each_other_in_arcseconds():
    cutout = galaxy()
    probability = np.random.default_rng(1).random((1, *SHAPE)).astype(np.float32)
    prediction = Prediction("galaxy 1", "HSC", probability, ("arm",), 0.5, "runs/a", wcs=cutout.wcs)
    viewer = shown(
        [
            *cutout_layers(cutout),
            *prediction_layers(prediction),
            *revision_layers(revision(), wcs=cutout.wcs),
            mask_layer(revision().mask, cutout=cutout),
        ]
    )
    assert {tuple(np.round(layer.scale, 6)) for layer in viewer.layers} == {(-0.168, 0.168)}
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"arcsecond"}
    extents = {tuple(np.round(layer.extent.world.ravel(), 6)) for layer in viewer.layers}
    assert len(extents) == 1


def test_the_first_row_of_a_fits_galaxy_is_shown_at_the_bottom():
    for first_row, upwards in (("bottom", True), ("top", False)):
        viewer = shown([mask_layer(revision().mask, cutout=galaxy(first_row=first_row))])
        low, high = (viewer.layers[0].data_to_world((row, 0))[0] for row in (0, 23))
        assert (low > high) == upwards  # napari's world runs down the screen


def test_bad_pixels_are_shown_by_their_plane_and_good_galaxies_have_no_such_layer():
    sat, none = np.zeros((3, *SHAPE), bool), np.zeros((3, *SHAPE), bool)
    sat[1, 11, 15] = True
    (data, options, kind) = bad_pixel_layer(galaxy(mask_planes={"SAT": sat, "DETECTED": ~none}))[0]
    assert kind == "labels"
    assert not options["visible"]
    assert np.argwhere(data).tolist() == [[11, 15]]
    assert bad_pixel_layer(galaxy()) == []
    assert bad_pixel_layer(galaxy(mask_planes={"SAT": none})) == []
    flux = galaxy().flux.copy()
    flux[:, 0, 0] = np.nan
    assert np.argwhere(bad_pixel_layer(galaxy(flux=flux))[0][0]).tolist() == [[0, 0]]


def test_each_class_has_a_colour_of_its_own_and_the_background_none():
    viewer = shown(revision_layers(revision(), galaxy()))
    labels = viewer.layers[-1]
    colours = {code: tuple(labels.get_color(code)) for code in (1, 2, 255)}
    assert len(set(colours.values())) == 3
    assert labels.get_color(0) is None


def test_a_revision_lies_on_its_galaxy_and_knows_who_drew_it():
    *galaxies, (data, options, kind) = revision_layers(revision(), galaxy())
    assert len(galaxies) == 4
    np.testing.assert_array_equal(data, revision().mask)
    assert (options["name"], kind) == ("galaxy 1 by anna", "labels")
    assert options["metadata"]["revision"].annotator == "anna"
    assert options["metadata"]["cutout"].object_id == "galaxy 1"


def test_soft_votes_are_shown_as_shares_and_as_what_half_of_the_people_marked():
    fraction = np.zeros((2, *SHAPE), np.float32)
    fraction[0, 2, :10], fraction[0, 3, :10], fraction[1, 3, :4] = 0.5, 0.6, 0.8
    fraction[:, 5, 5] = np.nan
    *shares, (data, _, kind) = revision_layers(revision(mask=None, fraction=fraction))
    assert [options["name"] for _, options, _ in shares] == [
        "galaxy 1 by anna: share for arm",
        "galaxy 1 by anna: share for bar",
    ]
    assert kind == "labels"
    assert data[2, 0] == 1
    assert (data[3, 0], data[3, 7]) == (2, 1)
    assert data[5, 5] == 255
    assert (data > 0).sum() == 21


def test_a_mask_survives_the_way_into_a_layer_and_back():
    viewer = shown([mask_layer(revision().mask, cutout=galaxy())])
    layer = viewer.layers[0]
    assert isinstance(layer, Labels)
    layer.data[0, 0] = 2
    np.testing.assert_array_equal(mask_in_layer(layer.data)[1:], revision().mask[1:])
    assert mask_in_layer(layer.data)[0, 0] == 2
    assert mask_in_layer(layer.data).dtype == np.uint8
    assert first_row_of({"scale": layer.scale}) == "bottom"


def test_a_mask_in_layer_another_size_than_its_galaxy_is_refused():
    with pytest.raises(ValueError, match="galaxy 1: the mask has 5 × 7 pixels, its image 24 × 32"):
        mask_layer(np.zeros((5, 7), np.uint8), cutout=galaxy())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (np.full((4, 4), 7), "labels 7; a galaxy's mask has 0 background, 1 arm"),
        (np.zeros((2, 4, 4), np.uint8), "wanted whole numbers"),
        (np.zeros((4, 4), np.float32), "wanted whole numbers"),
    ],
)
def test_labels_that_are_no_classes_are_refused(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        mask_in_layer(data)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_galaxy_without_light_can_be_opened(value):
    empty = galaxy(flux=np.full((3, *SHAPE), value, np.float32))
    assert [type(layer) for layer in shown(cutout_layers(empty)).layers].count(Image) == 4


def test_a_picture_is_one_layer_in_pixels():
    picture = galaxy(flux=np.ones((1, *SHAPE)), bands=("grey",), unit="picture", wcs=None, first_row="top")
    [(data, options, _)] = cutout_layers(picture)
    assert data.shape == SHAPE
    assert (options["scale"], options["units"]) == ((1.0, 1.0), ("pixel", "pixel"))
    assert replace(picture, pixel_scale_arcsec=0.4).pixel_scale_arcsec == 0.4
