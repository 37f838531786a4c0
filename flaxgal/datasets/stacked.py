"""Many galaxies of a snapshot in memory: their pictures, and masks or classes, as stacked arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Float64, UInt8

from flaxgal.datasets.builders import Snapshot, read_examples
from flaxgal.datasets.examples import Example
from flaxgal.datasets.morphology import ClassExample, read_class_examples
from flaxgal.survey.schemas import Labels, LabelSchema

__all__ = [
    "READ_AT_ONCE",
    "ClassExamples",
    "Examples",
    "Stacked",
    "concatenate",
    "read_stacked",
    "read_stacked_classes",
    "taken",
]

READ_AT_ONCE = 1024
"""Galaxies that are in memory twice, as they are read and stacked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Many examples as stacked arrays. `weight` is 255 where a pixel counts in full, 0 where it is left out."""

    object_id: np.ndarray
    survey: np.ndarray
    image: UInt8[np.ndarray, "n y x band"]
    target: UInt8[np.ndarray, "n y x class"]
    weight: UInt8[np.ndarray, "n y x"]
    ra_deg: Float64[np.ndarray, " n"]
    dec_deg: Float64[np.ndarray, " n"]
    revision: np.ndarray
    truth: Mapping[str, Float64[np.ndarray, " n"]] = field(default_factory=dict)
    """Columns known exactly (mocks); NaN for galaxies of a snapshot that has not the column."""

    def __len__(self) -> int:
        return len(self.object_id)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassExamples:
    """Many galaxies with their classes as stacked arrays; pictures are as seen on the sky."""

    object_id: np.ndarray
    survey: np.ndarray
    image: UInt8[np.ndarray, "n y x band"]
    morphology: np.ndarray
    winding: np.ndarray
    """Text; empty where it is not known."""
    t_type: Float64[np.ndarray, " n"]
    """NaN where it is not known."""
    ra_deg: Float64[np.ndarray, " n"]
    dec_deg: Float64[np.ndarray, " n"]
    truth: Mapping[str, Float64[np.ndarray, " n"]] = field(default_factory=dict)
    """Columns known exactly (mocks); NaN for galaxies of a snapshot that has not the column."""

    def __len__(self) -> int:
        return len(self.object_id)

    def label(self, schema: str) -> np.ndarray:
        """Each galaxy's class in a schema, as text; empty where it is not known."""
        rows = zip(self.morphology.tolist(), self.winding.tolist(), self.t_type.tolist(), strict=True)
        labels = [Labels(morphology=name, winding=sense, t_type=number) for name, sense, number in rows]
        return np.array([one.label(schema) for one in labels], str)

    def target(self, schema: LabelSchema) -> UInt8[np.ndarray, "n output"]:
        """What a network should answer to each galaxy, 255 for 1; 0 throughout where the class is not known."""
        answers = {name: np.uint8(255) * schema.target(name).astype(np.uint8) for name in schema.classes}
        nothing = np.zeros(schema.outputs, np.uint8)
        rows = [answers.get(name, nothing) for name in self.label(schema.name).tolist()]
        return np.stack(rows) if rows else np.empty((0, schema.outputs), np.uint8)

    def weight(self, schema: LabelSchema) -> UInt8[np.ndarray, " n"]:
        """255 for each galaxy that counts, 0 where the class is not known."""
        return np.where(self.label(schema.name) != "", 255, 0).astype(np.uint8)


Stacked = TypeVar("Stacked", Examples, ClassExamples)


def read_stacked(snapshot: Snapshot, split: str, numbers: np.ndarray) -> Examples:
    """Examples of a split, by number (0 is the first), in the order asked for."""
    total, size = len(numbers), snapshot.image_size
    image = np.empty((total, size, size, len(snapshot.bands)), np.uint8)
    target = np.empty((total, size, size, len(snapshot.classes)), np.uint8)
    weight = np.empty((total, size, size), np.uint8)
    rest: list[Example] = []
    for start in range(0, total, READ_AT_ONCE):
        for example in read_examples(snapshot, split, numbers[start : start + READ_AT_ONCE].tolist()):
            place = len(rest)
            image[place], target[place], weight[place] = example.image, example.target, example.weight
            rest.append(example)
    names = sorted({name for example in rest for name in example.truth})
    return Examples(
        object_id=np.array([example.object_id for example in rest]),
        survey=np.array([example.survey for example in rest]),
        image=image,
        target=target,
        weight=weight,
        ra_deg=np.array([example.ra_deg for example in rest], np.float64),
        dec_deg=np.array([example.dec_deg for example in rest], np.float64),
        revision=np.array([example.revision for example in rest]),
        truth={name: np.array([example.truth.get(name, math.nan) for example in rest], np.float64) for name in names},
    )


def read_stacked_classes(snapshot: Snapshot, split: str, numbers: np.ndarray) -> ClassExamples:
    """Galaxies with classes of a split, by number (0 is the first), in the order asked for."""
    image = np.empty((len(numbers), snapshot.image_size, snapshot.image_size, len(snapshot.bands)), np.uint8)
    rest: list[ClassExample] = []
    for start in range(0, len(numbers), READ_AT_ONCE):
        for example in read_class_examples(snapshot, split, numbers[start : start + READ_AT_ONCE].tolist()):
            image[len(rest)] = example.image
            rest.append(replace(example, image=image[len(rest)]))  # so that one copy of the pictures is kept, not two
    names = sorted({name for example in rest for name in example.truth})
    return ClassExamples(
        object_id=np.array([example.object_id for example in rest]),
        survey=np.array([example.survey for example in rest]),
        image=image,
        morphology=np.array([example.labels.morphology for example in rest], str),
        winding=np.array([example.labels.winding for example in rest], str),
        t_type=np.array([example.labels.t_type for example in rest], np.float64),
        ra_deg=np.array([example.ra_deg for example in rest], np.float64),
        dec_deg=np.array([example.dec_deg for example in rest], np.float64),
        truth={name: np.array([example.truth.get(name, math.nan) for example in rest], np.float64) for name in names},
    )


def concatenate(parts: Sequence[Stacked]) -> Stacked:
    """Several sets of examples as one, in the order given: the order that `index_batches` counts in."""
    names = sorted({name for part in parts for name in part.truth})
    columns = set(parts[0].__dataclass_fields__) - {"truth"}
    joined = {column: np.concatenate([getattr(part, column) for part in parts]) for column in columns}
    truth = {name: np.concatenate([_column(part, name) for part in parts]) for name in names}
    return type(parts[0])(**joined, truth=truth)


def taken(examples: Stacked, order: np.ndarray) -> Stacked:
    """Some of the examples, or all in another order."""
    columns = {name: getattr(examples, name)[order] for name in examples.__dataclass_fields__ if name != "truth"}
    return type(examples)(**columns, truth={name: values[order] for name, values in examples.truth.items()})


def _column(part: Examples | ClassExamples, name: str) -> np.ndarray:
    return part.truth.get(name, np.full(len(part), math.nan))
