"""What a run on arms finds out when training ends: where to cut its probabilities, from galaxies held out."""

import dataclasses
import json

import numpy as np
import pytest
from toys import toy_config, toy_snapshot

from flaxgal.checkpoint import load_run
from flaxgal.config import PredictConfig, to_json
from flaxgal.datasets.loader import load_split
from flaxgal.evaluate import evaluate
from flaxgal.predict import predict, predict_cutouts
from flaxgal.segmenting import predict_arms
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.mask_thresholds import LEAST_GALAXIES, size_matching_threshold
from flaxgal.survey.prediction import Prediction
from flaxgal.train import train


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A fifth of the galaxies are for validation: more than are needed."""
    return toy_snapshot(tmp_path_factory.mktemp("snapshots"), 5 * (LEAST_GALAXIES + 2))


@pytest.fixture(scope="module")
def learnt(snapshot, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "learnt"
    list(train(toy_config(snapshot, steps=20, evaluate_every=10), folder))
    return folder


def test_a_runs_masks_are_too_large_as_often_as_too_small(learnt, snapshot):
    run, galaxies = load_run(learnt), load_split(snapshot, "validation")
    probability, truth = predict_arms(run, galaxies, 16), galaxies.target[..., 0] >= 127.5
    assert run.mask_thresholds is not None
    assert run.mask_thresholds.galaxies == len(galaxies) == LEAST_GALAXIES + 2
    each = [size_matching_threshold(*one) for one in zip(probability, truth, strict=True)]
    assert run.threshold == pytest.approx(np.median(each), abs=1e-6)
    larger = (probability > run.threshold).sum((1, 2)) - truth.sum((1, 2))
    assert abs((larger > 0).sum() - (larger < 0).sum()) <= 2
    generous, strict = run.mask_thresholds.generous, run.mask_thresholds.strict
    assert (np.asarray(each) < generous).mean() == pytest.approx(0.16, abs=0.03)
    assert (np.asarray(each) > strict).mean() == pytest.approx(0.16, abs=0.03)


def test_scores_and_maps_are_cut_where_the_run_found(learnt, snapshot, tmp_path):
    run = load_run(learnt)
    assert run.threshold != 0.5
    assert evaluate(learnt, snapshot, "test", out=tmp_path).summary["threshold"] == run.threshold
    light = np.random.default_rng(0).normal(size=(1, 16, 16)).astype(np.float32)
    cutout = Cutout(object_id="g", flux=light, bands=("i",), unit="nJy", survey="toy")
    (own,) = predict_cutouts(run, [cutout])
    (asked,) = predict_cutouts(run, [cutout], config=PredictConfig(threshold=0.9))
    assert isinstance(own, Prediction)
    assert isinstance(asked, Prediction)
    assert (own.threshold, own.threshold_range) == (run.threshold, run.threshold_range(run.threshold))
    assert (asked.threshold, asked.threshold_range) == (0.9, run.threshold_range(0.9))


def test_a_threshold_that_was_chosen_is_kept_and_its_range_is_known(snapshot, tmp_path):
    list(train(toy_config(snapshot, threshold=0.3), tmp_path / "run"))
    run = load_run(tmp_path / "run")
    assert run.threshold == 0.3
    about = run.threshold_range(0.3)
    assert about is not None
    assert about[0] < 0.3 < about[1]


def test_with_few_validation_galaxies_the_threshold_is_a_half(tmp_path):
    list(train(toy_config(toy_snapshot(tmp_path / "few")), tmp_path / "run"))
    run = load_run(tmp_path / "run")
    assert (run.threshold, run.mask_thresholds, run.threshold_range(0.5)) == (0.5, None, None)


def test_a_run_of_before_is_cut_as_it_was_until_it_is_resumed(learnt, snapshot, tmp_path):
    """Runs of before had 0.5 in their config, and no thresholds of galaxies."""
    run = tmp_path / "run"
    config = toy_config(snapshot)
    list(train(config, run))
    found = load_run(run).mask_thresholds
    assert found is not None
    (run / "mask_thresholds.json").unlink()
    (run / "config.json").write_text(to_json(dataclasses.replace(config, threshold=0.5)))
    before = load_run(run)
    assert (before.threshold, before.threshold_range(0.5)) == (0.5, None)
    list(predict(run, [snapshot], tmp_path / "maps"))
    assert "threshold_range" not in json.loads((tmp_path / "maps" / "predictions.json").read_text())
    list(train(config, run, resume=True))
    assert load_run(run).mask_thresholds == found
    assert load_run(run).threshold == found.threshold != 0.5
    with pytest.raises(ValueError, match="choose another --out"):
        list(predict(run, [snapshot], tmp_path / "maps"))
