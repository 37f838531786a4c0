"""Published weights become an encoder that a run can start from; whatever is wrong with them is one sentence."""

import importlib.util
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from class_toys import SIZE, class_config, class_snapshot
from flax import nnx
from safetensors.numpy import save_file

from flaxgal.checkpoint import leaves_by_path, load_classifier, with_encoder
from flaxgal.cli import run
from flaxgal.config import ClassifierConfig, OptimizerConfig, UNetConfig
from flaxgal.evaluate_classes import evaluate_classes
from flaxgal.models.classifier import Classifier
from flaxgal.models.networks import new_network
from flaxgal.models.unet import UNet
from flaxgal.train import train
from flaxgal.transfer import convert, convnext_encoder, for_bands, read_weights, without_normalisation

REFERENCE = np.load(Path(__file__).parent / "models" / "convnext_reference.npz")
WEIGHTS = {name.removeprefix("weights/"): REFERENCE[name] for name in REFERENCE.files if name.startswith("weights/")}
SHAPE = {"widths": (4, 6, 8, 10), "blocks": (1, 1, 2, 1), "dropout": (0.0,)}
PICTURE = np.asarray(REFERENCE["picture"], np.float32) / 255


@pytest.fixture
def published(tmp_path):
    """A file of weights, as timm writes it."""
    path = tmp_path / "model.safetensors"
    save_file(WEIGHTS, path)
    return path


def classifier(bands=("g", "r", "i")):
    return Classifier(ClassifierConfig(network="convnext", stem=4, bands=bands, **SHAPE), 3, nnx.Rngs(params=0))


def unet():
    return UNet(UNetConfig(block="convnext", bands=("g", "r", "i"), **SHAPE), nnx.Rngs(params=0))


def way_down(model, image):
    for down in model.down:
        image = down(image)
    return np.asarray(image)


def stem_of(encoder, image):
    """What the stem's convolution makes of pictures: the only layer that sees bands."""
    n, y, x, band = image.shape
    patches = image.reshape(n, y // 4, 4, x // 4, 4, band).transpose(0, 1, 3, 2, 4, 5).reshape(n, y // 4, x // 4, -1)
    return patches @ encoder.leaves["down/0/entry/kernel/value"] + encoder.leaves["down/0/entry/bias/value"]


@pytest.mark.parametrize("make", [classifier, unet])
def test_a_network_begins_with_the_published_encoder_and_its_own_head(published, tmp_path, make):
    convert(published, tmp_path / "encoder")
    fresh = make()
    begun = with_encoder(fresh, tmp_path / "encoder")
    np.testing.assert_allclose(way_down(begun, jnp.asarray(PICTURE)), REFERENCE["outputs/stage_3"], atol=1e-4)
    for name, leaf in leaves_by_path(begun).items():
        if not name.startswith("down/"):
            np.testing.assert_array_equal(leaf, leaves_by_path(fresh)[name])


def test_training_on_a_published_encoder_ends_in_a_run_that_is_scored(tmp_path):
    first_stages = {name: value for name, value in WEIGHTS.items() if name.startswith(("stem", "stages.0", "stages.1"))}
    save_file(first_stages, tmp_path / "small.safetensors")
    convert(tmp_path / "small.safetensors", tmp_path / "encoder", bands=1, channels="shared")
    snapshot = class_snapshot(tmp_path / "snapshots")
    hardly = OptimizerConfig(learning_rate=1e-8, warmup_steps=0, weight_decay=0.0)  # weights stay where they began
    shape = {"network": "convnext", "stem": 4, "widths": (4, 6), "blocks": (1,), "dropout": (0.0,)}
    model = ClassifierConfig(image_size=SIZE, **shape)
    begun = class_config(snapshot, steps=1, model=model, optimizer=hardly, encoder_from=str(tmp_path / "encoder"))
    list(train(begun, tmp_path / "run"))
    ours = leaves_by_path(load_classifier(tmp_path / "run").model)
    theirs = for_bands(convnext_encoder(first_stages), 1, "shared").leaves
    for name in (name for name in ours if name.startswith("down/")):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6, err_msg=name)
    not_compared = evaluate_classes(tmp_path / "run", snapshot).summary["not_compared"]
    assert not_compared == [f"what {tmp_path / 'encoder'} was trained on"]


