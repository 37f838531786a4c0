"""Claims about configs: impossible choices are refused at once, by the name of the field, and JSON keeps the rest."""

import dataclasses
import json

import pytest

from flaxgal.config import (
    DEFAULT_UNET,
    SEED_UNET,
    AugmentConfig,
    ClassifierConfig,
    ClassifyConfig,
    ClassLossConfig,
    DataConfig,
    LossConfig,
    MockConfig,
    OptimizerConfig,
    PredictConfig,
    TrainConfig,
    UNetConfig,
    from_json,
    run_from_json,
    to_json,
)

IMPOSSIBLE = [
    (MockConfig, {"image_size": 0}),
    (MockConfig, {"pixel_scale_arcsec": 0.0}),
    (MockConfig, {"effective_radius_pixels": (9.0, 8.0)}),
    (MockConfig, {"signal_to_noise": (0.0, 8.0)}),
    (MockConfig, {"seeing_fwhm_arcsec": (-0.1, 0.8)}),
    (MockConfig, {"moffat_beta": (1.0, 2.0)}),
    (MockConfig, {"max_inclination_deg": 91.0}),
    (MockConfig, {"class_fractions": (0.5, 0.5, 0.5)}),
    (MockConfig, {"arm_count_fractions": (-0.5, 0.5, 0.5, 0.5)}),
    (MockConfig, {"pitch_angle_deg": (0.0, 20.0)}),
    (MockConfig, {"arm_contrast": (2.0, 1.0)}),
    (MockConfig, {"flocculence": (0.0, 1.5)}),
    (MockConfig, {"bar_fraction": 1.2}),
    (MockConfig, {"max_offset_pixels": -1.0}),
    (MockConfig, {"neighbour_rate": float("nan")}),
    (MockConfig, {"mask_width": 0.0}),
    (MockConfig, {"mask_contrast": -0.1}),
    (MockConfig, {"mask_pixels": -1}),
    (UNetConfig, {"image_size": 0}),
    (UNetConfig, {"bands": ()}),
    (UNetConfig, {"classes": ()}),
    (UNetConfig, {"classes": ("arm", "ring")}),
    (UNetConfig, {"classes": ("bar",)}),
    (UNetConfig, {"classes": ("arm", "arm")}),
    (UNetConfig, {"widths": ()}),
    (UNetConfig, {"widths": (4, 0)}),
    (UNetConfig, {"blocks": (-1,)}),
    (UNetConfig, {"dropout": (1.0,)}),
    (UNetConfig, {"dropout": (-0.1,)}),
    (UNetConfig, {"initial_probability": 1.0}),
    (LossConfig, {"bce": -1.0}),
    (LossConfig, {"bce": 0.0, "dice": 0.0}),
    (OptimizerConfig, {"learning_rate": 0.0}),
    (OptimizerConfig, {"warmup_steps": -1}),
    (OptimizerConfig, {"clip_norm": 0.0}),
    (OptimizerConfig, {"average_decay": 1.0}),
    (DataConfig, {"batch_size": 0}),
    (DataConfig, {"shares": (0.5, 0.6)}),
    (DataConfig, {"shares": (0.4, 0.6), "snapshots": ("one",)}),
    (DataConfig, {"resident_gigabytes": -1.0}),
    (PredictConfig, {"threshold": 0.0}),
    (PredictConfig, {"threshold": 1.0}),
    (PredictConfig, {"orientations": 3}),
    (PredictConfig, {"batch_size": 0}),
    (ClassLossConfig, {"class_weights": (1.0, 0.0)}),
    (ClassLossConfig, {"class_weights": ()}),
    (ClassLossConfig, {"label_smoothing": 1.0}),
    (TrainConfig, {"steps": 0}),
    (TrainConfig, {"evaluate_every": 0}),
    (TrainConfig, {"patience": -1}),
    (TrainConfig, {"steps_per_dispatch": -1}),
    (TrainConfig, {"threshold": 1.5}),
]


@pytest.mark.parametrize(("kind", "changes"), IMPOSSIBLE, ids=lambda value: getattr(value, "__name__", str(value)))
def test_an_impossible_choice_is_refused_by_its_name_with_what_to_give(kind, changes):
    with pytest.raises(ValueError, match=rf"{next(iter(changes))}.* (is|are|has) .*: give "):
        kind(**changes)


def test_choices_at_the_edge_of_the_possible_are_taken():
    MockConfig(flocculence=(0.0, 0.0), class_fractions=(0.0, 0.0, 1.0), neighbour_rate=0.0, bar_fraction=1.0)
    OptimizerConfig(average_decay=0.0, warmup_steps=0, weight_decay=0.0)
    LossConfig(bce=0.0)
    DataConfig(shares=(0.4, 0.6))  # an experiment whose snapshots come from the command line
    UNetConfig(classes=("bar", "arm"))


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(data=DataConfig(snapshots=("a", "b"), shares=(0.4, 0.6)), model=SEED_UNET),
        DEFAULT_UNET,
        AugmentConfig(),
        PredictConfig(orientations=8),
        MockConfig(),
    ],
    ids=lambda config: type(config).__name__,
)
def test_json_gives_back_the_same_config(config):
    assert from_json(type(config), to_json(config)) == config


def test_an_impossible_choice_in_json_is_refused_too():
    text = to_json(TrainConfig()).replace('"average_decay": 0.99', '"average_decay": 1.0')
    with pytest.raises(ValueError, match=r"optimizer\.average_decay is 1\.0: give a number from 0"):
        from_json(TrainConfig, text)


def test_configs_are_values_that_programs_are_compiled_for():
    assert hash(TrainConfig()) == hash(dataclasses.replace(TrainConfig()))


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(name="task"),
        ClassifyConfig(task="t_type"),
        ClassifyConfig(task="winding", loss=ClassLossConfig(class_weights=(1.0, 2.0, 3.0))),
    ],
    ids=["arms", "t_type", "winding"],
)
def test_json_tells_a_run_on_arms_from_one_on_classes(config):
    assert run_from_json(to_json(config)) == config


def test_a_run_that_was_made_before_there_were_classifiers_is_still_read():
    old = to_json(TrainConfig(seed=3)).replace('  "encoder_from": "",\n', "").replace(',\n    "balance": false', "")
    assert "encoder_from" not in old
    assert "balance" not in old
    assert run_from_json(old) == TrainConfig(seed=3)


def test_choices_that_an_older_classifier_did_not_write_down_are_what_was_done_then():
    written = json.loads(to_json(ClassifyConfig(task="winding", model=ClassifierConfig(view="log_polar"))))
    done_then = {"azimuths": 64, "rows": 24, "rings": (), "face_on": False}
    for name in done_then:
        del written["model"][name]
    model = run_from_json(json.dumps(written)).model
    assert {name: getattr(model, name) for name in done_then} == done_then


def test_choices_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="start_from is a and encoder_from b: give one of them"):
        TrainConfig(start_from="a", encoder_from="b")
    with pytest.raises(ValueError, match="balance is on, which is for classes"):
        TrainConfig(data=DataConfig(balance=True))


def test_rings_are_read_of_unrolled_pictures_only():
    with pytest.raises(ValueError, match="view is sky: give log_polar to a network with rings"):
        ClassifierConfig(rings=(8,))
    with pytest.raises(ValueError, match="rows is 1: give 2 radii or more"):
        ClassifierConfig(view="log_polar", rows=1)
