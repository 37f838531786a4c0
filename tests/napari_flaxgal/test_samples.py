"""The sample data are mock spirals with their true arms."""

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_flaxgal
from napari_flaxgal import samples


@pytest.mark.parametrize("name", ["grand_design_spiral", "flocculent_spiral"])
def test_a_sample_is_a_galaxy_in_colour_with_its_true_arms(name):
    *bands, picture, truth = getattr(samples, name)()
    assert len(bands) == 3
    assert picture[0].shape == (256, 256, 3)
    assert picture[0].max() > 200
    assert set(np.unique(truth[0])) == {0, 1}
    assert 0.01 < truth[0].mean() < 0.4
    assert not truth[1]["visible"]


def test_every_sample_of_the_manifest_is_there():
    contributions = PluginManifest.from_file(napari_flaxgal.__path__[0] + "/napari.yaml").contributions
    commands = {command.id: command.python_name for command in contributions.commands}
    for sample in contributions.sample_data:
        module, function = commands[sample.command].split(":")
        assert module == "napari_flaxgal.samples"
        assert callable(getattr(samples, function))
