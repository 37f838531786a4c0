"""Label schemas: codes of catalogues, targets, mirror images."""

import json
import math

import numpy as np
import pytest

from flaxgal.survey.nair_abraham import morphology_class
from flaxgal.survey.schemas import SCHEMAS, VOCABULARIES, Labels, LabelSchema, labels_from, schema_named


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_survives_json(schema):
    assert LabelSchema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    assert hash(schema) == hash(LabelSchema.from_dict(schema.to_dict()))


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_mirror_image_of_a_mirror_image_is_the_galaxy_itself(schema):
    for maps in (schema.mirrored, schema.mirrored_outputs):
        assert [maps[number] for number in maps] == list(range(len(maps)))
    assert len(schema.mirrored_outputs) == schema.outputs


def test_only_the_winding_sense_changes_in_a_mirror():
    for schema in SCHEMAS.values():
        for number, label in enumerate(schema.classes):
            mirrored = schema.target(label)[list(schema.mirrored_outputs)]
            np.testing.assert_array_equal(mirrored, schema.target(schema.classes[schema.mirrored[number]]))
            opposite = {"S": "Z", "Z": "S"}.get(label, label) if schema.name == "winding" else label
            assert schema.classes[schema.mirrored[number]] == opposite


def test_targets_are_one_class_or_all_steps_below_it():
    np.testing.assert_array_equal(SCHEMAS["winding"].target("Z"), [0, 1, 0])
    t_type = SCHEMAS["t_type"]
    assert (t_type.outputs, t_type.numbers[0], t_type.numbers[-1]) == (15, -5.0, 10.0)
    for number, label in enumerate(t_type.classes):
        assert t_type.target(label).sum() == number
        assert (np.diff(t_type.target(label)) <= 0).all()
    with pytest.raises(ValueError, match="winding 'X'; wanted one of S, Z, none"):
        SCHEMAS["winding"].target("X")


@pytest.mark.parametrize(
    ("t_type", "morphology", "spiral", "winding", "number"),
    [
        (-6, "E", "not spiral", "none", "-5"),
        (-5, "E", "not spiral", "none", "-5"),
        (-4, "E", "not spiral", "none", "-4"),
        (-3, "S0", "not spiral", "none", "-3"),
        (0, "S0", "not spiral", "none", "0"),
        (1, "Sp", "spiral", "", "1"),
        (9.4, "Sp", "spiral", "", "9"),
        (10, "", "", "", "10"),
        (11, "", "", "", ""),
        (99, "", "", "", ""),
        (math.nan, "", "", "", ""),
    ],
)
def test_t_types_tell_classes_and_unknown_ones_nothing(t_type, morphology, spiral, winding, number):
    labels = labels_from({"t_type": t_type})
    assert [labels.label(name) for name in SCHEMAS] == [morphology, spiral, winding, number]
    assert morphology_class(t_type) == morphology


@pytest.mark.parametrize(
    ("code", "morphology", "spiral", "winding"),
    [
        ("Elliptical", "", "not spiral", "none"),  # lenticulars among them
        ("Spiral_CW", "Sp", "spiral", "Z"),
        ("spiral acw", "Sp", "spiral", "S"),
        ("Spiral_Edge", "Sp", "spiral", ""),
        ("Merger", "", "", ""),
        ("DontKnow", "", "", ""),
    ],
)
def test_galaxy_zoo_tells_spirals_and_their_sense(code, morphology, spiral, winding):
    labels = labels_from({"galaxy_zoo_1": code})
    assert [labels.label(name) for name in SCHEMAS] == [morphology, spiral, winding, ""]


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (("yes", "Spiral", 1, "1", 1.0, "1.0", "True"), ["Sp", "spiral", "", ""]),
        (("no", "not spiral", "Not_Spiral", "elliptical", 0, 0.0, "0.0", "False"), ["", "not spiral", "none", ""]),
        (("0.7", "don't know", "nan", "-99"), ["", "", "", ""]),
    ],
)
def test_whether_a_galaxy_is_a_spiral_tells_that_and_what_follows_from_it(codes, told):
    for code in codes:
        assert [labels_from({"spiral": code}).label(name) for name in SCHEMAS] == told


def test_a_spiral_whose_arms_nobody_sees_is_one_and_an_s0_is_none():
    assert labels_from({"spiral": 1, "winding": "none"}).label("spiral") == "spiral"
    assert labels_from({"spiral": 0, "morphology": "S0"}).label("morphology") == "S0"


def test_efigi_tells_the_sense_where_its_arms_turn_one_way():
    senses = [labels_from({"t_type": 4, "efigi_rotation": turn}).winding for turn in (0, 0.25, 0.5, 0.75, 1, -1)]
    assert senses == ["S", "S", "", "Z", "Z", ""]
    assert labels_from({"t_type": -1, "efigi_rotation": 1}) == Labels(morphology="S0", winding="Z", t_type=-1.0)
    assert labels_from({"t_type": -5, "efigi_rotation": -1}).winding == "none"


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        ({"morphology": "E", "t_type": 5.0}, "morphology E and t_type 5 contradict each other"),
        ({"t_type": 0.0, "morphology": "Sp"}, "t_type 0 and morphology Sp contradict each other"),
        ({"spiral": "no", "morphology": "Sp"}, "spiral no and morphology Sp contradict each other"),
        ({"spiral": "0", "winding": "Z"}, "spiral 0 and winding Z contradict each other"),
        ({"t_type": -5.0, "spiral": "yes"}, "t_type -5 and spiral yes contradict each other"),
        ({"morphology": "E", "winding": "Z"}, "morphology E and winding Z contradict each other"),
        ({"winding": "S", "efigi_rotation": 1.0}, "winding S and efigi_rotation 1 contradict each other"),
    ],
)
def test_codes_that_contradict_each_other_tell_nothing(codes, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        labels_from(codes)


def test_a_class_is_its_own_code_whatever_its_case():
    assert SCHEMAS["spiral"].class_of("Not_Spiral") == "not spiral"
    assert SCHEMAS["morphology"].class_of("irr") == ""
    assert SCHEMAS["winding"].class_of("text", "efigi_rotation") == ""
    assert {"galaxy_zoo_1", "t_type", "efigi_rotation", "morphology", "winding"} <= set(VOCABULARIES)


def test_a_schema_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="label schema 'bars'; wanted one of morphology"):
        schema_named("bars")
    with pytest.raises(ValueError, match="two or more different ones"):
        LabelSchema(name="a", classes=("x", "x"), mirrored=(0, 1))
    with pytest.raises(ValueError, match="each class's number once"):
        LabelSchema(name="a", classes=("x", "y"), mirrored=(0, 0))
