"""A download that survives being broken off: what came lies beside as `.part`, and the next try asks for the rest.

HTTP's own means are used (RFC 9110, Range and If-Range): the rest is asked for only of the very version that the
first part came from, by its ETag or date. Without either the file is fetched from its start.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from parity.errors import ParityError
from parity.models.fetch.http import GOES_ON, Answer, Interrupted, opened

Watch = Callable[[str, int, int | None], None]
"""Told of progress: what, bytes so far, bytes in all if known."""

CHUNK = 1 << 20
TRIES = 4
"""In a row without a mebibyte gained; as long as more comes, a weak line is no reason to give up."""
pause_s = 0.5
SPARE = 64 << 20
"""Bytes left free on the disk."""
_MAX_STATE = 1 << 14


@dataclass(frozen=True)
class _State:
    """Where a part came from; enough to ask for the rest of the same file."""

    url: str
    validator: str
    total: int | None


@dataclass(frozen=True)
class Resumable:
    """A downloader for pooch: called with (url, output_file, pooch), it leaves the whole file at `output_file`.

    `part` is where the bytes gather; it outlives a failure. `limit` bounds the file's size in bytes. `provable` says
    that the file itself or a known checksum tells later if its end is missing.
    """

    part: Path
    limit: int
    watch: Watch
    name: str
    provable: bool

    def __call__(self, url: str, output_file: str | Path, pooch: object = None) -> None:
        """Fetch `url`, from where an earlier try left it.

        Raises:
            ParityError: refused by the server, larger than the limit or the room on the disk, or broken off again and
                again; then what came is kept for the next try.
        """
        fruitless, had = 0, self._have()
        while True:
            try:
                self._transfer(url)
                break
            except Interrupted as error:
                fruitless = 0 if self._have() >= had + CHUNK else fruitless + 1
                had = self._have()
                if fruitless >= TRIES:
                    raise ParityError(error.what, where=error.where, got=error.got, remedy=error.remedy) from error
                time.sleep(pause_s * 2**fruitless)
        self._state_file.unlink(missing_ok=True)
        self.part.replace(output_file)

    def _transfer(self, url: str) -> None:
        have, state = self._resumable(url)
        if state is not None and state.total == have:
            return
        asked = {"Range": f"bytes={have}-", "If-Range": state.validator} if state else {}
        with opened(url, asked) as (answer, body):
            begin, total = self._agreed(url, answer, have, state)
            if total is None and not (self.provable or body.chunked):
                raise ParityError("the server does not say how long the file is: a lost end would pass", where=url)
            room = shutil.disk_usage(self.part.parent).free - SPARE
            self._bounded(url, total or 0, room + begin)
            self._note(_State(url, answer.validator, total) if answer.validator else None)
            done = self._append(url, body, begin, total, min(self.limit, room + begin))
        if total is not None and done != total:
            raise Interrupted("the transfer broke off", where=url, got=f"{done} of {total} bytes", remedy=GOES_ON)

    def _agreed(self, url: str, answer: Answer, have: int, state: _State | None) -> tuple[int, int | None]:
        """From which byte this answer goes on, and the whole size."""
        if answer.encoding not in ("", "identity") and not url.partition("?")[0].endswith((".gz", ".tgz")):
            raise ParityError("sent compressed, against the request", where=url, got=answer.encoding)
        if answer.status == 200:
            return 0, answer.length
        fits = state is not None and answer.status == 206 and answer.first == have
        fits = fits and state is not None and answer.validator in (None, state.validator)
        if not fits or (state is not None and state.total not in (None, answer.total)):
            self._note(None)
            raise Interrupted("the server sent another part than asked for", where=url, remedy="try another mirror")
        return have, answer.total

    def _append(self, url: str, body: urllib3.HTTPResponse, begin: int, total: int | None, limit: int) -> int:
        done = begin
        with self.part.open("r+b" if begin else "wb") as file:
            file.seek(begin)
            file.truncate()
            for chunk in body.stream(CHUNK, decode_content=False):
                if done + len(chunk) > (limit if total is None else total):
                    self._note(None)
                    self._bounded(url, done + len(chunk), limit)
                    raise ParityError("sends more than it declares", where=url, expected=f"{total} bytes")
                file.write(chunk)
                done += len(chunk)
                self.watch(self.name, done, total)
        return done

    def _bounded(self, url: str, size: int, room: int) -> None:
        if size > self.limit:
            raise ParityError(
                "larger than the cache may hold",
                where=url,
                got=f"{size} bytes",
                expected=f"at most {self.limit}",
                remedy="raise PARITY_CACHE_LIMIT",
            )
        if size > room:
            raise ParityError(
                "larger than the room on the disk",
                where=self.part.parent,
                got=f"{size} bytes",
                expected=f"at most {max(room, 0)}",
                remedy="free space there (`parity cache clear`), or point PARITY_CACHE elsewhere",
            )

    @property
    def _state_file(self) -> Path:
        return self.part.with_name(f"{self.part.name}.json")

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _resumable(self, url: str) -> tuple[int, _State | None]:
        """Bytes that may stay, and the version they are of; (0, None) to begin anew."""
        have, file = self._have(), self._state_file
        try:
            said: Any = json.loads(file.read_text("utf-8")) if file.stat().st_size <= _MAX_STATE else None
            state = _State(str(said["url"]), str(said["validator"]), said["total"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return 0, None
        known = state.total is None or (type(state.total) is int and have <= state.total)
        return (have, state) if have and known and state.url == url else (0, None)

    def _note(self, state: _State | None) -> None:
        if state is None:
            self._state_file.unlink(missing_ok=True)
            return
        fresh = self._state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state.__dict__), "utf-8")
        fresh.replace(self._state_file)
