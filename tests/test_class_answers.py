"""Claims about single answers of a classifier: which are too unsure to be trusted, and how the table says so."""

import dataclasses

import numpy as np
import pytest

from flaxgal.class_answers import ClassRow, Doubt, Terms, class_columns
from flaxgal.config.trust import TrustConfig
from flaxgal.survey.schemas import SCHEMAS


def terms_of(task, **limits):
    return Terms(
        run="r",
        step=1,
        weights_sha256="0",
        schema=SCHEMAS[task],
        orientations=1,
        crop=1.0,
        trust=TrustConfig(**limits),
        temperature=1.0,
        outlier_threshold=3.0,
    )


def answers(terms, *probabilities):
    rows = [ClassRow(f"g{k}", "", 1.0, 2.0, tuple(one), outlier_distance=1.0) for k, one in enumerate(probabilities)]
    return class_columns(rows, terms)


def t_types(**chances):
    """Probabilities of T-types, named as t3=0.5."""
    found = dict.fromkeys(SCHEMAS["t_type"].classes, 0.0)
    return list((found | {name[1:]: chance for name, chance in chances.items()}).values())


@pytest.mark.parametrize("task", ["winding", "morphology"])
def test_a_toss_between_two_of_three_classes_is_unsure(task):
    found = answers(terms_of(task), (0.5, 0.5, 0.0), (0.58, 0.0, 0.42), (0.62, 0.38, 0.0), (0.9, 0.05, 0.05))
    assert (found["entropy"] < 0.8).all()
    assert found["trust_reasons"].tolist() == ["unsure", "unsure", "", ""]
    assert found["trust_flags"].tolist() == [Doubt.UNSURE, Doubt.UNSURE, 0, 0]


def test_t_types_are_unsure_where_they_are_far_apart_and_not_where_they_are_neighbours():
    neighbours = t_types(t3=0.4, t4=0.35, t5=0.25)
    early_or_late = t_types(t0=0.5, t6=0.5)
    nine = t_types(**{f"t{number}": 1 / 9 for number in range(9)})
    found = answers(terms_of("t_type"), neighbours, early_or_late, nine)
    assert (found["entropy"] < 0.8).all()
    assert found["trust_reasons"].tolist() == ["", "unsure", "unsure"]


def test_each_limit_can_be_moved():
    rows = ((0.5, 0.5, 0.0), (0.4, 0.3, 0.3))
    assert answers(terms_of("winding", least_sure=0.3), *rows)["do_not_trust"].tolist() == [False, True]
    assert not answers(terms_of("winding", least_sure=0.3, most_entropy=1.0), *rows)["do_not_trust"].any()
    assert answers(terms_of("winding", least_sure=0.3, most_entropy=0.6), *rows)["do_not_trust"].all()
    assert not answers(terms_of("t_type", most_spread=3.5), t_types(t0=0.5, t6=0.5))["do_not_trust"].any()


def test_a_galaxy_without_an_answer_is_not_called_unsure():
    for task in SCHEMAS:
        assert class_columns([None], terms_of(task))["trust_reasons"].tolist() == ["not classified"]


def test_the_metadata_of_a_table_tells_every_limit():
    limits = {"least_sure": 0.7, "most_spread": 1.5, "most_entropy": 0.9}
    said = terms_of("morphology", **limits).said()
    assert {name: said[name] for name in limits} == limits
    assert said["classes"] == ["E", "S0", "Sp"]
    assert not {"trust", "schema"} & said.keys()
    assert all(isinstance(value, str | int | float | list) for value in said.values())


def test_limits_that_are_none_are_refused():
    for limits in ({"least_sure": 1.1}, {"most_spread": -1.0}, {"most_entropy": np.nan}):
        with pytest.raises(ValueError, match=next(iter(limits))):
            dataclasses.replace(TrustConfig(), **limits)
