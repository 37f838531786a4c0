"""`flaxgal figures`: what a catalogue says as files, what it does not say in words."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from flaxgal import cli_gallery
from flaxgal.cli import run
from flaxgal.inputs import Files, Held, Stored
from flaxgal.survey.cutout import Cutout, read_cutout, write_cutout
from flaxgal.survey.prediction import Prediction, read_prediction, write_prediction


def catalogue(number: int = 60) -> Table:
    """Galaxies as `flaxgal measure --join` leaves them; every tenth has a flag that says its ratio means nothing."""
    random = np.random.default_rng(0)
    redshift = random.uniform(0.05, 0.3, number)
    table = Table(
        {
            "object_id": [f"g{k:02d}" for k in range(number)],
            "flux_ratio_i": (0.1 + 0.5 * redshift + random.normal(0, 0.01, number)).astype(np.float32),
            "flux_ratio_error_i": np.full(number, 0.01, np.float32),
            "flux_ratio_mask_error_i": np.full(number, 0.005, np.float32),
            "flux_ratio_gamma22": np.full(number, np.nan, np.float32),
            "flags": np.where(np.arange(number) % 10 == 0, 4, 0),
            "flag_names": ["mask_everything" if k % 10 == 0 else "" for k in range(number)],
            "centre_y": np.full(number, 15.5),
            "centre_x": np.full(number, 15.5),
            "axis_ratio": np.full(number, 0.9),
            "position_angle_deg": np.zeros(number),
            "petrosian_radius_pixels": np.full(number, 12.0),
            "photoz_best": redshift,
            "photoz_risk_best": np.full(number, 0.1),
        }
    )
    table["flux_ratio_i"][0] = 1.0
    return table


@pytest.fixture
def measured(tmp_path):
    """A catalogue with its arms, three of its cutouts, and predictions for two of them."""
    table = catalogue()
    table.write(tmp_path / "arms.ecsv", format="ascii.ecsv")
    arms = Table(
        {
            "object_id": ["g01", "g01"],
            "pitch_angle_deg": [15.0, 20.0],
            "chirality": ["Z", "Z"],
            "inner_radius_pixels": [3.0, 3.0],
            "outer_radius_pixels": [11.0, 10.0],
            "azimuth_deg": [0.0, 180.0],
        }
    )
    arms.write(tmp_path / "arms-arms.ecsv", format="ascii.ecsv")
    random = np.random.default_rng(1)
    for name in ("g01", "g02", "g03"):
        flux = random.normal(10, 1, (2, 32, 32)).astype(np.float32)
        cutout = Cutout(object_id=name, flux=flux, bands=("g", "i"), unit="nJy")
        write_cutout(cutout, tmp_path / "cutouts" / f"{name}.fits")
        if name != "g03":
            probability = np.zeros((1, 32, 32), np.float32)
            probability[0, 10:14, 8:20] = 0.9
            prediction = Prediction(
                object_id=name, survey="", probability=probability, classes=("arm",), threshold=0.5, run="a run"
            )
            write_prediction(prediction, tmp_path / "maps")
    return tmp_path


def page(folder) -> tuple[str, dict]:
    text = (folder / "gallery.html").read_text()
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return text, json.loads(found.group(1))


def test_a_catalogue_becomes_figures_numbers_and_a_page(measured, capsys):
    out = measured / "figures"
    arguments = ["figures", str(measured / "arms.ecsv"), "--out", str(out), "--resamples", "20"]
    assert run([*arguments, "--inputs", str(measured / "cutouts"), "--masks", str(measured / "maps")]) == 0
    said = capsys.readouterr()
    relations = Table.read(out / "relations.ecsv", format="ascii.ecsv")
    assert set(relations["quantity"]) == {"redshift"}
    assert relations["value"][0] > 0.9
    assert (out / "flux_ratio_i.png").stat().st_size > 1000
    assert (out / "flux_ratio_i-redshift.png").exists()
    assert "6 of 60 galaxies left out of the statistics" in said.out
    assert "the catalogue tells no log_sfr, log_ssfr, sfr, ssfr" in said.err
    assert "57 galaxies of the catalogue are not among the inputs" in said.err
    text, data = page(out)
    assert data["rows"] == 60
    assert data["arms"][:3] == [[], [1, 2], []]
    batch = re.search(r'id="thumbs-0">\n(.*?)</script>', text, re.DOTALL)
    assert batch is not None
    assert [line != "-" for line in batch.group(1).strip().split("\n")[:5]] == [False, True, True, True, False]


def test_the_seeds_coefficients_are_printed_beside_flux_ratios_and_no_other_column(measured, capsys):
    table = catalogue()
    table["pitch_angle_deg"] = np.linspace(10, 30, 60)
    table.write(measured / "arms.ecsv", format="ascii.ecsv", overwrite=True)
    arguments = ["figures", str(measured / "arms.ecsv"), "--out", str(measured / "f"), "--resamples", "5"]
    run([*arguments, "--columns", "flux_ratio_i", "pitch_angle_deg"])
    lines = [line for line in capsys.readouterr().out.splitlines() if " pearson " in line]
    assert [line.split()[-1] for line in lines] == ["0.092", "–"]


def test_a_correlation_of_too_few_galaxies_is_no_number_and_says_why(tmp_path, capsys):
    table = catalogue(10)  # of which one is flagged
    table["photoz_best"] = np.linspace(0.1, 0.2, 10)
    table.write(tmp_path / "arms.ecsv", format="ascii.ecsv")
    assert run(["figures", str(tmp_path / "arms.ecsv"), "--out", str(tmp_path / "f"), "--resamples", "5"]) == 0
    said = capsys.readouterr()
    assert "flux_ratio_i against redshift: 9 galaxies, too few for a correlation (10)\n" in said.err
    assert "nan" not in said.out
    assert "pearson" not in said.out
    found = Table.read(tmp_path / "f" / "relations.ecsv", format="ascii.ecsv")
    assert found["galaxies"].tolist() == [9, 9, 9]
    assert np.isnan(found["value"]).all()


def test_only_bands_ratios_are_drawn_and_not_their_errors(measured, capsys):
    run(["figures", str(measured / "arms.ecsv"), "--out", str(measured / "f"), "--resamples", "5"])
    assert sorted(path.name for path in (measured / "f").iterdir()) == [
        "flux_ratio_i-redshift.png",
        "flux_ratio_i.png",
        "relations.ecsv",
    ]


@pytest.mark.parametrize("band", ["HSC_I2", "F115W-clear", "g/r"])
def test_a_band_is_drawn_whatever_characters_its_name_has(tmp_path, band):
    table = catalogue()
    for name in ("flux_ratio", "flux_ratio_error", "flux_ratio_mask_error"):
        table.rename_column(f"{name}_i", f"{name}_{band}")
    table.write(tmp_path / "arms.ecsv", format="ascii.ecsv")
    assert run(["figures", str(tmp_path / "arms.ecsv"), "--out", str(tmp_path / "f"), "--resamples", "5"]) == 0
    file = band.replace("/", "-")
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [
        f"flux_ratio_{file}-redshift.png",
        f"flux_ratio_{file}.png",
        "relations.ecsv",
    ]


def test_of_more_galaxies_than_the_page_takes_evenly_many_are_shown(measured, capsys):
    arguments = ["figures", str(measured / "arms.ecsv"), "--out", str(measured / "f"), "--resamples", "5"]
    run([*arguments, "--inputs", str(measured / "cutouts"), "--masks", str(measured / "maps"), "--gallery", "7"])
    _, data = page(measured / "f")
    ids = next(column["values"] for column in data["columns"] if column["name"] == "object_id")
    assert ids == ["g00", "g09", "g18", "g27", "g36", "g45", "g54"]
    assert "shows 7 of 60" in capsys.readouterr().err


def test_files_that_are_from_an_earlier_call_are_named_and_no_others(measured, capsys):
    out = measured / "f"
    run(gallery_of(measured))
    capsys.readouterr()
    run(gallery_of(measured))
    assert "earlier call" not in capsys.readouterr().err
    for name in ("my.png", "flux_ratio.txt"):
        (out / name).write_text("a user's own")
    kept = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    table = catalogue()
    table.remove_columns(["photoz_best", "photoz_risk_best"])
    table.write(measured / "bare.ecsv", format="ascii.ecsv")
    assert run(["figures", str(measured / "bare.ecsv"), "--out", str(out), "--resamples", "5"]) == 0
    said = capsys.readouterr().err
    assert f"{out}: gallery.html, relations.ecsv, flux_ratio_i-redshift.png are from an earlier call; delete" in said
    for name in kept.keys() - {"flux_ratio_i.png"}:
        assert (out / name).stat().st_mtime_ns == kept[name]


def gallery_of(folder, *more: str) -> list[str]:
    arguments = ["figures", str(folder / "arms.ecsv"), "--out", str(folder / "f"), "--resamples", "5"]
    return [*arguments, "--inputs", str(folder / "cutouts"), "--masks", str(folder / "maps"), *more]


def test_how_many_galaxies_lack_an_outline_is_said_and_why_maps_and_images_cannot_be_read(measured, capsys):
    (measured / "maps" / "g02.arms.fits").write_bytes(b"no FITS")
    (measured / "cutouts" / "broken.fits").write_bytes(b"no FITS")
    assert run(gallery_of(measured)) == 0
    said = capsys.readouterr().err
    assert "2 without an outline of the arms on the page\n" in said
    assert "without an outline of the arms on the page: g03: no map of it in" in said
    assert "g02.arms.fits: found no prediction in it" in said
    assert "1 cannot be read\n" in said
    assert f"cannot be read: {measured / 'cutouts' / 'broken.fits'}: " in said


@pytest.mark.parametrize("threshold", [0.5, 0.95])
def test_a_page_of_other_masks_than_were_measured_says_so(measured, capsys, threshold):
    arguments = ["measure", str(measured / "cutouts"), "--masks", str(measured / "maps"), "--out"]
    assert run([*arguments, str(measured / "arms.ecsv"), "--workers", "1"]) == 0
    capsys.readouterr()
    assert run(gallery_of(measured)) == 0
    assert "arm pixels" not in capsys.readouterr().err
    for name in ("g01", "g02"):
        path = measured / "maps" / f"{name}.arms.fits"
        prediction = replace(read_prediction(path), threshold=threshold)
        if threshold == 0.5:
            prediction.probability[0, 10:14, 20] = 0.9
        write_prediction(prediction, measured / "maps")
    assert run(gallery_of(measured)) == 0
    here = 52 if threshold == 0.5 else 0
    sentence = f"2 galaxies, such as g01: the mask here has {here} arm pixels, the measured one 48; give --masks that"
    assert sentence in capsys.readouterr().err


def test_galaxies_without_an_outline_for_the_same_reason_are_one_sentence_and_of_many_reasons_a_few_are_said(
    measured, capsys, monkeypatch
):
    monkeypatch.setattr(cli_gallery, "_FEW", 1)
    (measured / "maps" / "g01.arms.fits").write_bytes(b"no FITS")
    (measured / "maps" / "g02.arms.fits").unlink()
    (measured / "cutouts" / "g01.fits").rename(measured / "cutouts" / "last.fits")
    run(gallery_of(measured))
    said = capsys.readouterr().err
    assert "without an outline of the arms on the page: 2 galaxies, such as g02: no map of it in" in said
    assert "found no prediction in it" not in said
    assert "without an outline of the arms on the page: … and for 1 more reasons" in said
    assert "3 without an outline of the arms on the page\n" in said


@pytest.mark.parametrize(
    ("file_of_g30", "damaged", "those_read"),
    [
        ("z.fits", False, ["g00.fits", "unlike.fits", "z.fits"]),
        ("z.fits", True, ["g00.fits", "unlike.fits", "z.fits"]),
        ("g02.fits", False, ["g00.fits", "unlike.fits", "g01.fits", "g02.fits"]),
    ],
)
def test_images_called_as_galaxies_that_are_not_on_the_page_are_read_last_and_only_if_one_is_missing(
    measured, monkeypatch, capsys, file_of_g30, damaged, those_read
):
    from flaxgal import inputs

    read = []

    def counted(paths, **more):
        read.append(paths[0].name)
        return read_cutout(paths, **more)

    monkeypatch.setattr(inputs, "read_cutout", counted)
    cutout = read_cutout(measured / "cutouts" / "g01.fits")
    for name, file in (("g00", "g00.fits"), ("unlike", "unlike.fits"), ("g30", file_of_g30)):
        write_cutout(replace(cutout, object_id=name), measured / "cutouts" / file)
    if damaged:
        (measured / "cutouts" / "g00.fits").write_bytes(b"no FITS")
    run(gallery_of(measured, "--gallery", "2"))  # g00 and g30
    assert read == those_read
    said = capsys.readouterr().err
    assert ("not among the inputs" in said) == damaged
    assert ("looking for them in" in said) == (file_of_g30 == "g02.fits")
    _, data = page(measured / "f")
    assert data["rows"] == 2


def test_other_galaxies_of_a_store_or_snapshot_are_never_read_for_their_ids_are_known(monkeypatch):
    named = [Files((Path("b.fits"),)), Files((Path("a.fits"),))]
    known = [Stored(Path("labels"), "b", ""), Held({"object_id": "b"}, "snapshot")]
    monkeypatch.setattr("flaxgal.inputs.sources_from", lambda inputs: [*known, *named])
    (unreadable,) = cli_gallery._seen([], {"a", "c"}, {"b"})
    assert unreadable.name == "a.fits"


def test_a_page_without_a_table_of_arms_says_that_it_shows_no_spirals(measured, capsys):
    run(gallery_of(measured))
    assert "fitted spirals" not in capsys.readouterr().err
    (measured / "arms-arms.ecsv").unlink()
    run(gallery_of(measured)[:-4])
    assert "fitted spirals" not in capsys.readouterr().err  # no page, of which they would be
    assert run(gallery_of(measured)) == 0
    said = capsys.readouterr().err
    assert "arms-arms.ecsv: no such file; without the table of arms, --arms, the page shows no fitted spirals" in said
    assert page(measured / "f")[1]["arms"][:3] == [[], [], []]


def test_the_page_shows_the_ratio_of_r_where_as_many_galaxies_have_it(measured):
    table = catalogue()
    for band in ("g", "r"):
        table[f"flux_ratio_{band}"] = table["flux_ratio_i"]
    table.write(measured / "arms.ecsv", format="ascii.ecsv", overwrite=True)
    run(gallery_of(measured))
    assert page(measured / "f")[1]["lines"][0][0][1] == "flux_ratio_r"


@pytest.mark.parametrize("name", ["photoz_best", "Z_best", "z"])
def test_the_page_shows_the_redshift_that_relations_are_of(measured, name):
    table = catalogue()
    table.rename_column("photoz_best", name)
    table["redshift"] = np.full(60, 18.0)  # which is none
    table.write(measured / "arms.ecsv", format="ascii.ecsv", overwrite=True)
    run(gallery_of(measured))
    assert page(measured / "f")[1]["lines"][0][1] == ["z", name, ""]


def test_the_page_shows_the_ratio_that_most_galaxies_have(measured):
    table = catalogue()
    table.add_column(np.where(np.arange(60) == 4, 0.3, math.nan).astype(np.float32), name="flux_ratio_g", index=1)
    table.write(measured / "mixed.ecsv", format="ascii.ecsv")
    arguments = ["figures", str(measured / "mixed.ecsv"), "--out", str(measured / "f"), "--resamples", "5"]
    run([*arguments, "--inputs", str(measured / "cutouts"), "--masks", str(measured / "maps")])
    _, data = page(measured / "f")
    assert data["lines"][0][0][1] == "flux_ratio_i"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--columns", "flux_ratio_z"], "no column flux_ratio_z"),
        (["--leave-out", "cut_by_edge", "cut_by_the_edge"], "--leave-out cut_by_the_edge: no such flag"),
        (["--columns", "flag_names", "photoz_best", "p"], "no numbers in flag_names, p; name columns of one number"),
        (["--resamples", "0"], "--resamples 0; give 2 or more"),
        (["--masks", "maps"], "needs both --inputs"),
        (["--labels", "latest"], "--labels says whose masks of a label store the gallery shows; give --masks"),
        (["--inputs", "cutouts", "--masks", "maps", "--gallery", "0"], "give 1 galaxy or more"),
        (["--inputs", "cutouts", "--masks", "nosuch"], "nosuch: no such folder; expected the one"),
        (["--inputs", "nosuch", "--masks", "maps"], "nosuch: no such file or folder; expected the cutouts"),
        (["--inputs", "cutouts", "--masks", "maps", "--arms", "nosuch.ecsv"], "nosuch.ecsv: no such file"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(measured, capsys, more, sentence):
    table = catalogue()
    table["p"] = np.zeros((60, 3))
    table.write(measured / "arms.ecsv", format="ascii.ecsv", overwrite=True)
    more = [str(measured / word) if word in ("maps", "cutouts", "nosuch", "nosuch.ecsv") else word for word in more]
    assert run(["figures", str(measured / "arms.ecsv"), "--out", str(measured / "f"), "--resamples", "5", *more]) == 2
    assert sentence in capsys.readouterr().err
    assert not (measured / "f").exists()


def without_arms(number: int) -> Table:
    """A catalogue in which the masks of the last galaxies, `number` of 60, are empty."""
    table = catalogue()
    table["flag_names"] = [*table["flag_names"][: 60 - number], *["no_arms picture"] * number]
    table["flux_ratio_i"][60 - number :] = 0.0
    return table


@pytest.mark.parametrize(
    ("more", "least", "said"),
    [
        ([], 0.1, "16 of 60 galaxies left out of the statistics: 5 mask_everything, 11 no_arms"),
        (["--leave-out", "mask_everything"], 0.0, "11 of 55 galaxies have no arms, and count with a ratio of 0"),
    ],
)
def test_galaxies_without_arms_are_left_out_or_counted_as_is_wanted_and_said(
    tmp_path, capsys, monkeypatch, more, least, said
):
    from flaxgal import figures
    from flaxgal.figures import catalogue as drawing

    without_arms(11).write(tmp_path / "arms.ecsv", format="ascii.ecsv")
    seen = {}

    def keep(draw):
        def drawn(what, *, notes, **more):
            seen[draw.__name__] = (what, notes)
            return draw(what, notes=notes, **more)

        return drawn

    for name in ("distribution", "relation_figure"):
        monkeypatch.setattr(drawing, name, keep(getattr(drawing, name)))
    monkeypatch.setattr(figures, "save", lambda figure, path: path)
    arguments = ["figures", str(tmp_path / "arms.ecsv"), "--out", str(tmp_path / "f"), "--resamples", "5"]
    assert run([*arguments, *more]) == 0
    assert said in capsys.readouterr().out
    assert seen["distribution"][0].min() == pytest.approx(least, abs=0.05)
    beside = ["11 without arms " + ("counted" if more else "left out")]
    assert [notes for _, notes in seen.values()] == [beside, beside]
    assert said in Table.read(tmp_path / "f" / "relations.ecsv", format="ascii.ecsv").meta["cuts"]


def test_a_table_without_flux_ratios_is_refused_and_leaves_no_folder(measured, capsys):
    assert run(["figures", str(measured / "arms-arms.ecsv"), "--out", str(measured / "f")]) == 2
    said = capsys.readouterr().err
    assert "found no flux ratio among object_id, pitch_angle_deg" in said
    assert "give the table of galaxies" in said
    assert not (measured / "f").exists()


def test_a_catalogue_of_pictures_without_ratios_still_has_its_page(tmp_path, measured, capsys):
    table = catalogue()
    table["flux_ratio_i"] = np.float32(math.nan)
    table.write(tmp_path / "pictures.ecsv", format="ascii.ecsv")
    arguments = ["figures", str(tmp_path / "pictures.ecsv"), "--out", str(tmp_path / "f")]
    assert run([*arguments, "--inputs", str(measured / "cutouts"), "--masks", str(measured / "maps")]) == 0
    assert "no galaxy has a number there; not drawn" in capsys.readouterr().err
    assert (tmp_path / "f" / "gallery.html").exists()


def test_of_a_catalogue_of_pictures_the_estimate_that_it_has_is_drawn(tmp_path, measured):
    table = catalogue()
    table["flux_ratio_gamma22"] = table["flux_ratio_i"]
    table.remove_columns(["flux_ratio_i", "flux_ratio_error_i", "flux_ratio_mask_error_i"])
    table.write(tmp_path / "pictures.ecsv", format="ascii.ecsv")
    arguments = ["figures", str(tmp_path / "pictures.ecsv"), "--out", str(tmp_path / "f"), "--resamples", "5"]
    assert run([*arguments, "--inputs", str(measured / "cutouts"), "--masks", str(measured / "maps")]) == 0
    assert (tmp_path / "f" / "flux_ratio_gamma22-redshift.png").exists()
    assert page(tmp_path / "f")[1]["lines"][0][0][:2] == ["arms / total (gamma22)", "flux_ratio_gamma22"]


def test_magnitudes_and_logarithms_are_told_from_redshifts_and_masses(tmp_path, capsys):
    table = catalogue()
    table.rename_column("photoz_best", "z")
    table["g"], table["r"], table["z"] = (np.linspace(faintest - 4, faintest, 60) for faintest in (22, 21, 20))
    table["sfr"], table["stellar_mass"] = np.linspace(0.5, 5, 60), np.linspace(9, 11, 60)
    table.write(tmp_path / "arms.ecsv", format="ascii.ecsv")
    assert run(["figures", str(tmp_path / "arms.ecsv"), "--out", str(tmp_path / "f"), "--resamples", "5"]) == 0
    said = capsys.readouterr().err
    assert "z is not taken for a redshift: beside g and r it is the z band" in said
    assert "stellar_mass is taken for the logarithm of a stellar mass: its median is 10" in said
    assert "the catalogue tells no redshift;" in said
    assert not (tmp_path / "f" / "flux_ratio_i-redshift.png").exists()
    assert (tmp_path / "f" / "flux_ratio_i-ssfr.png").exists()
