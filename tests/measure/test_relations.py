"""Flux ratios against redshift and star formation: the seed's cuts, and coefficients that say what is there."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from flaxgal.measure.relations import (
    MOST_DRAWN,
    QUANTITIES,
    binned_means,
    correlations,
    relate,
    relations_table,
    remarks,
    why_none,
    within_sigmas,
)

QUANTITY = {quantity.name: quantity for quantity in QUANTITIES}


def catalogue(number: int = 400, slope: float = 0.5, **columns) -> Table:
    """Galaxies whose ratio grows with redshift by `slope`, with noise."""
    random = np.random.default_rng(1)
    redshift = random.uniform(0.05, 0.4, number)
    ratio = 0.1 + slope * redshift + random.normal(0, 0.02, number)
    return Table({"flux_ratio_i": ratio, "photoz_best": redshift, **columns})


def by_hand(kind: str, x: np.ndarray, y: np.ndarray) -> float:
    """Coefficients by their definitions, pair by pair."""
    if kind == "pearson":
        return float(np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std()))
    if kind == "spearman":
        return by_hand("pearson", x.argsort().argsort().astype(float), y.argsort().argsort().astype(float))
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    return float(signs.sum() / (len(x) * (len(x) - 1)))


@pytest.mark.parametrize("kind", ["pearson", "kendall", "spearman"])
def test_coefficients_are_those_of_their_definitions(kind):
    random = np.random.default_rng(0)
    x = random.normal(size=60)
    y = 0.4 * x + random.normal(size=60)
    found = correlations(x, y, resamples=20)[kind]
    assert found.value == pytest.approx(by_hand(kind, x, y), abs=1e-12)
    assert found.low < found.value < found.high


def test_the_interval_holds_the_truth_as_often_as_it_says():
    truth, held = 0.5, 0
    for trial in range(60):
        random = np.random.default_rng([7, trial])
        x = random.normal(size=80)
        y = truth * x + np.sqrt(1 - truth**2) * random.normal(size=80)
        found = correlations(x, y, seed=trial, resamples=200)["pearson"]
        held += found.low <= truth <= found.high
    assert 51 <= held <= 60  # 95 % of 60 are 57; below 51 has a chance of 1 in 700


def test_of_many_galaxies_some_are_drawn_and_intervals_are_as_wide_as_if_all_were():
    random = np.random.default_rng(2)
    x = random.exponential(size=3000)
    y = np.round(0.2 * x + random.normal(size=3000), 1)  # skewed, and with ties
    every = correlations(x, y, resamples=500, most_drawn=3000)
    some = correlations(x, y, resamples=500, most_drawn=500)
    for name, found in some.items():
        assert (found.value, found.p_value) == (every[name].value, every[name].p_value)
        assert found.high - found.low == pytest.approx(every[name].high - every[name].low, rel=0.12)
        assert found.low == pytest.approx(every[name].low, abs=0.1 * (found.high - found.low))


def test_a_resample_of_a_survey_holds_no_more_galaxies_than_are_needed(monkeypatch):
    from scipy import stats

    sizes = []

    def counted(x, y):
        sizes.append(len(x))
        return 0.5, 0.0

    for name in ("pearsonr", "kendalltau", "spearmanr"):
        monkeypatch.setattr(stats, name, counted)
    random = np.random.default_rng(0)
    correlations(random.normal(size=20_000), random.normal(size=20_000), resamples=5)
    assert sorted(sizes) == [MOST_DRAWN] * 15 + [20_000] * 3


def test_an_interval_of_no_resamples_is_refused():
    with pytest.raises(ValueError, match="resamples is 0; wanted 2 or more"):
        correlations(np.arange(50.0), np.arange(50.0) ** 2, resamples=0)


def test_nothing_is_said_of_few_or_equal_galaxies():
    few, enough, same = (np.arange(9.0),) * 2, (np.arange(10.0),) * 2, (np.ones(50), np.arange(50.0))
    assert all(np.isnan(found.value) for pair in (few, same) for found in correlations(*pair).values())
    assert np.isfinite(correlations(*enough, resamples=5)["pearson"].value)
    assert why_none(*few) == "9 galaxies, too few for a correlation (10)"
    assert why_none(*same) == why_none(*same[::-1]) == "50 galaxies, all with one number"
    assert why_none(*enough) == ""


def test_risky_redshifts_missing_numbers_and_outliers_are_left_out_and_counted():
    table = catalogue(400, photoz_risk_best=np.full(400, 0.1))
    table["photoz_risk_best"][:30] = 0.6
    table["photoz_risk_best"][30:40] = -99
    table["photoz_best"][100:120] = -99
    table["flux_ratio_i"][200] = 30.0
    relation = relate(table, "flux_ratio_i", QUANTITY["redshift"], resamples=20)
    assert relation is not None
    missing, risky, far = relation.left_out.values()
    assert (missing, risky) == (20, 40)
    assert far >= 1
    assert len(relation.x) == 400 - missing - risky - far
    assert relation.y.max() < 1


@pytest.mark.parametrize("name", ["redshift", "z_best", "z"])
def test_risk_of_photometric_redshifts_cuts_no_galaxy_whose_redshift_may_be_spectroscopic(name):
    table = catalogue(400, photoz_risk_best=np.full(400, 0.9))
    table.rename_column("photoz_best", name)
    relation = relate(table, "flux_ratio_i", QUANTITY["redshift"], resamples=5)
    assert relation is not None
    assert list(relation.left_out) == ["a number is missing", "beyond 2 standard deviations"]
    assert len(relation.x) > 350
    assert remarks(table) == [
        f"photoz_risk_best cuts no galaxies: {name} may be spectroscopic; join a photometric redshift as photoz_best"
    ]
    table.rename_column(name, "PhotoZ_best")
    relation = relate(table, "flux_ratio_i", QUANTITY["redshift"], resamples=5)
    assert relation is not None
    assert relation.left_out["risk above 0.5 or not told"] == 400
    assert remarks(table) == []


def test_a_table_without_the_quantity_is_no_mistake_and_one_without_the_column_is():
    assert relate(catalogue(), "flux_ratio_i", QUANTITY["sfr"]) is None
    with pytest.raises(ValueError, match="flux_ratio_z"):
        relate(catalogue(), "flux_ratio_z", QUANTITY["redshift"])


def test_the_specific_rate_is_rate_over_mass_and_its_logarithm_leaves_out_what_has_none():
    table = catalogue(50, sfr=np.linspace(-1, 9, 50), stellar_mass=np.full(50, 2e10))
    specific = relate(table, "flux_ratio_i", QUANTITY["ssfr"], resamples=5)
    logarithm = relate(table, "flux_ratio_i", QUANTITY["log_ssfr"], resamples=5)
    assert specific is not None
    assert logarithm is not None
    np.testing.assert_allclose(np.sort(specific.x)[-1], 9 / 2e10, rtol=0.05)
    assert logarithm.left_out["a number is missing"] == int((np.asarray(table["sfr"]) <= 0).sum()) + 0
    assert logarithm.x.max() == pytest.approx(np.log10(9 / 2e10), abs=0.05)


def magnitudes(number: int = 400) -> np.ndarray:
    return np.random.default_rng(3).uniform(15, 22, number)


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        ({"z": magnitudes()}, "its median is 18"),
        ({"redshift": magnitudes()}, "its median is 18"),
        ({"z": magnitudes() / 100, "g": magnitudes(), "r": magnitudes()}, "beside g and r it is the z band"),
        ({"z": np.full(400, "near")}, "it does not hold a number a galaxy"),
        ({"z": np.zeros((400, 3))}, "it does not hold a number a galaxy"),
        ({"redshift": np.where(np.arange(400) % 10 == 0, -1.0, 0.2)}, "its range -1 to 0.2"),
    ],
)
def test_a_column_that_is_called_a_redshift_and_is_none_is_not_taken_for_one(beside, why):
    table = catalogue()
    table.remove_column("photoz_best")
    table = Table({**{name: table[name] for name in table.colnames}, **beside})
    assert relate(table, "flux_ratio_i", QUANTITY["redshift"], resamples=5) is None
    (said,) = remarks(table)
    assert said.startswith(f"{next(iter(beside))} is not taken for a redshift: ")
    assert why in said
    assert said.endswith("join a redshift as photoz_best")


def test_a_column_of_redshifts_is_found_beside_one_that_is_none():
    table = catalogue(redshift=magnitudes(), z=np.linspace(0, 0.3, 400), g=magnitudes())
    table.remove_column("photoz_best")
    relation = relate(table, "flux_ratio_i", QUANTITY["redshift"], resamples=5)
    assert relation is not None
    assert relation.made_of == ("z",)
    table["photoz_best"] = np.linspace(0, 0.3, 400)
    assert remarks(table) == []


def test_logarithms_of_masses_give_the_same_specific_rates_and_are_said():
    rate, mass = np.linspace(1, 9, 50), np.geomspace(1e9, 1e11, 50)
    linear, logarithms = (catalogue(50, sfr=rate, stellar_mass=masses) for masses in (mass, np.log10(mass)))
    one, other = (relate(table, "flux_ratio_i", QUANTITY["ssfr"], resamples=5) for table in (linear, logarithms))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(other.x, one.x)
    assert (one.made_of, other.made_of) == (("sfr", "stellar_mass"), ("sfr", "10^stellar_mass"))
    assert relations_table([other])["made_of"][0] == "sfr 10^stellar_mass"
    assert remarks(linear) == []
    assert remarks(logarithms) == ["stellar_mass is taken for the logarithm of a stellar mass: its median is 10"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (
            {"sfr": np.linspace(-2, 2, 50), "mass": np.full(50, 1e10)},
            "sfr is not taken for a star-formation rate: 50 %",
        ),
        ({"sfr": np.ones(50), "mass": np.full(50, 0.7)}, "mass is not taken for a stellar mass: its median, 0.7, is"),
    ],
)
def test_rates_and_masses_in_other_units_give_no_specific_rate(wrong, why):
    table = catalogue(50, **wrong)
    assert relate(table, "flux_ratio_i", QUANTITY["ssfr"], resamples=5) is None
    (said,) = remarks(table)
    assert said.startswith(why)


def test_clipping_is_done_once_about_the_mean():
    values = np.array([0.0] * 98 + [10.0, 100.0])
    among = np.ones(100, bool)
    kept = within_sigmas(values, among)
    assert not kept[-1]
    assert kept[-2]  # within two of the first, large, standard deviation; a second round would take it


def test_bins_hold_equally_many_galaxies_and_their_means_and_errors():
    x = np.random.default_rng(0).permutation(100).astype(float)
    y = 2 * x
    bins = binned_means(x, y, bins=10)
    assert bins.galaxies.tolist() == [10] * 10
    np.testing.assert_allclose(bins.mean, 2 * bins.x)
    np.testing.assert_allclose(bins.error, 2 * np.arange(10.0).std(ddof=1) / np.sqrt(10))
    assert bins.low[0] == 0
    assert bins.high[-1] == 99


def test_the_table_stands_beside_the_seeds_numbers():
    relation = relate(catalogue(), "flux_ratio_i", QUANTITY["redshift"], resamples=20)
    assert relation is not None
    table = relations_table([relation])
    assert table["coefficient"].tolist() == ["pearson", "kendall", "spearman"]
    assert table["seed"].tolist() == [0.092, 0.067, 0.098]
    assert table["value"][0] > 0.8
    assert len(relations_table([])) == 0


def test_the_cuts_of_several_bands_name_the_band_and_the_quantity():
    table = catalogue(20, flux_ratio_r=np.linspace(0.1, 0.3, 20))
    table["flux_ratio_r"][:3] = -99
    columns = ("flux_ratio_i", "flux_ratio_r")
    relations = [relate(table, column, QUANTITY["redshift"], resamples=5) for column in columns]
    cuts = relations_table([relation for relation in relations if relation is not None]).meta["cuts"]
    assert cuts[0] == "flux_ratio_i against redshift: 0 galaxies left out, a number is missing"
    assert "flux_ratio_r against redshift: 3 galaxies left out, a number is missing" in cuts


@pytest.mark.parametrize(
    ("column", "is_the_seeds"),
    [
        ("flux_ratio_gamma22", True),
        ("flux_ratio_error_i", False),
        ("flux_ratio_mask_error_i", False),
        ("arm_contrast_i", False),
        ("pitch_angle_deg", False),
    ],
)
def test_the_seeds_numbers_stand_only_beside_what_it_measured(column, is_the_seeds):
    table = catalogue()
    table.rename_column("flux_ratio_i", column)
    relation = relate(table, column, QUANTITY["redshift"], resamples=5)
    assert relation is not None
    assert np.isfinite(relations_table([relation])["seed"]).tolist() == [is_the_seeds] * 3
