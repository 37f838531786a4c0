"""Claims about evaluation: the table agrees with counts by hand, and the summary with the table."""

import hashlib
import json
import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from flax import nnx
from toys import SIZE, toy_config, toy_example, toy_snapshot

from flaxgal import runlog
from flaxgal.checkpoint import load_run, save
from flaxgal.cli import run as command_line
from flaxgal.config import DataConfig, to_json
from flaxgal.datasets.builders import build_snapshot, open_snapshot
from flaxgal.datasets.loader import load_split
from flaxgal.evaluate import digest_of, evaluate, predict_arms, score_galaxies, summarise
from flaxgal.models.unet import UNet, predict_batch


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return toy_snapshot(tmp_path_factory.mktemp("snapshots"))


@pytest.fixture(scope="module")
def run(snapshot, tmp_path_factory):
    """A run that was never trained."""
    folder = tmp_path_factory.mktemp("runs") / "guess"
    config = toy_config(snapshot)
    runlog.open_run(folder, config)
    save(folder, "best", 7, {"average": UNet(config.model, nnx.Rngs(params=0))})
    return folder


def test_a_perfect_prediction_scores_one_and_an_empty_one_zero(snapshot):
    galaxies = load_split(snapshot, "test")
    truth = galaxies.target[..., 0].astype(np.float32) / 255
    perfect = score_galaxies(galaxies, truth, ("arm",), 0.5)
    empty = score_galaxies(galaxies, np.zeros_like(truth), ("arm",), 0.5)
    for name in ("dice", "iou", "precision", "recall"):
        assert (perfect[name] == 1).all()
        assert (empty[name] == 0).all()
    np.testing.assert_array_equal(perfect["arm_pixels_truth"], truth.sum((1, 2)))


def test_scores_of_one_galaxy_are_those_counted_by_hand(snapshot):
    galaxies = load_split(snapshot, "test")
    truth = galaxies.target[..., 0] == 255
    shifted = np.roll(truth, 2, axis=1).astype(np.float32)
    row = score_galaxies(galaxies, shifted, ("arm",), 0.5)[1]
    both, either = (truth[1] & (shifted[1] == 1)).sum(), (truth[1] | (shifted[1] == 1)).sum()
    assert row["object_id"] == galaxies.object_id[1]
    assert row["iou"] == pytest.approx(both / either)
    assert row["recall"] == pytest.approx(both / truth[1].sum())


def test_sizes_are_bins_of_the_share_of_arm_pixels(snapshot):
    galaxies = load_split(snapshot, "test")
    galaxies.target[:] = 0
    for number, pixels in enumerate((0, 5, 20, 40, 90)):
        galaxies.target[number].reshape(-1)[:pixels] = 255
    table = score_galaxies(galaxies, np.zeros(galaxies.weight.shape, np.float32), ("arm",), 0.5)
    assert list(table["size"][:5]) == ["no arms", "under 5 %", "5-10 %", "10-20 %", "over 20 %"]


def test_scores_of_galaxies_that_chose_the_checkpoint_are_said_to_be_optimistic(run, snapshot, capsys):
    numbers = [evaluate(run, snapshot, split).summary["chosen_on"] for split in ("test", "validation")]
    assert numbers == [0, 8]
    for split, said in (("test", False), ("validation", True)):
        assert command_line(["evaluate", str(run), str(snapshot), "--split", split]) == 0
        sentence = (
            "if none was given, were chosen on 8 of these 8 galaxies, which it validates on: scores are optimistic"
        )
        assert (sentence in capsys.readouterr().err) == said


def test_evaluating_a_run_writes_table_and_summary_that_agree(run, snapshot):
    found = evaluate(run, snapshot, "test", batch_size=3)
    assert found.path == run / "evaluation" / f"toy-1.0.0-{found.summary['digest']}-test.ecsv"
    table = Table.read(found.path, format="ascii.ecsv")
    summary = json.loads(found.path.with_suffix(".json").read_text())
    assert summary == found.summary
    assert summary["run"] == "guess"
    assert summary["step"] == table.meta["step"] == 7
    assert summary["all"]["galaxies"] == len(table) == 8
    assert summary["all"]["dice"]["mean"] == pytest.approx(np.mean(table["dice"]))
    assert summary["all"]["dice"]["low"] <= summary["all"]["dice"]["mean"] <= summary["all"]["dice"]["high"]
    assert sorted(summary["by_survey"]) == ["other", "toy"]
    assert sum(part["galaxies"] for part in summary["by_size"].values()) == 8
    pooled = 2 * sum(table["arm_pixels_both"]) / (sum(table["arm_pixels_truth"]) + sum(table["arm_pixels_predicted"]))
    assert summary["all"]["dice"]["pooled"] == pytest.approx(pooled)
    assert not list(found.path.parent.glob(".*"))


