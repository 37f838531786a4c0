"""An archive on this computer that speaks real HTTP and has the faults that real ones have."""

import base64
import contextlib
import email.parser
import email.policy
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

LOGIN_PAGE = b"<!DOCTYPE html>\n<html><body><form><input name=u><input type='password' name=p></form></body></html>"
MENDING_PAGE = b"<html><head><title>We will be back soon</title></head><body>Maintenance.</body></html>"
FAULTS = ("500", "503", "429", "truncated", "cut chunks", "reset", "mending", "stall", "half stall", "garbage")
"""Every fault that passes; see `_Handler.faulty`."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What came to the archive."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    files: Mapping[str, bytes]
    number: int
    """How many questions came before."""

    @property
    def key(self) -> str:
        """What is asked for, the same in every try."""
        return f"{self.path} {sorted(self.params.items())} {sorted(self.files.items())}"


@dataclass(frozen=True, kw_only=True)
class Reply:
    body: bytes | Iterator[bytes] = b""
    state: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Archive:
    """What the tests know of the running archive."""

    answer: Callable[[Asked], Reply]
    fault: Callable[[Asked], str | None]
    login: tuple[str, str] | None
    retry_after: str
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    now: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def archive(
    answer: Callable[[Asked], Reply] | Mapping[str, bytes],
    *,
    fault: Callable[[Asked], str | None] = lambda asked: None,
    login: tuple[str, str] | None = None,
    retry_after: str = "",
    host: str = "127.0.0.1",
) -> Iterator[Archive]:
    """A server on a free port. `answer` is a function, or the content of each path; `fault` names one of `FAULTS`."""
    replies = answer if callable(answer) else lambda asked: _file(answer, asked.path)
    state = Archive(answer=replies, fault=fault, login=login, retry_after=retry_after)
    server = _Server((host, 0), type("Handler", (_Handler,), {"archive": state}))
    state.url = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def first_tries(faults: Mapping[int, str] | list[str]) -> Callable[[Asked], str | None]:
    """Faults of the first questions, whatever they ask for."""
    return lambda asked: dict(enumerate(faults) if isinstance(faults, list) else faults).get(asked.number)


def _file(files: Mapping[str, bytes], path: str) -> Reply:
    return Reply(body=files[path]) if path in files else Reply(state=404)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A client that leaves early is no error here."""


class _Handler(BaseHTTPRequestHandler):
    archive: Archive
    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = 2**16
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """The tests ask `Archive.asked`."""

    def do_GET(self):
        self.respond()

    def do_POST(self):
        self.respond()

    def respond(self):
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.archive.lock:
            asked = Asked(
                method=self.command,
                path=parts.path,
                params=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers=dict(self.headers),
                files=_form(self.headers.get("Content-Type", ""), body),
                number=len(self.archive.asked),
            )
            self.archive.asked.append(asked)
            self.archive.now += 1
            self.archive.most_at_once = max(self.archive.most_at_once, self.archive.now)
        try:
            if self.archive.login is not None and not self.logged_in():
                self.send(Reply(state=401, headers={"WWW-Authenticate": 'Basic realm="archive"'}))
            elif fault := self.archive.fault(asked):
                self.faulty(fault, self.archive.answer(asked))
            else:
                self.send(self.archive.answer(asked))
        finally:
            with self.archive.lock:
                self.archive.now -= 1

    def logged_in(self) -> bool:
        wanted = base64.b64encode(":".join(self.archive.login).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def send(self, reply: Reply, length: int | None = None):
        """The reply as it is, or announced with another length. A body that is an iterator comes in chunks."""
        self.send_response(reply.state)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        whole = isinstance(reply.body, bytes)
        if whole:
            self.send_header("Content-Length", str(len(reply.body) if length is None else length))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if whole:
            self.wfile.write(reply.body)
        else:
            for chunk in reply.body:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def faulty(self, fault: str, right: Reply):
        whole = right.body if isinstance(right.body, bytes) else b"".join(right.body)
        half = whole[: len(whole) // 2]
        if fault.isdigit():
            waiting = {"Retry-After": self.archive.retry_after} if self.archive.retry_after else {}
            self.send(Reply(state=int(fault), headers=waiting))
        elif fault == "truncated":
            self.send(Reply(body=half), length=len(whole))
            self.close_connection = True
        elif fault == "silently truncated":
            self.send(Reply(body=half))
        elif fault == "cut chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))
            self.close_connection = True
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close_connection = True
            self.connection.close()
        elif fault == "mending":
            self.send(Reply(body=MENDING_PAGE, headers={"Content-Type": "text/html"}))
        elif fault == "login page":
            self.send(Reply(body=LOGIN_PAGE))
        elif fault == "stall":
            self.archive.closing.wait(5)
            self.close_connection = True
        elif fault in ("half stall", "drip"):
            self.send(Reply(body=half), length=len(whole))
            for byte in whole[len(half) :] if fault == "drip" else b"":
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.archive.closing.wait(0.02):
                    break
            self.archive.closing.wait(5)
            self.close_connection = True
        elif fault == "garbage":
            self.send(Reply(body=b'{"error": "internal"}', headers={"Content-Type": "application/json"}))
        else:
            raise AssertionError(f"no such fault: {fault}")


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The files of a multipart form, by name."""
    if not content_type.startswith("multipart/form-data"):
        return {}
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in form.iter_parts()
    }
