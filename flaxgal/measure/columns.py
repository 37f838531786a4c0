"""What the columns of the catalogue say: type, unit, meaning, and where in a galaxy's record the value stands.

One row a galaxy, and in a second table one row an arm. Missing numbers are NaN, never a code such as −99, and the
column `flags`, or the column's own description, says why. Ids are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from flaxgal.measure.flags import FLAG_MEANINGS, flag_names
from flaxgal.measure.formats import fits_text
from flaxgal.measure.fourier import MODES
from flaxgal.measure.record import BandFlux, Colour, Measurement

if TYPE_CHECKING:
    from astropy.table import Column, Table

__all__ = [
    "ARM_COLUMNS",
    "BAND_COLUMNS",
    "COLOUR_COLUMNS",
    "GALAXY_COLUMNS",
    "OTHER_COLUMNS",
    "WIDTHS",
    "Contents",
    "Description",
    "arms_table",
    "galaxies_table",
]

FLUX = "flux"
WIDTHS = 5
"""How many of `Arm.widths_pixels` have a column."""
NAN = float("nan")


@dataclass(frozen=True)
class Description:
    """What a column says: type, unit and meaning. FLUX as a unit stands for that of the images."""

    kind: type
    unit: str | None
    meaning: str
    get: Callable[[Any], Any] | None = None
    """The value in a record; when not given, the record's field of the column's name."""


def _number(unit: str | None, meaning: str, get: Callable[[Any], Any] | None = None) -> Description:
    return Description(np.float32, unit, meaning, get)


GALAXY_COLUMNS = {
    "object_id": Description(str, None, "name of the galaxy in its survey, as text"),
    "survey": Description(str, None, "where the image is from"),
    "ra_deg": Description(np.float64, "deg", "right ascension (ICRS)"),
    "dec_deg": Description(np.float64, "deg", "declination (ICRS)"),
}
BAND_COLUMNS = {
    "flux_ratio": _number(None, "light of the spiral arms / light of the galaxy"),
    "flux_ratio_error": _number(None, "1 sigma of flux_ratio: photons, sky noise, sky level, mask"),
    "arm_flux": _number(FLUX, "light inside the arm mask, sky subtracted"),
    "arm_flux_error": _number(FLUX, "1 sigma of arm_flux"),
    "total_flux": _number(FLUX, "light within two Petrosian radii as far as the image reaches"),
    "total_flux_error": _number(FLUX, "1 sigma of total_flux"),
    "sky": _number(FLUX, "sky level that was subtracted, per pixel"),
    "sky_error": _number(FLUX, "1 sigma of sky"),
    "flux_ratio_mask_error": _number(
        None, "the mask's own share of flux_ratio_error; missing for a mask of yes and no"
    ),
    "kron_flux": _number(
        FLUX, "light within 2.5 Kron radii: 96 % of an exponential disc's, 2 to 4 % less than total_flux"
    ),
    "kron_flux_error": _number(FLUX, "1 sigma of kron_flux as the light within its aperture; light outside is no part"),
    "growth": _number(
        None,
        "light just outside the aperture / total_flux: 0 when it holds all; missing when the aperture fills the image",
    ),
    "bulge_flux": _number(
        FLUX, "bulge and nucleus: what rises above the disc in the centre, from a fit of the profile"
    ),
    "bulge_flux_error": _number(FLUX, "1 sigma of bulge_flux; most is the scatter found on mocks, 6 % of total_flux"),
    "arm_to_disc_ratio": _number(None, "light of the arms / light of the disc, both without the bulge"),
    "arm_to_disc_ratio_error": _number(None, "1 sigma of arm_to_disc_ratio"),
    "arm_contrast": _number(None, "surface brightness of arms / of the disc between, at equal radius"),
    "arm_contrast_error": _number(None, "1 sigma of arm_contrast"),
    "arm_excess_ratio": _number(None, "light that arms add to the disc between them / total_flux"),
    "arm_excess_ratio_error": _number(None, "1 sigma of arm_excess_ratio"),
    "surface_brightness_limit_mag_arcsec2": _number(
        "mag / arcsec2",
        "3 sigma of the sky averaged over 100 square arcseconds (10 x 10), AB; missing for flux that is not in nJy",
    ),
}
"""Of each band; named by band, as in flux_ratio_r."""
COLOUR_COLUMNS = {
    "total_mag": _number("mag", "colour of the galaxy, within one aperture; missing below 3 sigma"),
    "total_mag_error": _number("mag", "1 sigma of the galaxy's colour"),
    "arm_mag": _number("mag", "colour of the light inside the arm mask; missing below 3 sigma"),
    "arm_mag_error": _number("mag", "1 sigma of the arms' colour"),
    "interarm_mag": _number("mag", "colour of the disc between the arms; missing below 3 sigma"),
    "interarm_mag_error": _number("mag", "1 sigma of the colour between the arms"),
}
"""Of each two neighbouring bands; named by both, as in colour_total_mag_g_r."""
OTHER_COLUMNS = {
    "flux_ratio_gamma22": _number(
        None, "the seed's estimate on the 8-bit picture: sum of p^2.2 in the arm mask / sum of p^2.2; no sky, no errors"
    ),
    "flags": Description(np.int32, None, "what may be wrong, as bits; their meaning is in the table's metadata"),
    "flag_names": Description(str, None, "names of the bits set in flags", lambda row: flag_names(row.flags)),
    "number_of_arms": Description(np.int32, None, "arms that were told apart; the table of arms has a row for each"),
    "chirality": Description(str, None, "S or Z as seen on the sky, of most of the arms' length; - when neither"),
    "pitch_angle_deg": _number("deg", "of the arms that wind the way most do, weighted by length; 0 is a circle"),
    "pitch_angle_error_deg": _number("deg", "1 sigma of pitch_angle_deg"),
    "inclination_deg": _number("deg", "of the disc: 0 face-on, 90 edge-on"),
    "fourier_arm_number": Description(
        np.int32,
        None,
        "azimuthal mode, 1 to 6, with the strongest logarithmic spiral, no mask used; 0 when none could be looked for: "
        "no galaxy, no light, or under 60 % of the disc seen",
        attrgetter("fourier.arm_number"),
    ),
    "fourier_pitch_angle_deg": _number(
        "deg", "pitch angle of that mode; missing when it may wind either way", attrgetter("fourier.pitch_angle_deg")
    ),
    "fourier_chirality": Description(str, None, "S or Z of that mode; - when neither", attrgetter("fourier.chirality")),
    **{
        f"fourier_a{mode + 1}": _number(
            None,
            f"azimuthal Fourier amplitude {mode + 1} / mean light at the same radius, no mask used",
            lambda row, mode=mode: row.fourier.amplitudes[mode],
        )
        for mode in range(MODES)
    },
    "arm_pixels": Description(np.int32, "pix", "pixels in the arm mask"),
    "half_light_radius_pixels": _number("pix", "semi-major axis that holds half of the light, not PSF-corrected"),
    "petrosian_radius_pixels": _number("pix", "Petrosian semi-major axis (eta = 0.2)"),
    "kron_radius_pixels": _number("pix", "Kron's first moment of the light along the major axis"),
    "bulge_radius_pixels": _number("pix", "semi-major axis within which the bulge outshines the disc; 0 without one"),
    "axis_ratio": _number(None, "minor / major axis of the isophotes outside the arms"),
    "axis_ratio_error": _number(None, "1 sigma of axis_ratio; missing where isophotes could not be fitted"),
    "position_angle_deg": _number("deg", "of the major axis, from +x towards +y on the pixel grid"),
    "position_angle_error_deg": _number("deg", "1 sigma of position_angle_deg"),
    "position_angle_sky_deg": _number("deg", "of the major axis on the sky, east of north; missing without a WCS"),
    "centre_x": _number("pix", "centre of the isophotes; the first pixel is 0"),
    "centre_y": _number("pix", "centre of the isophotes; the first pixel is 0"),
    "pixel_scale_arcsec": _number("arcsec", "side of a pixel"),
    "others_share": _number(None, "share of the aperture covered by other objects"),
    "psf_matched": Description(bool, None, "whether all bands had one seeing when their colours were taken"),
    "unit": Description(str, None, "unit of the fluxes: nJy, count (zero point unknown) or picture (no linear flux)"),
    "run": Description(str, None, "run whose weights made the arm mask, or who drew it; empty for masks in files"),
    "threshold": _number(None, "a pixel is arm when its probability is above this; missing for a mask of yes and no"),
}
ARM_COLUMNS = {
    "pitch_angle_deg": _number("deg", "of the logarithmic spiral in the disc's plane: 0 a circle, 90 a spoke"),
    "pitch_angle_error_deg": _number("deg", "1 sigma of pitch_angle_deg"),
    "chirality": Description(str, None, "S or Z as seen on the sky; - when neither"),
    "inner_radius_pixels": _number("pix", "where the arm begins, in the disc's plane"),
    "outer_radius_pixels": _number("pix", "where the arm ends, in the disc's plane"),
    "winding_angle_deg": _number("deg", "azimuth from the inner to the outer end"),
    "length_pixels": _number("pix", "along the fitted spiral in the disc's plane"),
    "width_pixels": _number("pix", "mean width across the arm in the disc's plane, seeing and all"),
    **{
        f"width_{part + 1}_pixels": _number(
            "pix",
            f"width in part {part + 1} of {WIDTHS} of the arm, equal in ln r, from inside to outside",
            lambda arm, part=part: arm.widths_pixels[part] if part < len(arm.widths_pixels) else NAN,
        )
        for part in range(WIDTHS)
    },
    "azimuth_deg": _number("deg", "of the spiral at the inner radius, from the major axis, in the disc's plane"),
    "area_pixels": Description(np.int32, "pix", "pixels of the mask that are this arm's"),
    "flux_share": _number(None, "light of the arm / light of the galaxy, bands added by their noise"),
}
"""Of each arm."""
_NO_BAND, _NO_COLOUR = BandFlux(), Colour()


@dataclass
class Contents:
    """What the rows of a catalogue have together, which decides its columns, their units and the table's metadata.

    A catalogue is written in pieces that all have the same columns, so this is gathered from every row first.
    """

    masks: str = ""
    """Where the arm masks are from, as the user named it."""
    galaxies: int = 0
    arms: int = 0
    bands: dict[str, None] = field(default_factory=dict)
    """Those of any galaxy, as they came."""
    pairs: dict[str, None] = field(default_factory=dict)
    """Of bands with a colour, as in g-r."""
    units: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    thresholds: set[float] = field(default_factory=set)
    longest: dict[str, int] = field(default_factory=dict)
    """Characters of the longest text in each column of text, as FITS writes it: its columns have one width."""

    @classmethod
    def of(cls, rows: Iterable[Measurement], *, masks: str = "") -> Contents:
        """Those of some rows."""
        contents = cls(masks)
        for row in rows:
            contents.add(row)
        return contents

    def add(self, row: Measurement) -> None:
        """One more galaxy."""
        self.galaxies += 1
        self.arms += len(row.arms)
        self.bands |= dict.fromkeys(row.bands)
        self.pairs |= dict.fromkeys(row.colours)
        if row.bands:
            self.units.add(row.unit)
        if row.run:
            self.runs.add(row.run)
        if np.isfinite(row.threshold):
            self.thresholds.add(round(row.threshold, 6))
        for name, about in (GALAXY_COLUMNS | OTHER_COLUMNS).items():
            if about.kind is str:
                self.longest[name] = max(self.longest.get(name, 1), len(fits_text(_value(row, name, about))))

    @property
    def flux_unit(self) -> str | None:
        """The nJy, if all galaxies with linear flux are calibrated; otherwise the column `unit` says which is which."""
        return "nJy" if self.units == {"nJy"} else None

    def metadata(self) -> dict[str, Any]:
        """Where a table comes from, and what its flags mean: plain text and numbers, which every format keeps."""
        from flaxgal import __version__

        return {
            "software": f"flaxgal {__version__}",
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            **({"masks": self.masks} if self.masks else {}),
            "runs": sorted(self.runs),
            "thresholds": sorted(self.thresholds),
            "galaxies": self.galaxies,
            "flags": {int(flag): f"{flag_names(flag)}: {meaning}" for flag, meaning in FLAG_MEANINGS.items()},
            "missing_values": "NaN; the column flags, or the column's own description, says why",
        }


def galaxies_table(rows: Sequence[Measurement], contents: Contents) -> Table:
    """Some rows of the catalogue: units and descriptions on each column, origin and flags in the table's metadata.

    A galaxy that lacks a band or a colour of `contents` has NaN there.
    """
    from astropy.table import Table

    return Table(list(_galaxy_columns(rows, contents)), meta=contents.metadata(), copy=False)


def arms_table(rows: Sequence[Measurement], contents: Contents) -> Table:
    """A row for each arm of some galaxies, longest first, with the galaxy's id and the arm's number from 1."""
    from astropy.table import Table

    arms = [(row, number, arm) for row in rows for number, arm in enumerate(row.arms, start=1)]
    scales = [row.pixel_scale_arcsec for row, _, _ in arms]
    about_number = Description(
        np.int32, None, "number of the arm in its galaxy; 1 is the longest, or largest if no length is known"
    )
    columns = [
        _column("object_id", GALAXY_COLUMNS["object_id"], [row.object_id for row, _, _ in arms], contents),
        _column("arm", about_number, [number for _, number, _ in arms], contents),
    ]
    for name, about in ARM_COLUMNS.items():
        columns += _columns(name, about, [_value(arm, name, about) for _, _, arm in arms], scales, contents)
    about_all = {name: value for name, value in contents.metadata().items() if name != "flags"}
    return Table(columns, meta=about_all | {"arms": contents.arms}, copy=False)


def _galaxy_columns(rows: Sequence[Measurement], contents: Contents) -> Iterator[Column]:
    for name, about in GALAXY_COLUMNS.items():
        yield _column(name, about, [_value(row, name, about) for row in rows], contents)
    for band in contents.bands:
        light = [row.bands.get(band, _NO_BAND) for row in rows]
        for name, about in BAND_COLUMNS.items():
            values = [_value(one, name, about) for one in light]
            yield _column(f"{name}_{_safe(band)}", about, values, contents, f" ({band} band)")
    for pair in contents.pairs:
        colours = [row.colours.get(pair, _NO_COLOUR) for row in rows]
        for name, about in COLOUR_COLUMNS.items():
            values = [_value(one, name, about) for one in colours]
            yield _column(f"colour_{name}_{_safe(pair)}", about, values, contents, f" ({pair})")
    scales = [row.pixel_scale_arcsec for row in rows]
    for name, about in OTHER_COLUMNS.items():
        yield from _columns(name, about, [_value(row, name, about) for row in rows], scales, contents)


def _columns(
    name: str, about: Description, values: list, scales: Sequence[float], contents: Contents
) -> Iterator[Column]:
    """A column, and once more in arcsec if it is a length in pixels; missing there without a pixel scale."""
    yield _column(name, about, values, contents)
    if name.endswith("_pixels") and about.kind is np.float32:
        lengths = np.multiply(values, scales).tolist()
        yield _column(name.replace("_pixels", "_arcsec"), replace(about, unit="arcsec"), lengths, contents)


def _safe(band: str) -> str:
    """A band's name as part of a column's name."""
    return re.sub(r"\W+", "_", band)


def _value(record: Any, name: str, about: Description) -> Any:
    return getattr(record, name) if about.get is None else about.get(record)


def _column(name: str, about: Description, values: list, contents: Contents, note: str = "") -> Column:
    from astropy.table import Column

    kind = f"U{contents.longest.get(name, 1)}" if about.kind is str else about.kind
    unit = contents.flux_unit if about.unit == FLUX else about.unit
    return Column(np.array(values, dtype=kind), name=name, unit=unit, description=about.meaning + note)
