"""`flaxgal fetch …` as a user types it, against servers on loopback that speak the archives' protocols."""

import numpy as np
import pytest
from archives import archive
from astropy.table import Table
from hsc_services import Services
from PIL import Image

from flaxgal.cli import run
from flaxgal.labels.store import Store

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
