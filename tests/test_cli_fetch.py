"""`flaxgal fetch …` as a user types it, against servers on loopback that speak the archives' protocols."""

import io

import numpy as np
import pytest
from archives import Reply, archive
from astropy.io.votable import from_table, writeto
from astropy.table import Table
from galaxies import morphologies_in
from gz3d_files import gz3d_bytes, square
from hsc_services import Services
from PIL import Image
from sdss_files import frame_bytes

from flaxgal import cli_fetch
from flaxgal.cli import run
from flaxgal.labels.store import Store
from flaxgal.survey.answers import StoppedError
from flaxgal.survey.download import Failed, Fetched, Kept, Standing
from flaxgal.survey.sdss import Field

ACCOUNT = ("astronomer@local", "secret word")


@pytest.fixture
def catalogue(tmp_path):
    """Three galaxies with 64-bit ids, as FITS."""
    rows = {
        "object_id": np.array([40158992189641001, 40158992189641002, 40158992189641003]),
        "ra": [150.01, 150.02, 150.03],
        "dec": [-1.0, -0.99, -0.98],
    }
    path = tmp_path / "spirals.fits"
    Table(rows).write(path)
    return path


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setenv("FLAXGAL_HSC_USER", ACCOUNT[0])
    monkeypatch.setenv("FLAXGAL_HSC_PASSWORD", ACCOUNT[1])


def hsc(server, catalogue, store):
    options = ["--bands", "g", "r", "--size-arcsec", "5", "--address", server.url]
    return run(["fetch", "hsc", str(catalogue), "--store", str(store), *options])


def test_a_catalogue_is_fetched_from_hsc_and_asked_for_once(catalogue, account, tmp_path, capsys):
    with archive(Services(), login=ACCOUNT) as server:
        assert hsc(server, catalogue, tmp_path / "labels") == 0
        assert "3 galaxies fetched" in capsys.readouterr().out
        asked = len(server.asked)
        assert hsc(server, catalogue, tmp_path / "labels") == 0
        assert "0 galaxies fetched" in capsys.readouterr().out
        assert len(server.asked) == asked
    galaxies = Store.open(tmp_path / "labels").galaxies()
    assert list(galaxies) == ["40158992189641001", "40158992189641002", "40158992189641003"]


