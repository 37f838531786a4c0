"""The catalogue: one row a galaxy, with units, descriptions and where it comes from, as ECSV and Parquet.

Missing numbers are NaN, never a code such as −99, and the column `flags` says why. `object_id` is text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flaxgal.measure.flags import FLAG_MEANINGS, flag_names
from flaxgal.measure.flux import BandFlux, Measurement, measure_cutout
from flaxgal.measure.journal import MeasureJournal
from flaxgal.survey.atomic import replaced_when_whole
from flaxgal.survey.cutout import Cutout, Unreadable
from flaxgal.survey.prediction import prediction_path, read_prediction

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = [
    "FORMATS",
    "MeasureJournal",
    "check_format",
    "measure_galaxies",
    "read_catalogue",
    "to_table",
    "write_catalogue",
]

FORMATS = {".ecsv": "ascii.ecsv", ".parquet": "parquet"}
"""File ending to astropy's name of the format."""


@dataclass(frozen=True)
class Description:
    """What a column says: type, unit and meaning. FLUX as a unit stands for that of the images."""

    kind: type
    unit: str | None
    meaning: str


FLUX = "flux"
BAND_COLUMNS = {
    "flux_ratio": Description(np.float32, None, "light of the spiral arms / light of the galaxy"),
    "flux_ratio_error": Description(np.float32, None, "1 sigma of flux_ratio: photons, sky noise, sky level"),
    "arm_flux": Description(np.float32, FLUX, "light inside the arm mask, sky subtracted"),
    "arm_flux_error": Description(np.float32, FLUX, "1 sigma of arm_flux"),
    "total_flux": Description(np.float32, FLUX, "light within two Petrosian radii as far as the image reaches"),
    "total_flux_error": Description(np.float32, FLUX, "1 sigma of total_flux"),
    "sky": Description(np.float32, FLUX, "sky level that was subtracted, per pixel"),
    "sky_error": Description(np.float32, FLUX, "1 sigma of sky"),
    "flux_ratio_mask_error": Description(np.float32, None, "the mask's own share of flux_ratio_error"),
    "kron_flux": Description(np.float32, FLUX, "light within 2.5 Kron radii"),
    "kron_flux_error": Description(np.float32, FLUX, "1 sigma of kron_flux"),
    "growth": Description(np.float32, None, "light just outside the aperture / total_flux: 0 when it holds all"),
    "bulge_flux": Description(np.float32, FLUX, "light that rises above the disc in the centre"),
    "arm_to_disc_ratio": Description(np.float32, None, "light of the arms / light of the disc, both without the bulge"),
    "arm_to_disc_ratio_error": Description(np.float32, None, "1 sigma of arm_to_disc_ratio"),
    "arm_contrast": Description(np.float32, None, "surface brightness of arms / of the disc between, at equal radius"),
    "arm_contrast_error": Description(np.float32, None, "1 sigma of arm_contrast"),
    "arm_excess_ratio": Description(np.float32, None, "light that arms add to the disc between them / total_flux"),
    "arm_excess_ratio_error": Description(np.float32, None, "1 sigma of arm_excess_ratio"),
    "surface_brightness_limit_mag_arcsec2": Description(
        np.float32, "mag / arcsec2", "3 sigma of the sky averaged over 100 square arcseconds (10 x 10), AB"
    ),
}
GALAXY_COLUMNS = {
    "object_id": Description(str, None, "name of the galaxy in its survey, as text"),
    "survey": Description(str, None, "where the image is from"),
    "ra_deg": Description(np.float64, "deg", "right ascension (ICRS)"),
    "dec_deg": Description(np.float64, "deg", "declination (ICRS)"),
}
OTHER_COLUMNS = {
    "flux_ratio_gamma22": Description(
        np.float32,
        None,
        "pictures only: sum of p^2.2 in the arm mask / sum of p^2.2; no sky, no errors, not linear flux",
    ),
    "flags": Description(np.int32, None, "what may be wrong, as bits; their meaning is in the table's metadata"),
    "flag_names": Description(str, None, "names of the bits set in flags"),
    "arm_pixels": Description(np.int32, "pix", "pixels in the arm mask"),
    "half_light_radius_pixels": Description(
        np.float32, "pix", "semi-major axis that holds half of the light, not PSF-corrected"
    ),
    "petrosian_radius_pixels": Description(np.float32, "pix", "Petrosian semi-major axis (eta = 0.2)"),
    "axis_ratio": Description(np.float32, None, "minor / major axis, from second moments"),
    "position_angle_deg": Description(np.float32, "deg", "of the major axis, from +x towards +y on the pixel grid"),
    "centre_x": Description(np.float32, "pix", "brightest point; the first pixel is 0"),
    "centre_y": Description(np.float32, "pix", "brightest point; the first pixel is 0"),
    "pixel_scale_arcsec": Description(np.float32, "arcsec", "side of a pixel"),
    "others_share": Description(np.float32, None, "share of the aperture covered by other objects"),
    "unit": Description(str, None, "unit of the fluxes: nJy, count (zero point unknown) or picture (no linear flux)"),
    "run": Description(str, None, "run whose weights made the arm mask"),
    "threshold": Description(np.float32, None, "a pixel is arm when its probability is above this"),
}


