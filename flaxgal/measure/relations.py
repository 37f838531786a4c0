"""How a measured column goes with another one: the seed's cuts, three correlations with intervals, and binned means.

The seed compared arm flux ratios with redshift, star-formation rate and specific star-formation rate of HSC's spirals;
its coefficients stand beside ours in the figures' table. They are of other masks and of 8-bit light.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from flaxgal.survey.catalog import values_of

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = [
    "QUANTITIES",
    "Bins",
    "Correlation",
    "Quantity",
    "Relation",
    "binned_means",
    "correlations",
    "redshift_column",
    "relate",
    "relations_table",
    "remarks",
    "why_none",
    "within_sigmas",
]

CLIP_SIGMAS = 2.0
MOST_DRAWN = 3000
"""Galaxies that a bootstrap resample draws of more: Kendall's coefficient of 70,000 takes 50 times as long."""
MOST_RISK = 0.5
"""Largest chance that a photometric redshift is far off (Tanaka et al. 2018, PASJ 70, S9) that the seed allowed."""
LEAST_GALAXIES = 10
"""Fewer say nothing about a correlation."""
BANDS = ("u", "g", "r", "i", "y")
"""Columns beside which a column z is their fellow."""
MIDDLE_REDSHIFT = 3.0
"""A median above it is that of magnitudes or fluxes: nobody sees the arms of half a sample so far away."""
NEARLY_ALL = 0.95
MOST_NEGATIVE = 0.25
"""Share of rates that a fit may leave below 0; of logarithms more are."""
LOG_MASSES = (4.0, 14.0)
"""Between these lies the median of logarithms of galaxies' solar masses."""
LEAST_MASS = 1e4
NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Known:
    """A number that published tables have of galaxies: how they call it, and what its values look like."""

    word: str
    names: tuple[str, ...]
    """Of columns that may hold it, best first, in lower case."""
    doubt: Callable[[Table, str], str]
    """Why a column of such a name holds something else; empty where it holds the number or its logarithm."""
    logarithms: Callable[[np.ndarray], bool] = lambda _values: False
    """Whether its values are its decimal logarithms."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """Something of a galaxy that its arm light may go with."""

    name: str
    label: str
    """With its unit, for an axis."""
    made_of: tuple[Known, ...]
    make: Callable[..., np.ndarray] = lambda values: values
    """From those numbers, NaN where they are missing."""
    seed: tuple[float, float, float] | None = None
    """The seed's Pearson, Kendall and Spearman coefficients."""


def _log10(values: np.ndarray) -> np.ndarray:
    return np.log10(values, out=np.full(values.shape, NAN), where=values > 0)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, NAN), where=below > 0)


def _not_redshifts(table: Table, name: str) -> str:
    bands = [band for band in BANDS if _first(table, (band,))]
    if name.lower() == "z" and len(bands) > 1:
        return f"beside {' and '.join(bands)} it is the z band"
    values = _numbers(table, name)
    if len(values) and (np.median(values) > MIDDLE_REDSHIFT or np.mean((values >= 0) & (values < 10)) < NEARLY_ALL):
        return f"its median is {np.median(values):.3g} and its range {values.min():.3g} to {values.max():.3g}"
    return ""


def _not_rates(table: Table, name: str) -> str:
    values = _numbers(table, name)
    negative = float(np.mean(values < 0)) if len(values) else 0.0
    return f"{100 * negative:.0f} % of it is negative, as of logarithms" if negative > MOST_NEGATIVE else ""


def _not_masses(table: Table, name: str) -> str:
    values = _numbers(table, name)
    if not len(values) or np.median(values) >= LEAST_MASS or _are_log_masses(values):
        return ""
    return f"its median, {np.median(values):.3g}, is neither that of solar masses nor of their logarithms"


def _are_log_masses(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).any()) and bool(LOG_MASSES[0] <= np.nanmedian(values) <= LOG_MASSES[1])


def _numbers(table: Table, name: str) -> np.ndarray:
    """Those of a column that are not missing."""
    values = values_of(table, name)
    return values[np.isfinite(values)]


