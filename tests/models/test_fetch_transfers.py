"""Transfers that break off, and servers that do all they can do wrong: what is kept, and what is never believed."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import requests
from file_server import File, Server, serving

from parity.errors import ParityError
from parity.models.fetch import fetch, resume
from parity.models.fetch.http import _check
from parity.models.fetch.record import record_file

from .published import BIG, MB, archive_of, card_of, is_whole, sha256, singles, zipped
from .support import python

# Broken off


@pytest.mark.parametrize("as_archive", [True, False])
def test_a_transfer_that_breaks_off_goes_on_where_it_was(server: Server, cache: Path, as_archive: bool) -> None:
    of, path = (zipped(server), "/a.zip") if as_archive else (singles(server), "/model/w.data")
    server.files[path].cuts = [MB, 2 * MB, 7]
    fetch(of)
    assert is_whole(cache)
    ranges = server.gets(path)
    assert ranges == [None, f"bytes={MB}-", f"bytes={3 * MB}-", f"bytes={3 * MB + 7}-"]
    assert {one.if_range for one in server.asked if one.range} == {'"v1"'}


def test_a_broken_fetch_is_an_error_and_the_next_one_goes_on(server: Server, cache: Path) -> None:
    of = zipped(server)
    server.files["/a.zip"].cuts = [2 * MB, *[0] * resume.TRIES]
    with pytest.raises(ParityError, match=r"/a.zip: .*run the same command again"):
        fetch(of)
    assert not is_whole(cache)
    assert (cache / "downloads" / "thing" / "a.zip.part").stat().st_size == 2 * MB
    server.asked.clear()
    fetch(of)
    assert is_whole(cache)
    assert server.gets("/a.zip") == [f"bytes={2 * MB}-"]


def test_an_interrupted_process_leaves_a_part_that_the_next_one_takes_up(server: Server, cache: Path) -> None:
    of = zipped(server)

    def stop(what: str, done: int, total: int | None) -> None:
        if done >= MB:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(of, watch=stop)
    assert not is_whole(cache)
    fetch(of)
    assert is_whole(cache)
    (_, second) = server.gets("/a.zip")
    assert second is not None
    assert int(second[6:-1]) >= MB


def test_a_killed_process_leaves_a_part_that_the_next_one_takes_up(server: Server, cache: Path) -> None:
    of = zipped(server)
    code = """
import os, signal, sys
from parity.models.fetch import fetch
from parity.models.schema import Card
def die(what, done, total):
    if done >= 1 << 20:
        os.kill(os.getpid(), signal.SIGKILL)
