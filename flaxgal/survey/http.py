"""One question to a survey's archive over HTTP, asked politely and until a whole answer is there.

`Client.ask` asks again after faults that pass (5xx, 429, a connection that breaks or stalls, a body that is cut short),
each time after a longer wait, and as late as the archive's `Retry-After` asks. It gives up at once on what will not
pass, and stops everything when a login is refused. Nothing that an archive or its login says is shown as it is.
"""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from flaxgal import __version__
from flaxgal.survey.answers import Answer, BrokenError, Politeness, RefusedError, StoppedError, check_answer, in_words
from flaxgal.survey.login import Login

__all__ = ["Ask", "Client"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A question: GET `url` with `params`, or POST when there are `files` to send as multipart."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    keep_packed: bool = False
    """Do not undo a packing that the archive declares (Content-Encoding): the file itself is wanted packed."""
    most_bytes: int = 2**32
    """A longer answer is refused."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{parts.hostname or 'the address'}: wanted a web address that starts with https://")
        if parts.username or parts.password:
            raise ValueError(
                f"{parts.hostname}: the address holds a login; leave it out and give it through the environment"
            )

    @property
    def host(self) -> str:
        """The archive's name."""
        return urlsplit(self.url).hostname or ""


class Client:
    """The owner of the connections to archives. Its methods may be called from several threads.

    Parameters
    ----------
    login
        Sent to the host that it is for and to no other, also when an archive redirects to one.
    """

    def __init__(self, politeness: Politeness | None = None, login: Login | None = None) -> None:
        self.politeness = politeness or Politeness()
        self.stopped = threading.Event()
        self._login = login
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._open: set[requests.Response] = set()
        self._sessions: list[requests.Session] = []
        self._not_before = 0.0
        self._why: StoppedError | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Give up every question, also those that wait or are being answered: their `ask` raises `StoppedError`."""
        self.stopped.set()
        with self._lock:
            for response in self._open:
                with contextlib.suppress(Exception):  # it may end by itself at this moment
                    response.raw.shutdown()
            for session in self._sessions:
                session.close()

    def ask(self, ask: Ask | Callable[[], Ask], take: Callable[[Answer], T]) -> T:
        """What `take` makes of the answer; when the answer breaks off, both are called again.

        Parameters
        ----------
        ask
            The question, or a function that gives the question of each try.
        take
            Reads the answer. Its ValueError says that the content is wrong, be it damaged on the way or mixed up by an
            archive in trouble: it is asked for again, too, and raised after the last try.

        Raises
        ------
        RefusedError
            The archive does not understand the question; `NotThereError`: it has no such file.
        BrokenError
            After the last try.
        LoginError, StoppedError
            Nothing more should be asked.
        """
        for number in range(1, self.politeness.tries + 1):
            question = ask() if callable(ask) else ask
            try:
                self._wait_for_turn(question.host)
                with self._asked(question) as answer:
                    return take(answer)
            except BrokenError as error:
                asked_for = error.wait_seconds
                if asked_for > self.politeness.longest_asked_seconds:
                    raise self._ended(_asked_to_wait(question.host, asked_for)) from None
                if number == self.politeness.tries:
                    tries = f"{number} times" if number > 1 else "once"
                    raise BrokenError(f"{question.host}: {error} (asked {tries}); try again later") from None
                if asked_for:
                    self._hold(asked_for)  # the archive means everybody
                self._sleep(max(asked_for, self.politeness.wait_before(number)), question.host)
            except RefusedError:
                raise
            except StoppedError as error:
                raise self._ended(error) from None
            except ValueError:
                if number == self.politeness.tries:
                    raise
                self._sleep(self.politeness.wait_before(1), question.host)
        raise AssertionError("unreachable: the last try returns or raises")

    def _ended(self, error: StoppedError) -> StoppedError:
        """Stop all threads at the first fault that ends everything; each of them tells that one."""
        with self._lock:
            self._why = self._why or error
        self.stop()
        return type(self._why)(*self._why.args)

    @contextlib.contextmanager
    def _asked(self, ask: Ask) -> Iterator[Answer]:
        response = self._send(ask)
        with self._lock:
            self._open.add(response)
        try:
            answer = Answer(
                response,
                host=ask.host,
                politeness=self.politeness,
                stop=self.stopped,
                packed=ask.keep_packed,
                most_bytes=ask.most_bytes,
            )
            check_answer(answer, response, host=ask.host, login=self._login)
            yield answer
        finally:
            with self._lock:
                self._open.discard(response)
            response.close()

    def _send(self, ask: Ask) -> requests.Response:
        login = self._login if self._login is not None and self._login.host == ask.host else None
        if login is not None and not _safe_for_passwords(ask.url):
            raise StoppedError(f"{ask.host}: over http:// a password can be read on the way; wanted https://")
        files = {name: (f"{name}.txt", content, "text/plain") for name, content in ask.files.items()}
        try:
            return self._session().request(
                "POST" if files else "GET",
                ask.url,
                params=dict(ask.params),
                files=files or None,
                auth=_Only(login),
                stream=True,
                timeout=(self.politeness.connect_seconds, self.politeness.stall_seconds),
            )
        except requests.exceptions.TooManyRedirects:
            raise RefusedError(f"{ask.host}: the archive sends from one address to the next without end") from None
        except requests.exceptions.SSLError:
            raise RefusedError(
                f"{ask.host}: its certificate is not trusted here, so nothing was asked; check the address and this "
                f"computer's clock and certificates"
            ) from None
        except requests.exceptions.ProxyError:
            raise BrokenError("the proxy that the environment names (HTTPS_PROXY) does not let it through") from None
        except requests.RequestException as error:
            raise BrokenError(in_words(error, self.politeness)) from None

    def _session(self) -> requests.Session:
        """A session of the calling thread's own: they are not made for sharing."""
        if not hasattr(self._mine, "session"):
            session = _Session()
            session.headers["User-Agent"] = f"flaxgal/{__version__} {session.headers['User-Agent']}"
            session.headers["Accept-Encoding"] = "identity"  # files arrive as they lie in the archive
            self._mine.session = session
            with self._lock:
                self._sessions.append(session)
        return self._mine.session

    def _hold(self, seconds: float) -> None:
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait_for_turn(self, host: str) -> None:
        while True:
            with self._lock:
                wait = self._not_before - time.monotonic()
                if wait <= 0:
                    if self.politeness.most_per_second > 0:
                        self._not_before = time.monotonic() + 1 / self.politeness.most_per_second
                    break
            self._sleep(wait, host)
        self._sleep(0.0, host)

    def _sleep(self, seconds: float, host: str) -> None:
        if self.stopped.wait(max(seconds, 0)):
            raise self._ended(StoppedError(f"{host}: the download was stopped"))


class _Session(requests.Session):
    """A session that takes a login along to no other host, whatever the user's .netrc knows of that one."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        if self.should_strip_auth(response.request.url or "", prepared_request.url or ""):
            prepared_request.headers.pop("Authorization", None)


class _Only(AuthBase):
    """One login or none: left alone, requests looks into .netrc, where a `default` entry goes to any host."""

    def __init__(self, login: Login | None) -> None:
        self._login = login

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._login is not None:
            pair = f"{self._login.user}:{self._login.password}".encode()
            r.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return r


def _asked_to_wait(host: str, seconds: float) -> StoppedError:
    return StoppedError(
        f"{host}: the archive asks to wait {seconds / 3600:.1f} h; run the command again after that, what came is kept"
    )


def _safe_for_passwords(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")