def test_the_folder_says_whose_weights_they_are(published, tmp_path):
    convert(published, tmp_path / "encoder")
    about = json.loads((tmp_path / "encoder" / "encoder.json").read_text())
    assert about["source"] == "model.safetensors"
    assert len(about["sha256"]) == 64
    assert about["widths"] == [4, 6, 8, 10]
    assert about["blocks"] == [1, 1, 2, 1]
    assert about["left_alone"] == ["head.fc.bias", "head.fc.weight"]
    assert "Walmsley et al. 2023" in about["cite"]
    assert str(tmp_path) not in json.dumps(about)


def test_weights_under_a_prefix_are_found_and_what_is_outside_is_named():
    inside = {f"model.encoder.{name}": value for name, value in WEIGHTS.items() if not name.startswith("head.fc")}
    encoder = convnext_encoder(inside | {"head.linear.weight": np.zeros((3, 3), np.float32)})
    assert encoder.left_alone == ("head.linear.weight",)
    for path, leaf in convnext_encoder(WEIGHTS).leaves.items():
        np.testing.assert_array_equal(encoder.leaves[path], leaf)


def test_kernels_of_1_by_1_convolutions_are_those_of_dense_layers():
    """timm's atto to nano write the one, tiny to large the other."""
    as_kernels = {
        name: value[:, :, None, None] if ".mlp." in name and value.ndim == 2 else value
        for name, value in WEIGHTS.items()
    }
    for path, leaf in convnext_encoder(WEIGHTS).leaves.items():
        np.testing.assert_array_equal(convnext_encoder(as_kernels).leaves[path], leaf)


def without(*names):
    return {name: value for name, value in WEIGHTS.items() if name not in names}


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (without("stages.2.blocks.1.gamma"), r"stages\.2\.blocks\.1\.gamma is missing$"),
        (without("stages.1.downsample.1.bias"), r"stages\.1\.downsample\.1\.bias is missing"),
        (WEIGHTS | {"stages.0.extra": np.zeros(3)}, r"stages\.0\.extra is left over$"),
        (WEIGHTS | {"stem.1.bias": np.zeros(5)}, r"stem\.1\.bias has shape \(5,\) instead of \(4,\)$"),
        (WEIGHTS | {"stages.0.blocks.0.conv_dw.weight": np.zeros((4, 1, 5, 5))}, r"instead of \(4, 7, 7\)"),
        (without(*[name for name in WEIGHTS if "blocks.0" in name]), r"; and 31 more like these$"),
        (WEIGHTS | {"stem.1.bias": np.full(4, np.inf)}, r": NaN or infinite weights in stem\.1\.bias: download the"),
        (WEIGHTS | {name: WEIGHTS[name] * np.nan for name in ("stem.0.weight", "stem.0.bias")},
         r"weights in stem\.0\.bias and 1 more: download the file again$"),
        (without("stem.0.weight"), "no ConvNeXt under the names that timm gives"),
        ({}, "no ConvNeXt under the names that timm gives"),
        (WEIGHTS | {"ema.stem.0.weight": np.zeros(1)}, r"several networks \(2 weights are called"),
        (WEIGHTS | {"stages.0.blocks.0.mlp.grn.weight": np.zeros(16)}, "a ConvNeXt V2"),
        (WEIGHTS | {"stem.0.weight": np.zeros((4, 3, 3, 3))}, "an overlapping stem"),
        (without("stem.1.bias"), "RMS norms"),
        (WEIGHTS | {"norm_pre.weight": np.zeros(10)}, "normalised before pooling"),
        (WEIGHTS | {"head.pre_logits.fc.weight": np.zeros((10, 10))}, "a hidden layer in its head"),
    ],
)  # fmt: skip
def test_weights_that_are_not_all_of_a_plain_convnext_are_refused_in_one_sentence(weights, sentence):
    with pytest.raises(ValueError, match=sentence) as refusal:
        convnext_encoder({name: np.asarray(value, np.float32) for name, value in weights.items()}, "theirs.safetensors")
    assert str(refusal.value).startswith("theirs.safetensors: ")
    assert "\n" not in str(refusal.value)


def test_a_grey_picture_in_shared_bands_is_seen_as_grey_in_all_channels():
    encoder = convnext_encoder(WEIGHTS)
    grey = PICTURE[..., :1]
    expected = stem_of(encoder, np.repeat(grey, 3, axis=-1))
    for bands in (1, 2, 5):
        shared = for_bands(encoder, bands, "shared")
        assert shared.bands == bands
        np.testing.assert_allclose(stem_of(shared, np.repeat(grey, bands, axis=-1)), expected, atol=1e-5)


