"""What an archive answers over HTTP: its body while it comes, and the faults it may have, each with its own error."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests
import urllib3

from flaxgal.survey.login import Login

__all__ = [
    "CHUNK",
    "Answer",
    "BrokenError",
    "LoginError",
    "NotThereError",
    "Politeness",
    "RefusedError",
    "StoppedError",
    "check_answer",
    "in_words",
]

PASSES = {408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524}
"""HTTP states that another try may find gone."""
CHUNK = 2**18
HTML = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.I | re.S)
PASSWORD_FIELD = re.compile(rb"<input[^>]*type\s*=\s*[\"']?password", re.I)
PEEK = 2**14


class RefusedError(ValueError):
    """What came, or what was asked, is wrong in a way that asking again soon does not change."""


class NotThereError(RefusedError):
    """The archive has no such file, or nothing at this place of the sky."""


class BrokenError(OSError):
    """The question or its answer broke off on the way; another try may go through."""

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds
        """How long the archive asked to wait."""


class StoppedError(OSError):
    """Going on with anything else at this archive would be wrong or useless."""


class LoginError(StoppedError):
    """The archive asks for a login, or refuses the one it got."""


@dataclass(frozen=True, kw_only=True)
class Politeness:
    """How hard an archive is asked, and how long it is waited for."""

    connections: int = 4
    """Questions at one time."""
    tries: int = 6
    """Of one question, faults that pass included."""
    first_wait_seconds: float = 2.0
    """Before the second try, on average; it doubles from try to try."""
    longest_wait_seconds: float = 300.0
    """Between two tries, unless the archive asks for more."""
    longest_asked_seconds: float = 3600.0
    """An archive that asks for a longer wait (Retry-After) is left alone: the download ends."""
    connect_seconds: float = 20.0
    stall_seconds: float = 120.0
    """Without an answer, or with fewer than `slowest_bytes` of its body coming: the connection is given up."""
    slowest_bytes: int = 1024
    most_per_second: float = 0.0
    """Questions a second; 0: as many as come."""
    failures_in_a_row: int = 20
    """So many questions that failed in all their tries say that the archive is down."""

    def __post_init__(self) -> None:
        for name, least in (("connections", 1), ("tries", 1), ("failures_in_a_row", 1), ("stall_seconds", 0.05)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}; wanted {least} or more")

    def wait_before(self, number: int) -> float:
        """Seconds before the try of this number, the second having number 1: 2ⁿ with a random half, up to the cap."""
        full = min(self.longest_wait_seconds, self.first_wait_seconds * 2 ** (number - 1) * 4 / 3)
        return full * random.uniform(0.5, 1)


class Answer:
    """The body of an answer while it comes, read like a file; it ends where the archive said, or in `BrokenError`.

    Parameters
    ----------
    packed
        Leave the packing that the archive added for the way (Content-Encoding) on: a .gz file is wanted packed, and
        some archives declare it so.
    stop
        Reading ends in `StoppedError` as soon as this is set.
    most_bytes
        Reading more ends in `RefusedError`.
    """

    def __init__(
        self,
        response: requests.Response,
        *,
        host: str,
        politeness: Politeness,
        stop: threading.Event,
        packed: bool,
        most_bytes: int,
    ) -> None:
        self._response, self._host, self._politeness, self._stop = response, host, politeness, stop
        self._window_start, self._window_bytes = time.monotonic(), 0
        self.headers: Mapping[str, str] = response.headers
        self.size = 0
        """Bytes read so far."""
        self._unpack = not packed
        self._most_bytes = most_bytes
        self._ahead = b""

    def peek(self, number: int = PEEK) -> bytes:
        """The first bytes, which `read` gives again."""
        while len(self._ahead) < number and (more := self._read(number - len(self._ahead))):
            self._ahead += more
        return self._ahead

    def read(self, number: int = CHUNK) -> bytes:
        """Some of the next bytes, at most `number`; b"" at the end."""
        if self._ahead:
            given, self._ahead = self._ahead[:number], self._ahead[number:]
        else:
            given = self._read(number)
        self.size += len(given)
        if self.size > self._most_bytes:
            raise RefusedError(f"{self._host}: more than {self._most_bytes} bytes came; wanted no more")
        return given

    def _read(self, number: int) -> bytes:
        if self._stop.is_set():
            raise StoppedError(f"{self._host}: the download was stopped")
        try:
            data = self._response.raw.read1(number, decode_content=self._unpack) or b""
        except (urllib3.exceptions.HTTPError, OSError) as error:  # urllib3 lets some of the socket's errors through
            if self._stop.is_set():
                raise StoppedError(f"{self._host}: the download was stopped") from None
            raise BrokenError(in_words(error, self._politeness)) from None
        self._watch_pace(len(data))
        return data

    def _watch_pace(self, number: int) -> None:
        """A body that comes in drops never times out by itself."""
        self._window_bytes += number
        since = time.monotonic() - self._window_start
        if since < self._politeness.stall_seconds:
            return
        if number and self._window_bytes < self._politeness.slowest_bytes:
            raise BrokenError(f"only {self._window_bytes} bytes came in {since:.0f} s")
        self._window_start, self._window_bytes = time.monotonic(), 0


def check_answer(answer: Answer, response: requests.Response, *, host: str, login: Login | None) -> None:
    """Raise what fits when the archive answers with anything but a file."""
    _check_state(response, host, login)
    _check_no_page(answer, response, host, login)


def _check_state(response: requests.Response, host: str, login: Login | None) -> None:
    state = response.status_code
    if state == 200:
        return
    sent = login is not None and login.host == host
    if state in (401, 407) or (state == 403 and sent):
        raise _login_refused(host, login if sent else None, f"HTTP {state}")
    if state == 403:
        raise RefusedError(f"{host}: the archive does not give this out (HTTP 403); it may be private, or moved")
    if state in (404, 410):
        raise NotThereError(f"{host}: the archive has nothing there (HTTP {state})")
    if state in PASSES:
        raise BrokenError(f"the archive answered HTTP {state}", _retry_after(response.headers.get("Retry-After", "")))
    raise RefusedError(f"{host}: the archive answered HTTP {state}; wanted a file (HTTP 200)")


def _check_no_page(answer: Answer, response: requests.Response, host: str, login: Login | None) -> None:
    """An archive that wants a login, or is being mended, may send a page for people with HTTP 200."""
    says_html = "html" in response.headers.get("Content-Type", "").lower()
    if not says_html and not HTML.match(answer.peek(2**10)):
        return
    landed = urlsplit(response.url or "").hostname or host
    if PASSWORD_FIELD.search(answer.peek()):
        raise _login_refused(landed, login, "a page that asks for a password came instead of the file")
    raise BrokenError(f"a web page came from {landed} instead of a file")


def _login_refused(host: str, login: Login | None, what: str) -> LoginError:
    if login is None:
        return LoginError(f"{host}: the archive asks for a login ({what}); give one and run the command again")
    return LoginError(
        f"{host}: the login from {login.source} was not accepted ({what}); correct it there, and check that the "
        f"account may read this"
    )


def _retry_after(text: str) -> float:
    """Seconds from now that a Retry-After header asks for, in seconds or by a date (RFC 9110, 10.2.3); 0 without."""
    text = text.strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def in_words(error: Exception, politeness: Politeness) -> str:
    """What broke, in words: the libraries' own texts hold whole addresses."""
    text = f"{type(error).__name__} {error!r}"
    if "ConnectTimeout" in text:
        return f"no connection within {politeness.connect_seconds:g} s"
    if "Timeout" in text or isinstance(error, TimeoutError):
        return f"no answer within {politeness.stall_seconds:g} s"
    if "NameResolution" in text or "getaddrinfo" in text:
        return "its name is not known here; is the computer online?"
    if "Connection refused" in text:
        return "the connection was refused"
    if "IncompleteRead" in text or "incomplete" in text.lower():
        return "the answer was cut short"
    if isinstance(error, urllib3.exceptions.DecodeError):
        return "the answer was damaged on the way"
    return "the connection broke off"
