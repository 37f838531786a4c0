"""The summary of a table says what its rows say, of all galaxies and of groups of them."""

import json

import numpy as np
import pytest
from astropy.table import Table

from flaxgal.class_summary import (
    broad_class,
    calibration,
    class_scores,
    groups_of,
    ordered_scores,
    probability_columns,
    summarise_classes,
    worst_first,
)
from flaxgal.survey.schemas import SCHEMAS

MORPHOLOGY, SPIRAL, T_TYPE = SCHEMAS["morphology"], SCHEMAS["spiral"], SCHEMAS["t_type"]


def table_of(truth, probability, schema=MORPHOLOGY, **columns):
    """A table as `evaluate_classes` makes it."""
    probability = np.asarray(probability, float)
    table = Table({"object_id": [f"g{k}" for k in range(len(truth))], "survey": ["mock"] * len(truth), **columns})
    table["truth"] = np.asarray(truth, str)
    table["found"] = np.asarray(schema.classes)[probability.argmax(axis=1)]
    for name, values in zip(probability_columns(schema), probability.T, strict=True):
        table[name] = values
    return table


def drawn(number, seed=0):
    """Galaxies whose class is drawn from what is said of them."""
    random = np.random.default_rng(seed)
    probability = random.dirichlet([0.3, 0.3, 0.3], size=number)
    truth = [MORPHOLOGY.classes[random.choice(3, p=row)] for row in probability]
    return truth, probability


def test_the_summary_is_made_of_the_rows():
    truth, probability = drawn(300)
    table = table_of(truth, probability)
    found = summarise_classes(table, MORPHOLOGY)
    whole = found["all"]
    right = np.asarray(table["truth"] == table["found"])
    assert whole["galaxies"] == 300
    assert whole["accuracy"]["value"] == pytest.approx(right.mean())
    assert whole["accuracy"]["low"] < right.mean() < whole["accuracy"]["high"]
    recalls = [right[np.asarray(table["truth"] == name)].mean() for name in MORPHOLOGY.classes]
    assert whole["balanced_accuracy"]["value"] == pytest.approx(np.mean(recalls))
    assert whole["by_class"]["S0"]["recall"]["value"] == pytest.approx(recalls[1])
    assert whole["by_class"]["S0"]["galaxies"] == truth.count("S0")
    assert sum(map(sum, whole["confusion"]["counts"])) == 300
    score, positive = np.asarray(table["p_S0"]), np.asarray(table["truth"] == "S0")
    pairs = (score[positive][:, None] > score[~positive][None]).mean()
    assert whole["area"]["S0"]["value"] == pytest.approx(pairs)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_groups_share_out_the_galaxies_by_survey_signal_to_noise_and_inclination():
    truth, probability = drawn(40)
    table = table_of(truth, probability, signal_to_noise=np.r_[np.nan, np.geomspace(30, 3000, 39)])
    table["inclination_deg"] = np.linspace(0, 90, 40)
    table["survey"] = ["hsc", "", "mock", "mock"] * 10
    divisions = dict(groups_of(table))
    assert list(divisions) == ["survey", "signal_to_noise", "inclination"]
    for parts in divisions.values():
        assert sorted(name for _, part in parts for name in part["object_id"]) == sorted(table["object_id"])
    assert [name for name, _ in divisions["survey"]] == ["unknown", "hsc", "mock"]
    assert [name for name, _ in divisions["signal_to_noise"]][::6] == ["under 50", "over 1600"]
    assert [name for name, _ in divisions["signal_to_noise"]][-1] == "none"
    for name, part in divisions["inclination"]:
        if name == "45-60 deg":
            assert ((part["inclination_deg"] >= 45) & (part["inclination_deg"] < 60)).all()
    found = summarise_classes(table, MORPHOLOGY)
    assert found["by_signal_to_noise"]["none"]["galaxies"] == 1
    assert sum(part["galaxies"] for part in found["by_inclination"].values()) == 40


