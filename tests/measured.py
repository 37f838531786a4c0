"""Small galaxies to measure by the dozen, maps of them, and whether two catalogues are the same."""

from pathlib import Path

import numpy as np

from flaxgal.measure.catalogue import read_catalogue
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.prediction import Prediction, write_prediction


def a_galaxy(number: int) -> Cutout:
    rng = np.random.default_rng([5, number])
    y, x = np.mgrid[:24, :24] - 11.5
    light = 100 * np.exp(-np.hypot(x, y) / 3) + rng.normal(0, 1, (1, 24, 24))
    place = {} if number == 1 else {"ra_deg": 150.0 + number / 100, "dec_deg": 2.0}
    return Cutout(
        object_id=f"g{number:03d}", flux=light.astype(np.float32), variance=np.ones((1, 24, 24), np.float32),
        bands=("i",), unit="nJy", survey="mock",
        **place,
        pixel_scale_arcsec=0.168,
    )  # fmt: skip


def predict_for(cutout: Cutout, folder: Path, threshold: float = 0.5) -> None:
    probability = np.zeros((1, *cutout.image_shape), np.float32)
    probability[0, 12:16, 4:20] = 0.9
    write_prediction(
        Prediction(cutout.object_id, "mock", probability, ("arm",), threshold, "runs/one", cutout_sha256=cutout.sha256),
        folder,
    )


def counted(items: list) -> dict[str, int]:
    kinds = [type(item).__name__ for item in items]
    return {kind: kinds.count(kind) for kind in set(kinds)}


def same_tables(one: Path, other: Path) -> bool:
    """Equal row by row, in every digit."""
    first, second = read_catalogue(one), read_catalogue(other)
    return first.colnames == second.colnames and all(
        np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f") for name in first.colnames
    )