REDSHIFT = Known(word="redshift", names=("photoz_best", "redshift", "z_best", "z"), doubt=_not_redshifts)
RATE = Known(word="star-formation rate", names=("sfr", "sfr_best"), doubt=_not_rates)
MASS = Known(
    word="stellar mass", names=("stellar_mass", "mass", "mstar"), doubt=_not_masses, logarithms=_are_log_masses
)
QUANTITIES = (
    Quantity(name="redshift", label="redshift", made_of=(REDSHIFT,), seed=(0.092, 0.067, 0.098)),
    Quantity(name="sfr", label="star-formation rate (M☉ / yr)", made_of=(RATE,), seed=(0.204, 0.130, 0.192)),
    Quantity(
        name="ssfr",
        label="specific star-formation rate (1 / yr)",
        made_of=(RATE, MASS),
        make=_ratio,
        seed=(0.202, 0.127, 0.188),
    ),
    Quantity(name="log_sfr", label="log star-formation rate (M☉ / yr)", made_of=(RATE,), make=_log10),
    Quantity(
        name="log_ssfr",
        label="log specific star-formation rate (1 / yr)",
        made_of=(RATE, MASS),
        make=lambda rate, mass: _log10(_ratio(rate, mass)),
    ),
)
_PHOTOMETRIC = "photoz_best"
"""The one name of redshifts that says how they were found; those of another may be spectroscopic."""
_SEEDS = re.compile(r"flux_ratio_(?!(?:mask_)?error_).+")
"""Columns of what the seed measured: light of the arms ÷ light of the galaxy."""
_RISK = ("photoz_risk_best", "risk")


@dataclass(frozen=True)
class Correlation:
    """A coefficient from -1 to 1, the interval that holds 95 % of its bootstrap, and its chance if there is none."""

    value: float = NAN
    low: float = NAN
    high: float = NAN
    p_value: float = NAN


@dataclass(frozen=True, eq=False)
class Bins:
    """Means in bins of about equally many galaxies, by growing x."""

    x: Float[np.ndarray, " bin"]
    """Mean of x."""
    low: Float[np.ndarray, " bin"]
    high: Float[np.ndarray, " bin"]
    """Least and largest x."""
    mean: Float[np.ndarray, " bin"]
    error: Float[np.ndarray, " bin"]
    """Standard error of the mean."""
    galaxies: np.ndarray


@dataclass(frozen=True, eq=False)
class Relation:
    """What became of a column against one quantity."""

    quantity: Quantity
    made_of: tuple[str, ...]
    """The table's columns behind the quantity; 10^mass, where mass holds logarithms."""
    column: str
    x: Float[np.ndarray, " galaxy"]
    y: Float[np.ndarray, " galaxy"]
    """Of the galaxies that passed every cut."""
    bins: Bins
    correlations: Mapping[str, Correlation] = field(default_factory=dict)
    """pearson, kendall, spearman."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many galaxies each cut took, in the order of the cuts."""


def relate(table: Table, column: str, quantity: Quantity, *, seed: int = 0, resamples: int = 500) -> Relation | None:
    """A column of a catalogue against a quantity, after the seed's cuts; None where the table has not the quantity.

    The cuts, in this order: both numbers are there (−99 is not); the risk of a photometric redshift (photoz_best) is at
    most `MOST_RISK`, where the table tells it; both lie within `CLIP_SIGMAS` standard deviations of their means, once.

    Raises
    ------
    ValueError
        If the table has not the column.
    """
    found = [_values(table, known) for known in quantity.made_of]
    if not all(found):
        return None
    names, numbers = zip(*found, strict=True)
    x = quantity.make(*numbers)
    y = values_of(table, column)
    keep = np.isfinite(x) & np.isfinite(y)
    left_out = {"a number is missing": int((~keep).sum())}
    risk = _first(table, _RISK)
    if risk is not None and _PHOTOMETRIC in map(str.lower, names):
        safe = values_of(table, risk) <= MOST_RISK
        left_out[f"risk above {MOST_RISK} or not told"] = int((keep & ~safe).sum())
        keep &= safe
    near = within_sigmas(x, keep) & within_sigmas(y, keep)
    left_out[f"beyond {CLIP_SIGMAS:g} standard deviations"] = int((keep & ~near).sum())
    x, y = x[keep & near], y[keep & near]
    return Relation(
        quantity=quantity,
        made_of=names,
        column=column,
        x=x,
        y=y,
        bins=binned_means(x, y),
        correlations=correlations(x, y, seed=seed, resamples=resamples),
        left_out=left_out,
    )