def measure_galaxies(
    cutouts: Iterable[Cutout | Unreadable],
    predictions: str | os.PathLike[str],
    *,
    measured: Mapping[str, Measurement] = {},
) -> Iterator[Measurement | Unreadable]:
    """Measure each cutout with its prediction in a folder, one at a time; what cannot be comes as `Unreadable`.

    A galaxy whose row is in `measured`, by object_id (`MeasureJournal.measured`), comes as that row again; it is
    measured anew if the cutout is from another survey, in another unit or in other bands.

    Raises
    ------
    ValueError
        If there is no such folder.
    """
    folder = Path(predictions)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected the one that flaxgal predict wrote with --out")
    for cutout in cutouts:
        if isinstance(cutout, Unreadable):
            yield cutout
            continue
        earlier = measured.get(cutout.object_id)
        if earlier is not None and _is_row_of(earlier, cutout):
            yield earlier
            continue
        try:
            yield _measure_with(cutout, folder)
        except ValueError as error:
            yield Unreadable(cutout.object_id, str(error))


def _is_row_of(row: Measurement, cutout: Cutout) -> bool:
    """Whether a row can have been measured on this cutout, as far as the row tells."""
    bands = tuple(row.bands) if cutout.has_linear_flux else cutout.bands
    return (row.survey, row.unit, bands) == (cutout.survey, cutout.unit, cutout.bands)


def _measure_with(cutout: Cutout, folder: Path) -> Measurement:
    """The row of one cutout, with the prediction made for it."""
    path = prediction_path(cutout.object_id, folder)
    if not path.exists():
        raise ValueError(
            f"{cutout.object_id}: no {path.name} in {folder}; run flaxgal predict on this galaxy with --out {folder}"
        )
    prediction = read_prediction(path)
    if prediction.image_shape != cutout.image_shape:
        raise ValueError(
            f"{path}: its map has {_size(prediction.image_shape)} pixels and the image of {cutout.object_id} "
            f"{_size(cutout.image_shape)}; run flaxgal predict on this very image"
        )
    if prediction.cutout_sha256 and prediction.cutout_sha256 != cutout.sha256:
        raise ValueError(
            f"{path}: its map was made from other pixels than the image of {cutout.object_id} has now; run flaxgal "
            f"predict on this very image"
        )
    return measure_cutout(cutout, prediction.arm_probability, threshold=prediction.threshold, run=prediction.run)


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} × {shape[1]}"


