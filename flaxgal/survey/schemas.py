"""What galaxies can be told apart by: classes, their names in catalogues, and what a mirror does to them.

    morphology   E, S0, Sp
    spiral       not spiral, spiral
    winding      S, Z, none: which way the arms turn, as seen on the sky with north up and east to the left
    t_type       -5 (elliptical) to 10 (irregular), in their order

A spiral is Z-wise if its arms turn anticlockwise on the way out, so that with trailing arms it rotates clockwise: what
Galaxy Zoo 1 calls clockwise (Land et al. 2008, MNRAS 388, 1686). EFIGI's Arm_Rotation is 0 for M 51, whose arms turn
clockwise on the way out: 0 is S-wise and 1 Z-wise.

Catalogues use words of their own, a vocabulary; an empty class means that a code tells nothing of a schema.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

__all__ = ["SCHEMAS", "VOCABULARIES", "LabelSchema", "Labels", "labels_from", "schema_named", "spelt"]

Range = tuple[float, float]
Code = tuple[str, "str | Range", str]


@dataclass(frozen=True, kw_only=True)
class LabelSchema:
    """The classes of one question to a galaxy, and what the words of catalogues mean in them."""

    name: str
    classes: tuple[str, ...]
    mirrored: tuple[int, ...]
    """In a mirror image class i becomes class mirrored[i]."""
    ordered: bool = False
    """Whether the classes are numbers, one after the other."""
    codes: tuple[Code, ...] = ()
    """(vocabulary, code, class), where a code is a word, or the numbers from the first of two to below the second."""

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise ValueError(f"schema {self.name}: classes {self.classes}; wanted two or more different ones")
        if sorted(self.mirrored) != list(range(len(self.classes))):
            raise ValueError(f"schema {self.name}: mirrored {self.mirrored}; wanted each class's number once")

    @property
    def outputs(self) -> int:
        """Numbers that a network answers with: one a class, or of ordered classes one a step between two."""
        return len(self.classes) - 1 if self.ordered else len(self.classes)

    @property
    def mirrored_outputs(self) -> tuple[int, ...]:
        """In a mirror image output i is what output mirrored_outputs[i] was."""
        return tuple(range(self.outputs)) if self.ordered else self.mirrored

    @property
    def numbers(self) -> tuple[float, ...]:
        """What each class counts: of ordered classes the number that it names, of others its place."""
        return tuple(float(name) if self.ordered else float(k) for k, name in enumerate(self.classes))

    def class_of(self, code: str | float | int, vocabulary: str = "") -> str:
        """The class that a catalogue's code means; empty if it means none.

        Without a vocabulary the code is the name of a class. Words are compared without case, spaces, `_` and `-`.
        """
        if not vocabulary:
            words = {_word(name): name for name in self.classes}
            return words.get(_word(code), "")
        for name, meant, label in self.codes:
            if name == vocabulary and _means(meant, code):
                return label
        return ""

    def target(self, label: str) -> Float32[np.ndarray, " output"]:
        """What a network should answer to a galaxy of a class, 0 to 1.

        1 for its class and 0 for the others; of ordered classes 1 for each step below it (Niu et al. 2016, CVPR).

        Raises
        ------
        ValueError
            If there is no such class.
        """
        if label not in self.classes:
            raise ValueError(f"{self.name} {label!r}; wanted one of {', '.join(self.classes)}")
        number = self.classes.index(label)
        places = np.arange(self.outputs)
        return (places < number if self.ordered else places == number).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON can hold it; `from_dict` reads it."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "mirrored": list(self.mirrored),
            "ordered": self.ordered,
            "codes": [[one, list(code) if isinstance(code, tuple) else code, label] for one, code, label in self.codes],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LabelSchema:
        """The schema that `to_dict` wrote."""
        codes = tuple(
            (one, tuple(code) if isinstance(code, list) else code, name) for one, code, name in content["codes"]
        )
        return cls(
            name=content["name"],
            classes=tuple(content["classes"]),
            mirrored=tuple(content["mirrored"]),
            ordered=content["ordered"],
            codes=codes,
        )


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What is known of one galaxy: empty or NaN where nothing is."""

    morphology: str = ""
    """E, S0 or Sp."""
    winding: str = ""
    """S, Z or none."""
    t_type: float | int = math.nan

    def label(self, schema: str) -> str:
        """The galaxy's class in a schema; empty if it is not known."""
        if schema == "t_type":
            return SCHEMAS[schema].class_of(self.t_type, "t_type")
        if schema == "spiral":
            spiral = SCHEMAS[schema]
            return spiral.class_of(self.morphology, "morphology") or spiral.class_of(self.winding, "winding")
        return str(getattr(self, schema))


def labels_from(codes: Mapping[str, str | float | int]) -> Labels:
    """What a catalogue's codes, by vocabulary, tell of a galaxy.

    A winding sense that one of them tells outright counts more than none, which follows from E and S0.

    Raises
    ------
    ValueError
        If two of them tell different morphologies, or one S and another Z, or one a spiral and another that it is none.
    """
    told = {
        schema: {one: label for one, code in codes.items() if (label := SCHEMAS[schema].class_of(code, one))}
        for schema in ("morphology", "spiral", "winding")
    }
    senses = {one: label for one, label in told["winding"].items() if label != "none"}
    # Sp of winding none is no contradiction: its arms cannot be seen.
    spirals = {one: label for one, label in told["spiral"].items() if label == "spiral" or one == "spiral"}
    for labels in (told["morphology"], senses, spirals):
        if len(set(labels.values())) > 1:
            raise ValueError(" and ".join(f"{one} {spelt(codes[one])}" for one in labels) + " contradict each other")
    t_type = codes.get("t_type", math.nan)
    return Labels(
        morphology=next(iter(told["morphology"].values()), ""),
        winding=next(iter((senses or told["winding"]).values()), ""),
        t_type=float(t_type) if SCHEMAS["t_type"].class_of(t_type, "t_type") else math.nan,
    )


