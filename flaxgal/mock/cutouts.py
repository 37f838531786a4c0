"""Mock galaxies as cutouts with a place on the sky, and the truth about them as a table."""

import hashlib
import math
import operator
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from astropy import units
from astropy.table import Table
from astropy.wcs import WCS

from flaxgal.config import MockConfig
from flaxgal.mock.galaxy import Mocks, render
from flaxgal.mock.t_types import mock_t_types
from flaxgal.survey.atomic import replaced_when_whole
from flaxgal.survey.cutout import Cutout, write_cutout
from flaxgal.survey.schemas import Labels

__all__ = ["KINDS", "mock_cutouts", "mock_id", "mock_labels", "mock_position", "truth_table", "write_mock_cutouts"]

KINDS = ("E", "S0", "Sp")
"""Names of `Mocks.kind`."""
BATCH = 256

_LABELS = (
    ("morphology", "Class: E, S0 or Sp"),
    ("winding", "S, Z or none, as seen on the sky; empty where nobody could see the arms"),
    ("t_type", "T-type by the bulge's share of the light"),
)
_COLUMNS: tuple[tuple[str, units.UnitBase | None, str], ...] = (
    ("arm_count", None, "Number of spiral arms; 0 without"),
    ("chirality", None, "+1 Z-wise, -1 S-wise as seen on the sky, 0 without arms"),
    ("pitch_angle_deg", units.deg, "Pitch angle of the arms in the plane of the disc; NaN without arms"),
    ("inclination_deg", units.deg, "Inclination of the disc, 0 face-on; NaN for E"),
    ("position_angle_deg", units.deg, "Position angle of the major axis, north through east"),
    ("effective_radius_pixels", units.pix, "Half-light radius along the major axis, of the disc (E: of the galaxy)"),
    ("signal_to_noise", None, "S/N of the light within the half-light ellipse in the last band but one"),
)
_FLUX_COLUMNS: tuple[tuple[str, units.UnitBase, str], ...] = (
    ("arm_flux", units.nJy, "Light of the galaxy inside the arm mask, without noise or neighbours"),
    ("total_flux", units.nJy, "Light of the galaxy in the frame, without noise or neighbours"),
    ("arm_excess_flux", units.nJy, "Light that the arms add to the disc below them"),
    ("flux_ratio", units.dimensionless_unscaled, "arm_flux over total_flux"),
)


def mock_id(population: str, index: int) -> str:
    """Name of galaxy number `index` of a population, such as "mock-0-000123"."""
    return f"mock-{population}-{index:06d}"


def mock_position(population: str, index: int) -> tuple[float, float]:
    """Right ascension and declination, in degrees: galaxies spread evenly over the sky between declinations ± 64.

    The R2 sequence (Roberts 2018), begun at a place of its own for each population, so that two galaxies are never on
    the same spot.
    """
    digest = hashlib.sha256(f"flaxgal mock {population}".encode()).digest()
    begin_ra, begin_dec = (int.from_bytes(digest[k : k + 8], "big") / 2**64 for k in (0, 8))
    along, height = (begin_ra + 0.7548776662466927 * index) % 1, (begin_dec + 0.5698402909980532 * index) % 1
    return 360 * along, math.degrees(math.asin(0.9 * (2 * height - 1)))


def mock_cutouts(config: MockConfig, mocks: Mocks, *, population: str = "0", first: int = 0) -> Iterator[Cutout]:
    """Each mock as a cutout in nJy with variance, PSF and a TAN WCS, north up and east to the left.

    `first` is the number within its population of the first of `mocks`.
    """
    mocks = jax.device_get(mocks)
    for k in range(len(mocks.kind)):
        ra_deg, dec_deg = mock_position(population, first + k)
        yield Cutout(
            object_id=mock_id(population, first + k),
            flux=mocks.flux[k],
            bands=config.bands,
            unit="nJy",
            variance=mocks.variance[k],
            wcs=_wcs(config, ra_deg, dec_deg),
            pixel_scale_arcsec=config.pixel_scale_arcsec,
            psf=dict.fromkeys(config.bands, np.asarray(mocks.psf[k])),
            survey="mock",
            ra_deg=ra_deg,
            dec_deg=dec_deg,
        )


