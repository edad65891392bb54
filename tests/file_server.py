"""A web server on the loopback that serves files well or as badly as a test asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class File:
    """One address. `cuts`: after how many body bytes the nth GET breaks off; afterwards none does."""

    content: bytes = b""
    etag: str | None = '"v1"'
    modified: str | None = None
    ranges: bool = True
    obeys_if_range: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """Of the next answers; afterwards 200."""
    location: str | None = None
    declares: int | None = None
    """Content-Length, if not the content's."""
    sized: bool = True
    chunked: bool = False
    encoding: str | None = None
    kind: str = "application/octet-stream"
    shifted: int = 0
    """By how much a range answer begins elsewhere than asked."""
    most: int | None = None
    """Bytes that a range answer holds at most."""
    head: int | None = None
    """Status of HEAD, if another."""


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    range: str | None
    if_range: str | None


@dataclass
class Server:
    """`files` may change at any time; `asked` is what was requested so far."""

    url: str
    files: dict[str, File]
    asked: list[Asked]

    def gets(self, path: str) -> list[str | None]:
        """The Range of each GET for a path."""
        return [one.range for one in self.asked if one.method == "GET" and one.path == path]


@contextmanager
def serving() -> Iterator[Server]:
    files: dict[str, File] = {}
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def end_headers(self) -> None:
            self.send_header("Connection", "close")
            super().end_headers()

        def do_HEAD(self) -> None:
            self._serve(body=False)

        def do_GET(self) -> None:
            self._serve(body=True)

        def _serve(self, *, body: bool) -> None:
            self.close_connection = True
            with suppress(ConnectionError):
                # Whoever asked may have gone.
                self._answer(body=body)

        def _answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            asked.append(Asked(self.command, path, self.headers["Range"], self.headers["If-Range"]))
            file = files.get(path)
            if file is None or (not body and file.head):
                self._status(file.head if file and file.head else 404)
                return
            if body and file.statuses and (status := file.statuses.pop(0)) != 200:
                self._status(status)
                return
            if file.location is not None:
                self.send_response(302)
                self.send_header("Location", file.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._content(file, body=body)

        def _content(self, file: File, *, body: bool) -> None:
            begin = int(self.headers["Range"][6:-1]) if self.headers["Range"] and file.ranges else 0
            if begin and file.obeys_if_range and self.headers["If-Range"] not in (None, file.etag, file.modified):
                begin = 0
            if begin >= len(file.content) > 0:
                self._status(416)
                return
            first = begin + file.shifted if begin else 0
            rest = file.content[first:][: file.most if begin else None]
            self.send_response(206 if begin else 200)
            if begin:
                total = len(file.content) if file.declares is None else file.declares
                self.send_header("Content-Range", f"bytes {first}-{first + len(rest) - 1}/{total}")
            if file.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif file.sized:
                declared = len(rest) if file.declares is None else file.declares - begin
                self.send_header("Content-Length", str(declared))
            for name, value in (
                ("Content-Type", file.kind),
                ("ETag", file.etag),
                ("Last-Modified", file.modified),
                ("Content-Encoding", file.encoding),
            ):
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            if not body:
                return
            cut = file.cuts.pop(0) if file.cuts else None
            sent = rest[:cut]
            if file.chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent) if sent else b"")
                self.wfile.write(b"0\r\n\r\n" if cut is None else b"")
            else:
                self.wfile.write(sent)

        def _status(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_address[1]}", files, asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