def spelt(code: str | float | int) -> str:
    """A catalogue's code as people write it, a number without needless digits; nothing for NaN."""
    if isinstance(code, str):
        return code
    return "" if math.isnan(code) else f"{code:g}"


def schema_named(name: str) -> LabelSchema:
    """A schema of `SCHEMAS`.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in SCHEMAS:
        raise ValueError(f"label schema {name!r}; wanted one of {', '.join(SCHEMAS)}")
    return SCHEMAS[name]


def _word(code: str | float | int) -> str:
    return re.sub(r"[\s_-]", "", str(code)).lower()


def _means(meant: str | Range, code: str | float | int) -> bool:
    if isinstance(meant, str):
        return _word(code) == meant
    try:
        return meant[0] <= float(code) < meant[1]
    except ValueError:
        return False


def _words(vocabulary: str, **classes: str) -> tuple[Code, ...]:
    """Rows for one vocabulary; a class's words stand with spaces between."""
    return tuple((vocabulary, word, name) for name, words in classes.items() for word in words.split())


_E, _S0, _SP = (-6.5, -3.5), (-3.5, 0.5), (0.5, 9.5)
"""T-types: a class reaches half a step beyond its last number. -6 (cE) and -4 (cD) are E; 10 (Im) and 11 (dE) none."""
_ELLIPTICAL, _CLOCKWISE, _ANTICLOCKWISE, _EDGE_ON = "elliptical el", "spiralcw cw", "spiralacw acw", "spiraledge edge"
"""What Galaxy Zoo 1 calls galaxies. Its ellipticals hold lenticulars; don't know and merger tell nothing."""
_YES, _NO = "spiral yes y true t 1 1.0", "notspiral nonspiral elliptical no n false f 0 0.0"
"""Whether a galaxy is a spiral. One that is not may be anything else, of which but its winding is known: none."""

MORPHOLOGY = LabelSchema(
    name="morphology",
    classes=("E", "S0", "Sp"),
    mirrored=(0, 1, 2),
    codes=(
        *_words("morphology", E="e", S0="s0", Sp="sp"),
        *(("t_type", limits, name) for limits, name in ((_E, "E"), (_S0, "S0"), (_SP, "Sp"))),
        *_words("winding", Sp="s z"),
        *_words("galaxy_zoo_1", Sp=f"{_CLOCKWISE} {_ANTICLOCKWISE} {_EDGE_ON}"),
        *_words("spiral", Sp=_YES),
    ),
)
SPIRAL = LabelSchema(
    name="spiral",
    classes=("not spiral", "spiral"),
    mirrored=(0, 1),
    codes=(
        *(("morphology", word, name) for word, name in (("e", "not spiral"), ("s0", "not spiral"), ("sp", "spiral"))),
        *(("t_type", limits, name) for limits, name in ((_E, "not spiral"), (_S0, "not spiral"), (_SP, "spiral"))),
        *(("winding", word, name) for word, name in (("s", "spiral"), ("z", "spiral"), ("none", "not spiral"))),
        *(("galaxy_zoo_1", word, "not spiral") for word in _ELLIPTICAL.split()),
        *_words("galaxy_zoo_1", spiral=f"{_CLOCKWISE} {_ANTICLOCKWISE} {_EDGE_ON}"),
        *_words("spiral", spiral=_YES),
        *(("spiral", word, "not spiral") for word in _NO.split()),
    ),
)
WINDING = LabelSchema(
    name="winding",
    classes=("S", "Z", "none"),
    mirrored=(1, 0, 2),
    codes=(
        *_words("winding", S="s swise", Z="z zwise", none="none"),
        *_words("morphology", none="e s0"),
        *(("t_type", limits, "none") for limits in (_E, _S0)),
        *_words("galaxy_zoo_1", S=_ANTICLOCKWISE, Z=_CLOCKWISE, none=_ELLIPTICAL),
        *_words("spiral", none=_NO),
        ("efigi_rotation", (0.0, 0.3), "S"),  # 0.25 and 0.75: mostly so; 0.5 both ways; -1 cannot be told
        ("efigi_rotation", (0.7, 1.1), "Z"),
    ),
)
T_TYPE = LabelSchema(
    name="t_type",
    classes=tuple(str(number) for number in range(-5, 11)),
    mirrored=tuple(range(16)),
    ordered=True,
    codes=(
        ("t_type", (-6.5, -4.5), "-5"),
        *(("t_type", (number - 0.5, number + 0.5), str(number)) for number in range(-4, 11)),
    ),
)
SCHEMAS = {schema.name: schema for schema in (MORPHOLOGY, SPIRAL, WINDING, T_TYPE)}
"""By name."""
VOCABULARIES = tuple(dict.fromkeys(vocabulary for schema in SCHEMAS.values() for vocabulary, _, _ in schema.codes))
"""Names of what `class_of` understands."""
