"""One request at a time: what a server may answer, and how large it says a file is. Nothing is decoded on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import requests
import urllib3

from parity.errors import ParityError

CONNECT_S, READ_S = 10, 60
REDIRECTS = 5
BY_HAND = "try another mirror, or put the files into $PARITY_MODELS/NAME yourself"
GOES_ON = "run the same command again: it goes on from there"

_PASSING = {408, 425, 429, 500, 502, 503, 504}
_REASONS = {
    401: "the server wants a login",
    403: "the server refuses it",
    404: "the server has no such file",
    410: "the server has it no more",
}
_NO_HEAD = {400, 403, 405, 501}


class Interrupted(ParityError):
    """A transfer that failed in a way that may pass: worth another try."""


@dataclass(frozen=True)
class Answer:
    """What a response's headers say: `length` of this response's body, `validator` of this version of the file."""

    status: int
    length: int | None
    validator: str | None
    first: int | None
    total: int | None
    """First byte and whole size by Content-Range."""
    encoding: str


@contextmanager
def opened(url: str, headers: Mapping[str, str], method: str = "GET") -> Iterator[tuple[Answer, urllib3.HTTPResponse]]:
    """The answer to a request, with its body still unread.

    Raises:
        Interrupted: no connection, a server in trouble, or the body broke off while it was read.
        ParityError: an answer that will be the same next time; a redirect from https to http.
    """
    with requests.Session() as session:
        session.max_redirects = REDIRECTS
        try:
            # Bytes as they lie there: a body compressed on the way has another length, and may be a bomb.
            asked = {"Accept-Encoding": "identity", "User-Agent": "parity", **headers}
            response = session.request(
                method, url, headers=asked, stream=True, timeout=(CONNECT_S, READ_S), allow_redirects=True
            )
            with response:
                _check(response, url)
                yield _answer(response), response.raw
        except requests.TooManyRedirects as error:
            raise ParityError(f"redirected more than {REDIRECTS} times", where=url) from error
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
            raise ParityError("redirected to something that is no web address", where=url, got=error) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Interrupted(f"no transfer: {_plain(error)}", where=url, remedy=GOES_ON) from error


def size_of(url: str) -> int | None:
    """Bytes of the file at `url` as its server declares them, None if it does not; nothing is transferred.

    Raises:
        ParityError: the file cannot be had.
    """
    try:
        with opened(url, {}, "HEAD") as (answer, _):
            return answer.length
    except _Refused as error:
        if error.status not in _NO_HEAD:
            raise
    with opened(url, {}) as (answer, _):
        return answer.length


class _Refused(ParityError):
    status: int


def _check(response: requests.Response, url: str) -> None:
    chain = [step.url for step in (*response.history, response)]
    for before, after in pairwise(chain):
        if before.startswith("https:") and not after.startswith("https:"):
            raise ParityError("redirected from https to an unprotected address", where=url, got=after)
    status = response.status_code
    if status == 200 and response.headers.get("Content-Type", "").lower().startswith("text/html"):
        # A login, a notice, a search for the file: with status 200 all the same.
        raise ParityError("the server sends a web page instead of the file", where=url, remedy=BY_HAND)
    if status in (200, 206, 416):
        return
    if status in _PASSING:
        raise Interrupted(f"the server is in trouble (HTTP {status})", where=url, remedy="try again later")
    reason = _REASONS.get(status, "the server does not send it")
    refused = _Refused(f"{reason} (HTTP {status})", where=url, remedy=BY_HAND)
    refused.status = status
    raise refused


def _answer(response: requests.Response) -> Answer:
    headers = response.headers
    first, total = _content_range(headers.get("Content-Range", ""))
    etag = headers.get("ETag", "")
    # A weak tag promises the same meaning, not the same bytes.
    validator = etag if etag.startswith('"') else headers.get("Last-Modified")
    return Answer(
        status=response.status_code,
        length=_number(headers.get("Content-Length", "")),
        validator=validator,
        first=first,
        total=total,
        encoding=headers.get("Content-Encoding", "").strip().lower(),
    )


def _content_range(text: str) -> tuple[int | None, int | None]:
    """First byte and whole size in `bytes 5-9/10`."""
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    return (_number(span.partition("-")[0]), _number(total)) if unit == "bytes" else (None, None)


def _number(text: str) -> int | None:
    # Longer ones name no size that any disk has.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _plain(error: BaseException) -> str:
    """The innermost reason, without the libraries' wrapping."""
    inner = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return str(inner) or type(inner).__name__