fetch(Card.model_validate_json(sys.stdin.readline()), watch=die)
"""
    process = python(code)
    process.communicate(of.model_dump_json() + "\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    fetch(of)
    assert is_whole(cache)
    (_, second) = server.gets("/a.zip")
    # What the dead process had in its buffer is lost, and asked for again.
    assert second is None or int(second[6:-1]) > 0


def test_finished_files_of_a_broken_fetch_are_not_transferred_again(server: Server, cache: Path) -> None:
    of = singles(server)
    server.files["/model/w.data"].cuts = [0] * resume.TRIES
    with pytest.raises(ParityError):
        fetch(of)
    server.asked.clear()
    fetch(of)
    assert is_whole(cache)
    assert server.gets("/vocab.txt") == []


def test_a_file_that_changed_meanwhile_is_begun_anew(server: Server, cache: Path) -> None:
    of = zipped(server)
    file = server.files["/a.zip"]
    file.content = bytes(len(file.content))
    file.cuts = [MB, *[0] * resume.TRIES]
    with pytest.raises(ParityError):
        fetch(of)
    server.files["/a.zip"] = File(archive_of(), etag='"v2"')
    fetch(of)
    assert is_whole(cache)


def test_a_server_that_ignores_if_range_mixes_no_versions(server: Server, cache: Path) -> None:
    of = zipped(server)
    file = server.files["/a.zip"]
    file.content, file.cuts = bytes(len(file.content)), [MB, *[0] * resume.TRIES]
    with pytest.raises(ParityError):
        fetch(of)
    server.files["/a.zip"] = File(archive_of(), etag='"v2"', obeys_if_range=False)
    fetch(of)
    assert is_whole(cache)


@pytest.mark.parametrize(
    "behaviour",
    [
        {"ranges": False},
        {"etag": None},
        {"etag": 'W/"v1"'},
        {"shifted": 1},
        {"shifted": -5},
    ],
)
def test_without_a_sound_range_the_file_is_begun_anew(
    behaviour: dict[str, object], server: Server, cache: Path
) -> None:
    of = zipped(server)
    server.files["/a.zip"] = File(archive_of(), cuts=[2 * MB], **behaviour)  # type: ignore[arg-type]
    fetch(of)
    assert is_whole(cache)
    if "etag" in behaviour:
        assert server.gets("/a.zip") == [None, None], "no version that a range could be asked of"


def test_a_range_that_ends_early_is_followed_by_the_next(server: Server, cache: Path) -> None:
    """A server may send less than asked for; its answer is whole in itself."""
    of = zipped(server)
    server.files["/a.zip"] = File(archive_of(), cuts=[MB], most=2 * MB)
    fetch(of)
    assert is_whole(cache)
    assert server.gets("/a.zip") == [None, f"bytes={MB}-", f"bytes={3 * MB}-"]


def test_a_date_serves_where_there_is_no_tag(server: Server, cache: Path) -> None:
    of = zipped(server)
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    server.files["/a.zip"] = File(archive_of(), cuts=[2 * MB], etag=None, modified=date)
    fetch(of)
    assert is_whole(cache)
    assert (server.asked[1].range, server.asked[1].if_range) == (f"bytes={2 * MB}-", date)


@pytest.mark.parametrize("state", ["{", "[]", "{}", '{"url": 1, "validator": 2, "total": "x"}', "[" * 99999])
def test_a_damaged_note_beside_a_part_means_to_begin_anew(state: str, server: Server, cache: Path) -> None:
    shelf = cache / "downloads" / "thing"
    shelf.mkdir(parents=True)
    (shelf / "a.zip.part").write_bytes(b"rubbish")
    (shelf / "a.zip.part.json").write_text(state)
    fetch(zipped(server))
    assert is_whole(cache)
    assert server.gets("/a.zip") == [None]


def test_a_part_that_is_whole_needs_no_request(server: Server, cache: Path) -> None:
    of, shelf = zipped(server), cache / "downloads" / "thing"
    shelf.mkdir(parents=True)
    (shelf / "a.zip.part").write_bytes(archive_of())
    note = {"url": of.source.urls[0], "validator": '"v1"', "total": len(archive_of())}
    (shelf / "a.zip.part.json").write_text(json.dumps(note))
    fetch(of)
    assert is_whole(cache)
    assert server.asked == []


@pytest.mark.parametrize("total", [len(archive_of()), None])
def test_a_part_longer_than_the_file_is_begun_anew(total: int | None, server: Server, cache: Path) -> None:
    of, shelf = zipped(server), cache / "downloads" / "thing"
    shelf.mkdir(parents=True)
    (shelf / "a.zip.part").write_bytes(archive_of() + b"more")
    note = {"url": of.source.urls[0], "validator": '"v1"', "total": total}
    (shelf / "a.zip.part.json").write_text(json.dumps(note))
    fetch(of)
    assert is_whole(cache)
    assert server.gets("/a.zip")[-1] is None
    assert len(server.asked) == (2 if total is None else 1)


# What a server answers


def test_each_mirror_that_fails_is_named_with_its_reason(server: Server, cache: Path) -> None:
    of = card_of(f"{server.url}/none.zip", f"{server.url}/sick.zip", archive="a.zip")
    server.files["/sick.zip"] = File(statuses=[503] * 9)
    with pytest.raises(ParityError) as caught:
        fetch(of)
    assert "none.zip: the server has no such file (HTTP 404)" in str(caught.value)
    assert "sick.zip: the server is in trouble (HTTP 503)" in str(caught.value)
    assert (len(server.gets("/none.zip")), len(server.gets("/sick.zip"))) == (1, resume.TRIES)
    assert not is_whole(cache)


def test_the_next_mirror_serves_where_one_fails(server: Server, cache: Path) -> None:
    server.files["/bad.zip"] = File(archive_of()[:-100])
    server.files["/good.zip"] = File(archive_of())
    flipped = bytearray(archive_of())
    flipped[len(flipped) // 2] ^= 1
    server.files["/flipped.zip"] = File(bytes(flipped))
    fetch(card_of(*(f"{server.url}/{name}.zip" for name in ("none", "bad", "flipped", "good")), archive="a.zip"))
    assert is_whole(cache)


def test_a_part_of_one_mirror_is_not_continued_from_another(server: Server, cache: Path) -> None:
    """Both may call their versions by the same tag."""
    other = bytes(len(archive_of()))
    server.files["/one.zip"] = File(other, cuts=[MB, *[0] * resume.TRIES])
    server.files["/two.zip"] = File(archive_of())
    fetch(card_of(f"{server.url}/one.zip", f"{server.url}/two.zip", archive="a.zip"))
    assert is_whole(cache)
    assert server.gets("/two.zip") == [None]


def test_trouble_that_passes_is_waited_for(server: Server, cache: Path) -> None:
    of = zipped(server)
    server.files["/a.zip"].statuses = [500, 429, 503]
    fetch(of)
    assert is_whole(cache)


@pytest.mark.parametrize("status", [204, 304, 400, 401, 403, 404, 410, 451])
def test_a_refusal_is_not_asked_twice(status: int, server: Server, cache: Path) -> None:
    of = zipped(server)
    server.files["/a.zip"].statuses = [status] * 9
    with pytest.raises(ParityError, match=rf"/a.zip: .*\(HTTP {status}\)"):
        fetch(of)
    assert len(server.asked) == 1
    assert not is_whole(cache)


def test_a_web_page_is_not_taken_for_a_file(server: Server, cache: Path) -> None:
    of = singles(server)
    server.files["/vocab.txt"] = File(b"<html>please log in</html>", kind="text/html; charset=utf-8")
    with pytest.raises(ParityError, match="a web page instead of the file"):
        fetch(of)
    assert not is_whole(cache)
    assert not record_file("thing").exists()


def test_redirects_are_followed_but_not_for_ever(server: Server, cache: Path) -> None:
    of = card_of(f"{server.url}/start", archive="a.zip")
    server.files["/start"] = File(location="/next")
    server.files["/next"] = File(location="/start")
    with pytest.raises(ParityError, match="redirected more than 5 times"):
        fetch(of)
    server.files["/next"] = File(location=f"{server.url}/a.zip")
    server.files["/a.zip"] = File(archive_of(), cuts=[MB])
    fetch(of)
    assert is_whole(cache)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://:0:0/"])
def test_a_redirect_out_of_the_web_is_refused(target: str, server: Server, cache: Path) -> None:
    server.files["/a.zip"] = File(location=target)
    with pytest.raises(ParityError, match="no web address"):
        fetch(card_of(f"{server.url}/a.zip", archive="a.zip"))


def test_a_redirect_from_https_to_http_is_refused() -> None:
    first, last = requests.Response(), requests.Response()
    first.url, last.url, last.status_code, last.history = "https://a/x", "http://b/x", 200, [first]
    with pytest.raises(ParityError, match="https to an unprotected"):
        _check(last, "https://a/x")
    last.url = "https://b/x"
    _check(last, "https://a/x")


@pytest.mark.usefixtures("server")
def test_a_server_that_is_not_there_is_named(cache: Path) -> None:
    with serving() as gone:
        url = gone.url
    with pytest.raises(ParityError, match=rf"{url}/a.zip: no transfer: .*refused"):
        fetch(card_of(f"{url}/a.zip", archive="a.zip"))
    assert not is_whole(cache)


# Sizes


def test_a_declared_size_over_the_limit_is_not_transferred(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = zipped(server)
    monkeypatch.setenv("PARITY_CACHE_LIMIT", "1MB")
    with pytest.raises(ParityError, match=r"larger than the cache may hold.*PARITY_CACHE_LIMIT"):
        fetch(of)
    assert not (cache / "downloads" / "thing" / "a.zip.part").exists()
    server.files["/a.zip"].declares = 10**15
    monkeypatch.setenv("PARITY_CACHE_LIMIT", "9999TB")
    with pytest.raises(ParityError, match="larger than the room on the disk"):
        fetch(of)
    assert not (cache / "downloads" / "thing" / "a.zip.part").exists()


def test_single_files_count_together(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = singles(server)
    monkeypatch.setenv("PARITY_CACHE_LIMIT", str(len(BIG) + 3))
    with pytest.raises(ParityError, match="larger than the cache may hold"):
        fetch(of)
    monkeypatch.setenv("PARITY_CACHE_LIMIT", str(len(BIG) + 4))
    fetch(of)
    assert is_whole(cache)


@pytest.mark.parametrize("chunked", [True, False])
def test_an_undeclared_size_is_bounded_while_it_comes(
    chunked: bool, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = zipped(server)
    server.files["/a.zip"] = File(archive_of(), chunked=chunked, sized=False)
    monkeypatch.setenv("PARITY_CACHE_LIMIT", "2MB")
    with pytest.raises(ParityError, match="larger than the cache may hold"):
        fetch(of)
    assert (cache / "downloads" / "thing" / "a.zip.part").stat().st_size <= 2_000_000
    monkeypatch.delenv("PARITY_CACHE_LIMIT")
    fetch(of)
    assert is_whole(cache)


@pytest.mark.parametrize("declared", [len(archive_of()) - 1000, 100, 0])
def test_a_size_declared_too_small_gives_no_model(declared: int, server: Server, cache: Path) -> None:
    of = zipped(server)
    server.files["/a.zip"].declares = declared
    with pytest.raises(ParityError, match=r"damaged|neither zip nor tar"):
        fetch(of)
    assert not is_whole(cache)
    server.files["/a.zip"].declares = None
    fetch(of)
    assert is_whole(cache)


def test_a_size_declared_too_large_gives_no_model(server: Server, cache: Path) -> None:
    of = zipped(server)
    server.files["/a.zip"].declares = len(archive_of()) + 1000
    with pytest.raises(ParityError, match="run the same command again"):
        fetch(of)
    assert not is_whole(cache)


def test_a_lost_end_of_undeclared_size_does_not_pass(server: Server, cache: Path) -> None:
    of = singles(server)
    server.files["/model/w.data"] = File(BIG, sized=False)
    with pytest.raises(ParityError, match="a lost end would pass"):
        fetch(of)
    known = singles(server, hashes={"model/w.data": sha256(BIG)})
    server.files["/model/w.data"] = File(BIG, sized=False, cuts=[MB], etag=None)
    with pytest.raises(ParityError, match="not the file that the card names"):
        fetch(known)
    fetch(known)
    assert is_whole(cache)


def test_a_chunked_transfer_that_breaks_off_is_noticed(server: Server, cache: Path) -> None:
    of = singles(server)
    server.files["/model/w.data"] = File(BIG, chunked=True, cuts=[MB, MB])
    fetch(of)
    assert is_whole(cache)


def test_a_body_compressed_on_the_way_is_refused(server: Server, cache: Path) -> None:
    of = zipped(server)
    server.files["/a.zip"].encoding = "gzip"
    with pytest.raises(ParityError, match=r"sent compressed, against the request \(got gzip\)"):
        fetch(of)
    assert not is_whole(cache)