def test_a_snapshot_of_the_same_name_with_other_masks_writes_over_nothing(run, snapshot, tmp_path):
    wider = (replace(toy_example(k), target=np.full((SIZE, SIZE, 1), 255, np.uint8)) for k in range(40))
    other = build_snapshot(wider, tmp_path, bands=("grey",), classes=("arm",), image_size=SIZE, name="toy")
    assert open_snapshot(other).version == open_snapshot(snapshot).version
    found = [evaluate(run, one, out=tmp_path / "scores") for one in (snapshot, other)]
    for one in found:
        assert json.loads(one.path.with_suffix(".json").read_text()) == one.summary
    assert evaluate(run, snapshot, out=tmp_path / "scores").path == found[0].path


def test_a_digest_is_that_of_the_arrays_bytes_and_makes_no_copy_of_them():
    names, turned = np.array(["a", "galaxy é", ""]), np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)
    arrays = (names, names[:0], turned, np.zeros((0, 4, 4), np.uint8), np.array(["spiral", ""]))
    wanted = hashlib.blake2b(b"".join(array.tobytes() for array in arrays), digest_size=4).hexdigest()
    assert digest_of(*arrays) == wanted
    images = np.ones((64, 256, 256), np.uint8)
    tracemalloc.start()
    digest_of(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < images.nbytes / 100


def test_batches_do_not_change_predictions_and_those_are_probabilities(run, snapshot):
    loaded, galaxies = load_run(run), load_split(snapshot, "test")
    one, all_at_once = (predict_arms(loaded, galaxies, size) for size in (3, 100))
    np.testing.assert_allclose(one, all_at_once, atol=1e-6)
    assert one.shape == (8, 16, 16)
    assert 0 < one.min() < one.max() < 1
    whole = predict_batch(loaded.model, np.asarray(galaxies.image, np.float32) / 255)
    np.testing.assert_allclose(whole[..., 0], one, atol=1e-6)


def test_a_snapshot_of_another_kind_is_refused(run, tmp_path):
    larger = toy_snapshot(tmp_path, 10, size=32, name="larger")
    with pytest.raises(ValueError, match=r"32 pixels.*16 pixels"):
        evaluate(run, larger)
    with pytest.raises(ValueError, match="no galaxies in split 'nosuch'"):
        evaluate(run, toy_snapshot(tmp_path, 10, name="same"), "nosuch")


def guess(folder, config):
    """A run that was never trained, on the snapshots of its config."""
    about = [open_snapshot(path) for path in config.data.snapshots]
    seen = [{"name": one.name, "version": one.version, "sizes": dict(one.sizes)} for one in about]
    runlog.open_run(folder, config, snapshots=seen)
    save(folder, "best", 7, {"average": UNet(config.model, nnx.Rngs(params=0))})
    return folder


def sky_snapshot(out, name, places):
    """A snapshot of galaxies at such declinations, in such splits."""
    examples = (
        replace(toy_example(k), object_id=f"{name}-{k}", ra_deg=150.0, dec_deg=dec, split=split)
        for k, (dec, split) in enumerate(places)
    )
    return build_snapshot(examples, out, bands=("grey",), classes=("arm",), image_size=SIZE, name=name)


def test_galaxies_that_were_trained_on_do_not_test_a_run_in_another_snapshot_either(tmp_path):
    ours = sky_snapshot(tmp_path, "ours", [(2.0, "train"), (3.0, "train"), (4.0, "test")])
    theirs = sky_snapshot(tmp_path, "theirs", [(2.0 + 1 / 3600, "test"), (4.0, "test"), (4.5, "validation")])
    one = guess(tmp_path / "one", toy_config(ours))
    said = (
        r"theirs-0 is in split test of .*theirs/1\.0\.0, and the same galaxy, ours-0, was trained on in .*--agree-with"
    )
    with pytest.raises(ValueError, match=said):
        evaluate(one, theirs)
    with pytest.raises(ValueError, match=said):
        evaluate(guess(tmp_path / "started", toy_config(theirs, start_from=str(one))), theirs)
    assert evaluate(one, theirs, "validation").summary["not_compared"] == []
    assert evaluate(one, ours).summary["not_compared"] == []
    newest = toy_config(ours.parent)  # the folder of versions, in which a newer one has come
    assert (
        build_snapshot(
            [toy_example(0)], tmp_path, bands=("grey",), classes=("arm",), image_size=SIZE, name="ours", version="1.1.0"
        ).parent
        == ours.parent
    )
    shutil.copytree(one, tmp_path / "by-versions")
    (tmp_path / "by-versions" / "config.json").write_text(to_json(newest))
    with pytest.raises(ValueError, match=said):
        evaluate(tmp_path / "by-versions", theirs)


def test_what_cannot_be_compared_is_said(tmp_path, capsys):
    ours = sky_snapshot(tmp_path, "ours", [(2.0, "train")])
    theirs = sky_snapshot(tmp_path, "theirs", [(2.0, "test")])
    first = guess(tmp_path / "first", toy_config(ours))
    later = guess(tmp_path / "later", toy_config(theirs, start_from=str(first)))
    shutil.rmtree(ours)
    assert evaluate(first, theirs).summary["not_compared"] == ["ours 1.0.0"]
    assert command_line(["evaluate", str(first), str(theirs)]) == 0
    assert "cannot be told of ours 1.0.0" in capsys.readouterr().err
    shutil.rmtree(first)
    assert evaluate(later, theirs).summary["not_compared"] == [f"what {first} was trained on"]


def test_how_many_chose_the_checkpoint_is_known_without_a_list_in_its_own_snapshot_and_else_not_said(tmp_path, capsys):
    ours = sky_snapshot(tmp_path, "ours", [(2.0, "train"), (3.0, "validation"), (4.0, "test"), (5.0, "validation")])
    more = sky_snapshot(tmp_path, "more", [(12.0, "train"), (13.0, "validation")])
    theirs = sky_snapshot(tmp_path, "theirs", [(3.0, "test"), (8.0, "validation")])
    one = guess(tmp_path / "one", toy_config(ours))
    data = DataConfig(snapshots=(str(ours), str(more)), batch_size=8)
    both = guess(tmp_path / "both", toy_config(ours, data=data))

    def chosen(run, snapshot, split):
        found = evaluate(run, snapshot, split)
        assert json.loads(found.path.with_suffix(".json").read_text())["chosen_on"] == found.summary["chosen_on"]
        return found.summary["chosen_on"]

    (tmp_path / "link").symlink_to(ours)
    assert [chosen(one, theirs, split) for split in ("test", "validation")] == [1, 0]
    (ours / "revisions.jsonl").unlink()
    assert [chosen(one, ours, split) for split in ("train", "validation", "test")] == [0, 2, 0]
    assert chosen(one, tmp_path / "link", "validation") == 2
    assert [chosen(one, theirs, split) for split in ("test", "validation")] == [None, None]
    assert [chosen(both, ours, split) for split in ("validation", "test")] == [2, None]
    assert chosen(both, more, "validation") == 1
    shutil.rmtree(more)
    assert [chosen(both, ours, split) for split in ("validation", "test")] == [2, None]
    shutil.rmtree(ours)
    assert chosen(one, theirs, "test") is None
    assert command_line(["evaluate", str(one), str(theirs)]) == 0
    said = capsys.readouterr().err
    assert "cannot be told of ours 1.0.0" in said
    assert "optimistic" not in said


def test_a_summary_of_one_galaxy_has_an_interval_of_no_width(snapshot):
    galaxies = load_split(snapshot, "test")
    truth = galaxies.target[..., 0].astype(np.float32) / 255
    summary = summarise(score_galaxies(galaxies, truth, ("arm",), 0.5)[:1])
    assert summary["all"]["dice"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "pooled": 1.0}
