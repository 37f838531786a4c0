"""Accounts: found where users keep them, shown nowhere."""

import importlib
import types

import pytest

from flaxgal.survey.login import Login, find_login

HOST = "archive.invalid"


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """A user without accounts."""
    for name in ("FLAXGAL_X_USER", "FLAXGAL_X_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(importlib, "import_module", no_keyring)


def no_keyring(name):
    raise ImportError(name)


def test_without_any_there_is_none():
    assert find_login(HOST, "FLAXGAL_X") is None


def test_the_environment_comes_first_then_netrc_then_the_keyring(monkeypatch, tmp_path):
    found = types.SimpleNamespace(username="k", password="k1")
    keyring = types.SimpleNamespace(get_credential=lambda host, user: found if host == HOST else None)
    monkeypatch.setattr(importlib, "import_module", lambda name: keyring)
    login = find_login(HOST, "FLAXGAL_X")
    assert (login.user, login.password, login.source) == ("k", "k1", "the keyring")
    (tmp_path / "netrc").write_text(f"machine {HOST} login n password n1\n")
    login = find_login(HOST, "FLAXGAL_X")
    assert (login.user, login.password, login.source) == ("n", "n1", "netrc's entry for it")
    monkeypatch.setenv("FLAXGAL_X_USER", "e")
    monkeypatch.setenv("FLAXGAL_X_PASSWORD", "e1")
    login = find_login(HOST, "FLAXGAL_X")
    assert (login.user, login.password) == ("e", "e1")
    assert login.source == "FLAXGAL_X_USER and FLAXGAL_X_PASSWORD"


def test_a_default_entry_of_netrc_is_for_other_programs(tmp_path):
    (tmp_path / "netrc").write_text("machine other.invalid login n password n1\ndefault login d password d1\n")
    assert find_login(HOST, "FLAXGAL_X") is None


def test_half_a_login_is_refused(monkeypatch):
    monkeypatch.setenv("FLAXGAL_X_PASSWORD", "secret")
    with pytest.raises(ValueError, match="FLAXGAL_X_PASSWORD is set and FLAXGAL_X_USER is not; set both") as caught:
        find_login(HOST, "FLAXGAL_X")
    assert "secret" not in str(caught.value)


def test_a_netrc_that_cannot_be_read_is_told_without_its_content(tmp_path):
    (tmp_path / "netrc").write_text(f"machine {HOST} login n password\nsecret word\n")
    with pytest.raises(ValueError, match=r"netrc: cannot be read as a \.netrc") as caught:
        find_login(HOST, "FLAXGAL_X")
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.__cause__)


def test_a_keyring_that_is_locked_has_no_login(monkeypatch):
    def locked(host, user):
        raise RuntimeError("locked")

    monkeypatch.setattr(importlib, "import_module", lambda name: types.SimpleNamespace(get_credential=locked))
    assert find_login(HOST, "FLAXGAL_X") is None


def test_an_account_is_shown_nowhere():
    login = Login(host=HOST, user="astronomer", password="secret")
    assert "astronomer" not in f"{login} {login!r}"
    assert "secret" not in f"{login} {login!r}"
    for broken in ({"user": "", "password": "secret"}, {"user": "a:b", "password": "secret"}):
        with pytest.raises(ValueError, match=HOST) as caught:
            Login(host=HOST, **broken)
        assert "secret" not in str(caught.value)