def test_without_an_account_one_sentence_says_how_to_give_one(catalogue, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.netrc
    monkeypatch.delenv("FLAXGAL_HSC_USER", raising=False)
    with archive(Services(), login=ACCOUNT) as server:
        assert hsc(server, catalogue, tmp_path / "labels") == 2
    said = capsys.readouterr().err
    assert "FLAXGAL_HSC_USER" in said
    assert len(said.strip().splitlines()) == 1


def test_a_wrong_password_is_told_without_showing_it(catalogue, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FLAXGAL_HSC_USER", ACCOUNT[0])
    monkeypatch.setenv("FLAXGAL_HSC_PASSWORD", "not the word")
    with archive(Services(), login=ACCOUNT) as server:
        assert hsc(server, catalogue, tmp_path / "labels") == 2
    said = capsys.readouterr()
    assert "not the word" not in said.out + said.err
    assert ACCOUNT[0] not in said.out + said.err


def test_a_folder_of_images_and_masks_becomes_a_store(tmp_path, capsys):
    for name in ("images", "masks"):
        (tmp_path / "seed" / name).mkdir(parents=True)
        for k in range(3):
            pixels = np.random.default_rng(k).integers(0, 200, (32, 32)).astype(np.uint8)
            Image.fromarray(pixels if name == "images" else 255 * (pixels > 150).astype(np.uint8)).save(
                tmp_path / "seed" / name / f"g{k}.png"
            )
    command = ["fetch", "folder", str(tmp_path / "seed"), "--store", str(tmp_path / "labels"), "--annotator", "roe"]
    assert run(command) == 0
    assert "3 galaxies" in capsys.readouterr().out
    assert run(command) == 0
    assert "3 there already" in capsys.readouterr().out
    assert run([*command[:2], str(tmp_path / "nothing"), *command[3:]]) == 2


def test_text_tables_with_classes_become_a_store_and_a_table_that_is_named(tmp_path, capsys):
    (tmp_path / "seed").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (6, 50 * 50))
    np.savetxt(tmp_path / "seed" / "nam_images_train.dat", pixels, fmt="%d")
    np.savetxt(tmp_path / "seed" / "nam_labels_train.dat", np.arange(6) % 3 + 1, fmt="%d")
    assert run(["fetch", "folder", str(tmp_path / "seed"), "--store", str(tmp_path / "labels")]) == 0
    table = f"{tmp_path / 'labels'}-morphology.ecsv"
    assert f"classes of 6 galaxies: {table}, for flaxgal build --morphology" in capsys.readouterr().err
    build = ["build", str(tmp_path / "labels"), "--out", str(tmp_path / "sets"), "--morphology", table]
    assert run(build) == 0
    assert "| morphology | E | S0 | Sp | not known |" in capsys.readouterr().err


def gz3d_archive(numbers):
    """A folder of Galaxy Zoo: 3D's archive with galaxies on which one person drew an arm."""
    names = [f"1-{number}_19_1470{number}" for number in numbers]
    table = Table(
        {
            "MANGAID": [f"1-{number}" for number in numbers],
            "ra": [10.0 + number / 100 for number in numbers],
            "dec": [-1.0 for _ in numbers],
            "GZ_total_classifications": np.full(len(numbers), 40, np.int16),
            "GZ_spiral_votes": np.full(len(numbers), 30, np.int16),
            "GZ_bar_votes": np.full(len(numbers), 5, np.int16),
            "file_name": [f"{name}.fits  " for name in names],
        }
    )
    file = io.BytesIO()
    table.write(file, format="fits")
    return {"/gz3d_metadata.fits": file.getvalue()} | {
        f"/gz3d_{name}.fits.gz": gz3d_bytes(
            {1: [square(40, 50, 30)]}, ra=10.0 + number / 100, dec=-1.0, manga_id=f"1-{number}"
        )
        for name, number in zip(names, numbers, strict=True)
    }


def test_galaxy_zoo_3d_is_fetched_with_its_votes_and_asked_for_once(tmp_path, capsys):
    with archive(gz3d_archive([1001, 1002])) as server:
        command = ["fetch", "gz3d", "--store", str(tmp_path / "labels"), "--address", server.url]
        assert run(command) == 0
        assert "2 galaxies fetched" in capsys.readouterr().out
        asked = len(server.asked)
        assert run(command) == 0
        assert "0 galaxies fetched" in capsys.readouterr().out
        assert len(server.asked) == asked
    store = Store.open(tmp_path / "labels")
    assert [len(store.history(name)) for name in store.galaxies()] == [1, 1]


def sdss_services(asked):
    """Catalogue, fields and frames of two galaxies in one field."""
    places = {"elliptical": (150.0, 2.0, -5), "spiral": (150.003, 2.001, 4)}
    if asked.path == "/catalogue":
        ra, dec, types = zip(*places.values(), strict=True)
        table = Table({"SDSS": list(places), "_RAJ2000": ra, "_DEJ2000": dec, "TT": np.array(types, np.int16)})
        file = io.BytesIO()
        writeto(from_table(table), file)
        return Reply(body=file.getvalue())
    if asked.path == "/fields":
        rows = [f"1237653651835781245,{ra},{dec},3704,301,3,91" for ra, dec, _ in places.values()]
        return Reply(body="\n".join(["objID,ra,dec,run,rerun,camcol,field", *rows, ""]).encode())
    band = asked.path.partition("frame-")[2][:1]
    lights = [(ra, dec, 40.0) for ra, dec, _ in places.values()]
    return Reply(body=frame_bytes(band, lights, field=Field(run=3704, camcol=3, field=91)))


def nair_abraham(server, store, *more):
    where = ["--address", server.url, "--fields-address", f"{server.url}/fields"]
    where += ["--catalogue-address", f"{server.url}/catalogue", "--size-arcsec", "16", "--bands", "g", "r"]
    return run(["fetch", "nair-abraham", *more, "--store", str(store), *where])


def test_nair_and_abrahams_classes_of_two_runs_stand_in_one_table(tmp_path, capsys):
    with archive(sdss_services) as server:
        assert nair_abraham(server, tmp_path / "labels", "--classes", "Sp") == 0
        assert "1 galaxies fetched" in capsys.readouterr().out
        assert nair_abraham(server, tmp_path / "labels", "--classes", "E") == 0
    assert morphologies_in(tmp_path / "labels-morphology.ecsv") == {"spiral": "Sp", "elliptical": "E"}
    assert set(Store.open(tmp_path / "labels").galaxies()) == {"spiral", "elliptical"}


@pytest.mark.parametrize("content", [None, "my notes\n"])
def test_a_catalogue_that_is_none_leaves_no_store(tmp_path, capsys, account, content):
    if content is not None:
        (tmp_path / "typo.csv").write_text(content)
    with archive({}) as server:
        assert nair_abraham(server, tmp_path / "labels", str(tmp_path / "typo.csv")) == 2
        assert hsc(server, tmp_path / "typo.csv", tmp_path / "labels") == 2
    assert "typo.csv: " in capsys.readouterr().err
    assert not (tmp_path / "labels").exists()


def events_of(*kinds, total=10):
    """Events as a fetch gives them, a second and a megabyte each."""
    counts = {"fetched": 0, "kept": 0, "failed": 0}
    for kind in kinds:
        counts[kind] += 1
        number = sum(counts.values())
        at = Standing(**counts, total=total, seconds=float(number), size_bytes=number * 10**6)
        yield {
            "fetched": Fetched(download="a", size_bytes=10**6, standing=at),
            "kept": Kept(download="a", standing=at),
            "failed": Failed(download="a", reason=f"galaxy {number}: why", standing=at),
        }[kind]


def test_what_did_not_come_is_counted_and_the_next_step_is_said(tmp_path, capsys):
    assert cli_fetch._follow(events_of("fetched", "failed", "failed", total=3), tmp_path) == 0
    assert capsys.readouterr().err.splitlines()[-1] == (
        "2 of 3 galaxies are missing; the same command asks for them again"
    )
    assert cli_fetch._follow(events_of("failed", total=1), tmp_path) == 1
    assert "1 of 1 galaxies are missing" in capsys.readouterr().err
    assert cli_fetch._follow(events_of("fetched", total=1), tmp_path) == 0
    assert "missing" not in capsys.readouterr().err


def test_what_came_before_an_archive_went_down_is_said(tmp_path, capsys):
    def dying():
        yield from events_of("fetched", "failed", total=5)
        raise StoppedError("the archive is down")

    with pytest.raises(StoppedError):
        cli_fetch._follow(dying(), tmp_path)
    said = capsys.readouterr()
    assert "1 galaxies fetched into" in said.out
    assert "left out: galaxy 2: why" in said.err
    assert said.err.splitlines()[-1] == "4 of 5 galaxies are missing; the same command asks for them again"


def test_in_a_pipe_a_line_now_and_then_says_how_far_a_fetch_is(tmp_path, capsys, monkeypatch):
    assert cli_fetch._follow(events_of("fetched", "fetched"), tmp_path) == 0
    assert "galaxies 1/10" not in capsys.readouterr().err
    monkeypatch.setattr(cli_fetch, "SECONDS_A_LINE", 0.0)
    assert cli_fetch._follow(events_of("fetched", "fetched"), tmp_path) == 0
    said = capsys.readouterr().err.splitlines()
    assert "galaxies 1/10, 1.0 MB/s, 0:00:09 left" in said
    assert "galaxies 2/10, 1.0 MB/s, 0:00:08 left" in said


def test_the_help_offers_no_kind_of_image_that_is_refused(capsys):
    with pytest.raises(SystemExit):
        run(["fetch", "hsc", "--help"])
    said = capsys.readouterr().out
    assert "coadd/bg" in said
    assert "warp" not in said
