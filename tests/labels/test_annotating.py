"""The options of `flaxgal annotate`: refused before a window opens, and passed on without loss."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import tyro

from flaxgal.labels.annotating import AnnotateConfig, login_name
from flaxgal.labels.queue import ORDERS, SHOWS, Order

FULL = AnnotateConfig(
    model=Path("runs/a b"),
    annotator="Zoë",
    order="column",
    column="mag",
    descending=True,
    show="all",
    catalogue=Path("table.fits"),
    repeats=0.25,
)


@pytest.mark.parametrize("config", [AnnotateConfig(), FULL, AnnotateConfig(order="random", seed=7, show="mine")])
def test_the_arguments_of_a_config_are_parsed_as_that_config(config):
    assert tyro.cli(AnnotateConfig, args=config.arguments()) == config


def test_only_what_differs_from_the_defaults_is_passed_on():
    assert AnnotateConfig().arguments() == []
    assert AnnotateConfig(order="discs").arguments() == ["--order", "discs"]


def test_the_choices_offered_are_those_of_queues():
    hints = get_type_hints(AnnotateConfig)
    assert get_args(hints["order"]) == ORDERS
    assert get_args(hints["show"]) == SHOWS


def test_the_order_is_the_one_that_queues_take():
    assert FULL.queue_order == Order(name="column", column="mag", descending=True)
    assert AnnotateConfig(order="random", seed=7).queue_order == Order(name="random", seed=7)


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [
        ({"repeats": 1.5}, "a chance from 0 to 1"),
        ({"order": "column", "column": "mag"}, "--catalogue"),
        ({"order": "column", "catalogue": Path("a.fits")}, "name a column"),
        ({"column": "mag"}, "name a column"),
        ({"order": "usefulness", "descending": True}, "one direction"),
    ],
)
def test_choices_that_do_not_go_together_are_refused_in_words(choices, wanted):
    with pytest.raises(ValueError, match=wanted):
        AnnotateConfig(**choices)


@pytest.mark.parametrize("error", [OSError("no user"), KeyError("uid not found: 1234"), ImportError("no pwd")])
def test_where_nobody_is_logged_in_the_login_name_is_empty(monkeypatch, error):
    monkeypatch.setattr("getpass.getuser", lambda: "anna")
    assert login_name() == "anna"

    def fails():
        raise error

    monkeypatch.setattr("getpass.getuser", fails)
    assert login_name() == ""