def remarks(table: Table) -> list[str]:
    """A sentence for each column that is not taken for what its name says, whose logarithms are undone, or not used."""
    said = []
    for known in (REDSHIFT, RATE, MASS):
        for name, doubt in _tried(table, known):
            if doubt:
                said.append(f"{name} is not taken for a {known.word}: {doubt}; join a {known.word} as {known.names[0]}")
            elif known.logarithms(values := values_of(table, name)):
                said.append(
                    f"{name} is taken for the logarithm of a {known.word}: its median is {np.nanmedian(values):.3g}"
                )
    redshift, risk = redshift_column(table), _first(table, _RISK)
    if redshift and risk and redshift.lower() != _PHOTOMETRIC:
        said.append(
            f"{risk} cuts no galaxies: {redshift} may be spectroscopic; join a photometric redshift as photoz_best"
        )
    return said


def redshift_column(table: Table) -> str:
    """The column that redshifts are taken from; empty where the table has none."""
    return next((name for name, doubt in _tried(table, REDSHIFT) if not doubt), "")


def _tried(table: Table, known: Known) -> Iterator[tuple[str, str]]:
    """Columns of the names of a number, to the first that holds it, and why those before it do not."""
    for name in filter(None, (_first(table, (one,)) for one in known.names)):
        is_numbers = table[name].dtype.kind in "iufb" and table[name].ndim == 1
        doubt = known.doubt(table, name) if is_numbers else "it does not hold a number a galaxy"
        yield name, doubt
        if not doubt:
            return


def _values(table: Table, known: Known) -> tuple[str, np.ndarray] | None:
    """A number of each galaxy, NaN where it is missing, and where it is from; None where no column holds it."""
    for name, doubt in _tried(table, known):
        if not doubt:
            values = values_of(table, name)
            return (f"10^{name}", 10**values) if known.logarithms(values) else (name, values)
    return None


def within_sigmas(
    values: Float[np.ndarray, " n"], among: Bool[np.ndarray, " n"], sigmas: float = CLIP_SIGMAS
) -> Bool[np.ndarray, " n"]:
    """True where a value lies within so many standard deviations of the mean, both taken over `among`, once."""
    if not among.any():
        return among.copy()
    middle, spread = values[among].mean(), values[among].std()
    return among & (np.abs(np.where(among, values, middle) - middle) <= sigmas * spread)


