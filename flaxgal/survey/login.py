"""Names and passwords for archives: from the environment, the user's .netrc or the system's keyring; never shown."""

from __future__ import annotations

import importlib
import netrc
import os
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Login", "find_login"]


@dataclass(frozen=True, kw_only=True)
class Login:
    """An account at one archive. Printing it shows neither its name nor its password."""

    host: str
    """The only host that it is sent to."""
    user: str = field(repr=False)
    password: str = field(repr=False)
    source: str = "the caller"
    """Where it came from, in words."""

    def __post_init__(self) -> None:
        if not self.user or not self.password:
            raise ValueError(f"{self.host}: a login without a name or a password from {self.source}; give both")
        if ":" in self.user:
            raise ValueError(f"{self.host}: the user name from {self.source} holds a colon, which HTTP cannot send")


def find_login(host: str, variables: str) -> Login | None:
    """The user's account at an archive, from the first place that has one; None where no place has.

    1. the environment: `variables`_USER and `variables`_PASSWORD (such as FLAXGAL_HSC_USER);
    2. the entry `machine HOST` of ~/.netrc, or of the file that NETRC names;
    3. the keyring, where the package `keyring` is installed: service HOST.

    Raises
    ------
    ValueError
        If the environment has half of it, or the .netrc cannot be read.
    """
    return _from_environment(host, variables) or _from_netrc(host) or _from_keyring(host, variables)


def _from_environment(host: str, variables: str) -> Login | None:
    names = f"{variables}_USER", f"{variables}_PASSWORD"
    user, password = (os.environ.get(name, "") for name in names)
    if bool(user) == bool(password):
        return Login(host=host, user=user, password=password, source=" and ".join(names)) if user else None
    missing = names[1] if user else names[0]
    other = names[0] if user else names[1]
    raise ValueError(f"{other} is set and {missing} is not; set both, or neither to use ~/.netrc or the keyring")


def _from_netrc(host: str) -> Login | None:
    path = Path(os.environ.get("NETRC", "") or Path.home() / ".netrc")
    if not path.is_file():
        return None
    try:
        entry = netrc.netrc(path).hosts.get(host)  # not its `default`, which is for every host
    except netrc.NetrcParseError as error:
        where = f" in line {error.lineno}" if error.lineno else ""
        raise ValueError(f"{path}: cannot be read as a .netrc{where}; correct it, and let only you read it") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); let yourself read it, or remove it") from None
    if entry is None or not entry[0] or not entry[2]:
        return None
    return Login(host=host, user=entry[0], password=entry[2], source=f"{path.name}'s entry for it")


def _from_keyring(host: str, variables: str) -> Login | None:
    try:
        keyring = importlib.import_module("keyring")  # the user's choice: flaxgal does without
    except ImportError:
        return None
    try:
        found = keyring.get_credential(host, os.environ.get(f"{variables}_USER") or None)
    except Exception:  # a locked or missing keyring raises whatever its backend raises; then there is no login here
        return None
    if found is None or not found.username or not found.password:
        return None
    return Login(host=host, user=found.username, password=found.password, source="the keyring")