def test_a_group_without_a_class_has_no_balanced_accuracy_and_the_rest_is_told():
    table = table_of(["E", "E", "Sp"], np.eye(3)[[0, 2, 2]])
    found = class_scores(table, MORPHOLOGY)
    assert found["accuracy"]["value"] == pytest.approx(2 / 3)
    for name in ("balanced_accuracy", "macro_f1"):
        assert found[name] == {"value": None, "low": None, "high": None}
    assert found["by_class"]["S0"]["recall"]["value"] is None
    assert found["by_class"]["Sp"]["precision"]["value"] == 0.5
    assert found["confusion"]["row_normalised"][1] == [None, None, None]


def test_one_class_alone_has_no_area():
    found = summarise_classes(table_of(["E"] * 5, np.tile([0.8, 0.1, 0.1], (5, 1))), MORPHOLOGY)
    assert found["all"]["accuracy"]["value"] == 1
    assert found["all"]["accuracy"]["low"] < 0.6
    for area in found["all"]["area"].values():
        assert area["value"] is None


def test_scaling_by_the_right_temperature_makes_probabilities_come_true():
    truth, probability = drawn(4000)
    numbers = np.array([MORPHOLOGY.classes.index(name) for name in truth])
    sharp = probability**3 / (probability**3).sum(axis=1, keepdims=True)
    found = calibration(numbers, sharp, probability, temperature=3.0)
    assert found["before"]["calibration_error"] > 0.08
    by_chance = found["error_by_chance"]
    assert by_chance["low"] < by_chance["value"] < by_chance["high"] < 0.05
    assert by_chance["low"] <= found["after"]["calibration_error"] <= by_chance["high"]
    for score in ("log_loss", "brier_score"):
        assert found["after"][score] < found["before"][score]
    assert sum(found["bins"]["galaxies"]) == 4000
    json.dumps(found, allow_nan=False)


def test_the_worst_mistakes_are_those_that_were_surest():
    probability = [[0.6, 0.4, 0.0], [0.9, 0.05, 0.05], [0.0, 0.0, 1.0], [0.5, 0.3, 0.2]]
    table = table_of(["S0", "Sp", "Sp", "Sp"], probability)
    assert table["object_id"][worst_first(table, MORPHOLOGY)].tolist() == ["g1", "g3", "g0"]
    assert not len(worst_first(table[2:3], MORPHOLOGY))


def ordered_table(true, found):
    true, found = np.asarray(true, float), np.asarray(found, float)
    table = Table({"survey": ["mock"] * len(true), "t_type_true": true, "t_type_found": found})
    table["difference"] = found - true
    table["broad_truth"], table["broad_found"] = ([broad_class(t) for t in values] for values in (true, found))
    return table


def test_t_types_are_summed_up_by_difference_and_broad_class():
    table = ordered_table([-5, -2, 3, 5, 10], [-4.2, 1.2, 3.4, 5.0, 7.6])
    found = summarise_classes(table, T_TYPE)["all"]
    assert found["mae"]["value"] == pytest.approx((0.8 + 3.2 + 0.4 + 0 + 2.4) / 5)
    assert found["bias"]["value"] == pytest.approx((0.8 + 3.2 + 0.4 - 2.4) / 5)
    assert found["within_1"]["value"] == pytest.approx(3 / 5)
    assert found["within_2"]["value"] == pytest.approx(4 / 5)
    assert found["broad"]["confusion"]["counts"] == [[1, 0, 0], [0, 0, 1], [0, 0, 3]]
    assert worst_first(table, T_TYPE).tolist() == [1, 4, 0]


def test_t_types_of_no_galaxy_are_none():
    found = ordered_scores(ordered_table([], []))
    assert found["mae"] == {"value": None, "low": None, "high": None}
    assert found["broad"]["accuracy"]["value"] is None


def test_columns_are_named_so_that_tables_can_hold_them():
    assert probability_columns(SPIRAL) == ("p_not_spiral", "p_spiral")