def _wcs(config: MockConfig, ra_deg: float, dec_deg: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = [ra_deg, dec_deg]
    wcs.wcs.crpix = [(config.image_size + 1) / 2] * 2
    wcs.wcs.cdelt = [-config.pixel_scale_arcsec / 3600, config.pixel_scale_arcsec / 3600]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def mock_labels(mocks: Mocks) -> list[Labels]:
    """What people would call each mock.

    A spiral whose arms nobody could see (its arm mask is empty) has no known sense of winding; it is a spiral all the
    same. T-types go by the bulge's share of the light (`flaxgal.mock.t_types`).
    """
    mocks = jax.device_get(mocks)
    shown = mocks.arm_mask.any((1, 2))
    t_types = mock_t_types(mocks.kind, mocks.bulge_share)
    return [
        Labels(
            morphology=KINDS[mocks.kind[k]],
            winding=_winding(int(mocks.chirality[k]), bool(shown[k])),
            t_type=float(t_types[k]),
        )
        for k in range(len(mocks.kind))
    ]


def _winding(chirality: int, shown: bool) -> str:
    if chirality == 0:
        return "none"
    return ("Z" if chirality > 0 else "S") if shown else ""


def truth_table(config: MockConfig, mocks: Mocks, *, population: str = "0", first: int = 0) -> Table:
    """What is exactly known about each mock, with units and descriptions; one row a galaxy.

    `flaxgal build --morphology` takes it as a table of classes.
    """
    mocks = jax.device_get(mocks)
    table = Table()
    table["object_id"] = [mock_id(population, first + k) for k in range(len(mocks.kind))]
    table["object_id"].description = "Name of the galaxy, as in its cutout"
    table["kind"] = [KINDS[kind] for kind in mocks.kind]
    table["kind"].description = "E, S0 or Sp"
    labels = mock_labels(mocks)
    for name, description in _LABELS:
        table[name] = [getattr(one, name) for one in labels]
        table[name].description = description
    for name, unit, description in _COLUMNS:
        _add_column(table, name, np.asarray(operator.attrgetter(name)(mocks)), unit, description)
    for name, unit, description in _FLUX_COLUMNS:
        for b, band in enumerate(config.bands):
            values = np.asarray(operator.attrgetter(name)(mocks))[:, b]
            _add_column(table, f"{name}_{band}", values, unit, f"{description}; {band} band")
    _add_column(table, "arm_mask_pixels", mocks.arm_mask.sum((1, 2)), units.pix, "Pixels in the arm mask; may be 0")
    return table


def _add_column(table: Table, name: str, values: np.ndarray, unit: units.UnitBase | None, description: str) -> None:
    table[name] = values
    table[name].unit = unit
    table[name].description = description


def write_mock_cutouts(
    folder: Path, config: MockConfig, *, number: int, seed: int = 0, first: int = 0
) -> Iterator[int]:
    """Write mocks `first` to `first + number - 1` of the population that `config` and `seed` name; yields how many are.

    The folder gets one flaxgal FITS file a galaxy, `ID.fits`, and the truth: `truth.ecsv` (see `truth_table`) and
    `truth_masks.npz` (object_id; arm and bar, (n, y, x) bool), which no reader takes for cutouts.
    """
    from astropy.table import vstack

    folder.mkdir(parents=True, exist_ok=True)
    tables, arm, bar = [], [], []
    for start in range(0, number, BATCH):
        length, begin = min(BATCH, number - start), first + start
        mocks = jax.device_get(render(config, jax.random.key(seed), length, first=begin))
        for k, cutout in enumerate(mock_cutouts(config, mocks, population=str(seed), first=begin)):
            write_cutout(cutout, folder / f"{cutout.object_id}.fits")
            yield start + k + 1
        tables.append(truth_table(config, mocks, population=str(seed), first=begin))
        arm.append(mocks.arm_mask)
        bar.append(mocks.bar_mask)
    table = vstack(tables)
    with replaced_when_whole(folder / "truth.ecsv") as path:
        table.write(path, format="ascii.ecsv")
    masks = {"object_id": np.asarray(table["object_id"]), "arm": np.concatenate(arm), "bar": np.concatenate(bar)}
    with replaced_when_whole(folder / "truth_masks.npz") as path:
        np.savez_compressed(path, allow_pickle=False, **masks)