def test_other_bands_than_channels_are_refused_unless_shared():
    with pytest.raises(ValueError, match=r"for 3 channels, the pictures have 1 band\(s\): give --channels shared"):
        for_bands(convnext_encoder(WEIGHTS), 1, "same")


def test_an_encoder_can_normalise_pictures_by_itself():
    encoder, means, deviations = convnext_encoder(WEIGHTS), (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    expected = stem_of(encoder, (PICTURE - np.float32(means)) / np.float32(deviations))
    np.testing.assert_allclose(stem_of(without_normalisation(encoder, means, deviations), PICTURE), expected, atol=1e-5)


@pytest.mark.parametrize(("means", "deviations"), [((0.5,), (0.5,)), ((0.5,) * 3, ()), ((0.5,) * 3, (0.1, 0.0, 0.1))])
def test_a_normalisation_of_other_channels_is_refused(means, deviations):
    with pytest.raises(ValueError, match="give one for each of the 3 channels"):
        without_normalisation(convnext_encoder(WEIGHTS), means, deviations)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.safetensors", None, "no such file"),
        ("model.h5", b"", "ends in none of .safetensors"),
        ("model.safetensors", b"<html>sign in first</html>", "not a readable safetensors file"),
    ],
)
def test_a_file_that_is_no_weights_is_refused_and_nothing_is_written(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        convert(tmp_path / name, tmp_path / "encoder")
    assert not (tmp_path / "encoder").exists()


def test_a_folder_that_is_there_is_not_written_over(published, tmp_path):
    (tmp_path / "encoder").mkdir()
    with pytest.raises(ValueError, match="exists already"):
        convert(published, tmp_path / "encoder")


BANDS = {
    "of one band": (("--bands", "1", "--channels", "shared"), "--model.bands grey", ("grey",)),
    "of three": ((), "--model.bands BAND1 BAND2 BAND3", ("red", "green", "blue")),
}


@pytest.mark.parametrize("bands", BANDS)
@pytest.mark.parametrize("learns", ["classes", "arms"])
def test_the_command_line_says_how_to_train_on_what_it_made(published, tmp_path, capsys, monkeypatch, bands, learns):
    options, named, own = BANDS[bands]
    assert run(["convert", str(published), "--out", str(tmp_path / "encoder"), *options]) == 0
    said = capsys.readouterr().out
    assert f"a ConvNeXt for {len(own)} band(s)" in said
    assert ("pictures must have 3 bands: give the snapshot's for BAND1 BAND2 BAND3" in said) == (len(own) == 3)
    (line,) = (line for line in said.splitlines() if line.startswith(f"train {learns} on it: "))
    assert "--model.widths 4 6 8 10 --model.blocks 1 1 2 1" in line
    assert named in line
    choices = line.partition(": ")[2].replace(named, f"--model.bands {' '.join(own)}").split()
    asked = []
    monkeypatch.setattr("flaxgal.cli_train._train", lambda folder, config, resume: asked.append(config) or 0)
    assert run(["train", "morphology" if learns == "classes" else "arms", *choices]) == 0
    begun = with_encoder(new_network(asked[0], nnx.Rngs(params=0)), asked[0].encoder_from)
    picture = jnp.asarray(PICTURE[..., : len(own)])
    assert np.all(np.isfinite(way_down(begun, picture)))


def test_a_torch_file_needs_torch_and_says_so(tmp_path):
    if importlib.util.find_spec("torch"):
        pytest.skip("PyTorch is installed here")
    (tmp_path / "model.ckpt").write_bytes(b"")
    with pytest.raises(ValueError, match="needs PyTorch, though nothing else here does: pip install torch"):
        read_weights(tmp_path / "model.ckpt")


def test_a_torch_state_dict_and_a_lightning_checkpoint_are_the_same_encoder(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch, to write the files that it would read")
    state = {name: torch.as_tensor(value) for name, value in WEIGHTS.items()}
    torch.save(state, tmp_path / "model.pt")
    lightning = {"state_dict": {f"encoder.{name}": value for name, value in state.items()}, "epoch": 3}
    torch.save(lightning, tmp_path / "model.ckpt")
    for name in ("model.pt", "model.ckpt"):
        encoder = convnext_encoder(read_weights(tmp_path / name))
        for path, leaf in convnext_encoder(WEIGHTS).leaves.items():
            np.testing.assert_array_equal(encoder.leaves[path], leaf)
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(ValueError, match=r"not a PyTorch file of weights alone .* save its state_dict\(\)"):
        read_weights(tmp_path / "whole.pt")