def to_table(measurements: Iterable[Measurement]) -> Table:
    """The catalogue as an astropy table: units and descriptions on each column, origin and flags in its metadata.

    Flux columns are named by band (`flux_ratio_r`); a galaxy that lacks a band has NaN there. Their unit is nJy
    only if all galaxies with linear flux are calibrated; otherwise the column `unit` says which is which.
    """
    from astropy.table import Table

    rows = list(measurements)
    units = {row.unit for row in rows if row.bands}
    flux_unit = "nJy" if units == {"nJy"} else None
    table = Table()
    for name, about in GALAXY_COLUMNS.items():
        table[name] = _column(about, [getattr(row, name) for row in rows], flux_unit)
    for band in dict.fromkeys(band for row in rows for band in row.bands):
        for name, about in BAND_COLUMNS.items():
            values = [getattr(row.bands.get(band, MISSING), name) for row in rows]
            table[f"{name}_{_safe(band)}"] = _column(about, values, flux_unit, f" ({band} band)")
    for name, about in OTHER_COLUMNS.items():
        values = [flag_names(row.flags) if name == "flag_names" else getattr(row, name) for row in rows]
        table[name] = _column(about, values, flux_unit)
    table.meta = _metadata(rows)
    return table


MISSING = BandFlux()


def _safe(band: str) -> str:
    """A band's name as part of a column's name."""
    return re.sub(r"\W+", "_", band)


def _column(about: Description, values: list, flux_unit: str | None, note: str = "") -> Any:
    from astropy.table import Column

    data = np.array(values, dtype=str if about.kind is str else about.kind)
    unit = flux_unit if about.unit == FLUX else about.unit
    return Column(data, unit=unit, description=about.meaning + note)


def _metadata(rows: list[Measurement]) -> dict[str, Any]:
    """Where a table comes from, and what its flags mean: plain text and numbers, which every format keeps."""
    from flaxgal import __version__

    return {
        "software": f"flaxgal {__version__}",
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": sorted({row.run for row in rows if row.run}),
        "thresholds": sorted({round(row.threshold, 6) for row in rows if np.isfinite(row.threshold)}),
        "galaxies": len(rows),
        "flags": {int(flag): f"{flag_names(flag)}: {meaning}" for flag, meaning in FLAG_MEANINGS.items()},
        "missing_values": "NaN; the column flags says why",
    }


def write_catalogue(table: Table, path: str | os.PathLike[str]) -> Path:
    """Write a catalogue as ECSV or Parquet, by the file's ending, whole or not at all.

    Raises
    ------
    ValueError
        If the ending is another.
    """
    path = Path(path)
    check_format(path)
    with replaced_when_whole(path) as temporary:
        table.write(temporary, format=FORMATS[path.suffix])
    return path


def read_catalogue(path: str | os.PathLike[str]) -> Table:
    """A catalogue that `write_catalogue` wrote, with its units, descriptions and metadata.

    Raises
    ------
    ValueError
        If the file is missing, of another format, or damaged.
    """
    from astropy.table import Table

    path = Path(path)
    check_format(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file; expected a catalogue written by flaxgal measure")
    try:
        table = Table.read(path, format=FORMATS[path.suffix])
    except Exception as error:
        raise ValueError(f"{path}: found no catalogue in it ({error}); run flaxgal measure again") from None
    for name in table.colnames:
        if (
            hasattr(table[name], "mask") and table[name].dtype.kind in "US"
        ):  # ECSV takes an empty text for a missing one
            table[name] = table[name].filled("")
    return table


def check_format(path: str | os.PathLike[str]) -> None:
    """Refuse the name of a catalogue that cannot be written, before the work and not after it.

    Raises
    ------
    ValueError
        If the ending is none of `FORMATS`.
    """
    ending = Path(path).suffix
    if ending not in FORMATS:
        raise ValueError(f"{path}: a catalogue's name ends in {' or '.join(FORMATS)}, found {ending or 'no ending'}")