def why_none(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> str:
    """Why numbers of some galaxies have no correlation; empty where they have one."""
    if len(x) < LEAST_GALAXIES:
        return f"{len(x)} galaxies, too few for a correlation ({LEAST_GALAXIES})"
    return f"{len(x)} galaxies, all with one number" if np.ptp(x) == 0 or np.ptp(y) == 0 else ""


def correlations(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    *,
    seed: int = 0,
    resamples: int = 500,
    most_drawn: int = MOST_DRAWN,
) -> dict[str, Correlation]:
    """Pearson's, Kendall's (tau-b) and Spearman's coefficients, with bootstrap intervals over galaxies (Efron 1979).

    Of more than `most_drawn` galaxies each resample draws only so many, m of n, and the interval about the coefficient
    of all is narrower than that of the resamples by √(m / n) (Bickel, Götze & van Zwet 1997, Statistica Sinica 7, 1).
    All NaN where `why_none` says why.

    Raises
    ------
    ValueError
        If there are fewer than 2 resamples, of which no interval can be had.
    """
    from scipy import stats

    if resamples < 2:
        raise ValueError(f"resamples is {resamples}; wanted 2 or more, and some hundreds for intervals to rely on")

    tests = {"pearson": stats.pearsonr, "kendall": stats.kendalltau, "spearman": stats.spearmanr}
    if why_none(x, y):
        return dict.fromkeys(tests, Correlation())
    random = np.random.default_rng(seed)
    number = min(len(x), most_drawn)
    drawn: dict[str, list[float]] = {name: [] for name in tests}
    for _ in range(resamples):
        again = random.integers(len(x), size=number)
        if np.ptp(x[again]) == 0 or np.ptp(y[again]) == 0:
            continue
        for name, test in tests.items():
            drawn[name].append(float(test(x[again], y[again])[0]))
    found = {}
    for name, test in tests.items():
        value, p_value = test(x, y)
        ends = np.quantile(drawn[name], [0.025, 0.975]) if drawn[name] else np.full(2, NAN)
        low, high = value + (ends - value) * math.sqrt(number / len(x))
        found[name] = Correlation(float(value), float(low), float(high), float(p_value))
    return found


def binned_means(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], bins: int = 10) -> Bins:
    """Mean and standard error of y in bins of equally many galaxies, two or more; fewer bins for few galaxies."""
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, max(1, min(bins, len(x) // 2))) if len(part) > 1]

    def of_parts(number: Callable[[Any], float]) -> np.ndarray:
        return np.array([number(part) for part in parts], float)

    return Bins(
        x=of_parts(lambda part: x[part].mean()),
        low=of_parts(lambda part: x[part].min()),
        high=of_parts(lambda part: x[part].max()),
        mean=of_parts(lambda part: y[part].mean()),
        error=of_parts(lambda part: y[part].std(ddof=1) / math.sqrt(len(part))),
        galaxies=np.array([len(part) for part in parts]),
    )


def relations_table(relations: list[Relation]) -> Table:
    """One row for each relation and coefficient, with its interval and the seed's value."""
    from astropy.table import Table

    rows = [
        (
            relation.column,
            relation.quantity.name,
            " ".join(relation.made_of),
            len(relation.x),
            name,
            *(getattr(found, part) for part in ("value", "low", "high", "p_value")),
            relation.quantity.seed[k] if relation.quantity.seed and _SEEDS.fullmatch(relation.column) else NAN,
        )
        for relation in relations
        for k, (name, found) in enumerate(relation.correlations.items())
    ]
    names = ("column", "quantity", "made_of", "galaxies", "coefficient", "value", "low", "high", "p_value", "seed")
    table = Table(rows=rows or None, names=names, dtype=(str, str, str, int, str, float, float, float, float, float))
    for name, meaning in _MEANINGS.items():
        table[name].info.description = meaning
    table.meta["cuts"] = [
        f"{relation.column} against {relation.quantity.name}: {number} galaxies left out, {why}"
        for relation in relations
        for why, number in relation.left_out.items()
    ]
    return table


_MEANINGS = {
    "column": "what was measured",
    "quantity": "what it is compared with",
    "made_of": "columns that the quantity is from; 10^mass where mass holds logarithms",
    "galaxies": "galaxies that passed the cuts",
    "coefficient": "pearson, kendall (tau-b) or spearman",
    "value": f"between -1 and 1; missing for fewer than {LEAST_GALAXIES} galaxies, or where one number is that of all",
    "low": "lower end of the 95 % bootstrap interval",
    "high": "upper end of the 95 % bootstrap interval",
    "p_value": "chance of so much without any relation",
    "seed": "what the seed found with its own masks and 8-bit light (Roe 2023); it measured flux ratios only",
}


def _first(table: Table, names: tuple[str, ...]) -> str | None:
    """The first of these columns that the table has, in whatever case."""
    by_lower = {str(name).lower(): str(name) for name in table.colnames}
    return next((by_lower[name] for name in names if name in by_lower), None)
