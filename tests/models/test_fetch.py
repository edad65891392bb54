"""A fetched model is whole and the right one, or not there."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading
from pathlib import Path

import pytest
from file_server import File, Server

from parity.errors import ParityError
from parity.models import build_stand_in, card, resolve
from parity.models.cache import evict, in_use, use
from parity.models.fetch import fetch, outline, resume
from parity.models.fetch.record import record_file

from .published import BIG, CONTENT, MB, archive_of, card_of, is_whole, sha256, singles, zipped
from .support import finished, python

# Layouts


def test_an_archive_is_unpacked_and_not_kept(server: Server, cache: Path) -> None:
    content = {**CONTENT, "README": b"hello"}
    server.files["/a.zip"] = File(archive_of(content))
    found = fetch(card_of(f"{server.url}/a.zip", archive="a.zip"))
    assert is_whole(cache)
    assert (found.new, found.folder) == (True, cache / "models" / "thing" / "m")
    assert found.files == tuple(found.folder / name for name in CONTENT)
    assert found.checksums == {"a.zip": sha256(archive_of(content))}
    assert found.notes == ("not unpacked, as the card does not name them: m/README",)


def test_single_files_keep_their_folders(server: Server, cache: Path) -> None:
    found = fetch(singles(server, "/base"))
    assert is_whole(cache)
    assert found.checksums == {name: sha256(data) for name, data in CONTENT.items()}
    assert [one.path for one in server.asked] == ["/base/vocab.txt", "/base/model/w.data"]


def test_what_is_here_is_not_fetched_again(server: Server, cache: Path) -> None:
    of = zipped(server)
    fetch(of)
    again = fetch(of)
    assert (again.new, len(server.asked)) == (False, 1)
    assert again.folder == cache / "models" / "thing" / "m"


def test_what_is_on_the_shelf_is_not_fetched(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_MODELS", str(tmp_path))
    of = singles(server)
    for name in CONTENT:
        (tmp_path / "thing" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "thing" / name).touch()
    assert fetch(of).folder == tmp_path / "thing"
    (tmp_path / "thing" / "vocab.txt").unlink()
    with pytest.raises(ParityError, match=r"vocab.txt is missing; complete it"):
        fetch(of)
    assert server.asked == []


def test_a_fetched_card_is_what_runs_use(server: Server, tmp_path: Path) -> None:
    """From the publisher's tar.gz to `resolve`, by the card as it ships but for the address."""
    of = card("rubert")
    build_stand_in(of, scale="tiny", folder=tmp_path / "made")
    (tmp_path / "made" / "bert_config.json").write_text(json.dumps(dict(of.config)))
    (tmp_path / "made" / "bert_model.ckpt.meta").touch()
    with tarfile.open(tmp_path / "packed", "w:gz") as packed:
        packed.add(tmp_path / "made", of.source.folder)
    server.files["/x.tar.gz"] = File((tmp_path / "packed").read_bytes())
    fetch(of.model_copy(update={"source": of.source.model_copy(update={"urls": (f"{server.url}/x.tar.gz",)})}))
    source = resolve("rubert")
    assert (source.stand_in, source.note, source.checkpoint.name) == (False, "", "bert_model.ckpt")


# Archives


def test_a_hostile_archive_leaves_nothing_and_is_not_met_again(server: Server, cache: Path, tmp_path: Path) -> None:
    of = zipped(server)
    server.files["/a.zip"].content = archive_of({**CONTENT, "../../../evil": b"x"})
    before = {path for path in tmp_path.rglob("*") if "downloads" not in path.parts and "models" not in path.parts}
    with pytest.raises(ParityError, match="outside the archive's own folder"):
        fetch(of)
    assert not is_whole(cache)
    assert {path.name for path in tmp_path.rglob("*")} - {p.name for p in before} <= {
        "cache",
        "models",
        "downloads",
        "thing",
        ".thing.lock",
    }
    server.files["/a.zip"].content = archive_of()
    fetch(of)
    assert is_whole(cache)


# Checksums


def test_a_known_checksum_is_compared(server: Server, cache: Path) -> None:
    wrong = zipped(server, sha256="0" * 64)
    with pytest.raises(ParityError, match=f"not the file that the card names: .*{sha256(archive_of())}"):
        fetch(wrong)
    assert not is_whole(cache)
    fetch(zipped(server, sha256=sha256(archive_of())))
    assert is_whole(cache)
    assert not record_file("thing").exists()


def test_of_mirrors_the_one_with_the_known_checksum_serves(server: Server, cache: Path) -> None:
    server.files["/other.zip"] = File(archive_of({**CONTENT, "vocab.txt": b"other"}))
    of = zipped(server)
    urls = (f"{server.url}/other.zip", *of.source.urls)
    fetch(card_of(*urls, archive="a.zip", sha256=sha256(archive_of())))
    assert is_whole(cache)


@pytest.mark.parametrize("as_archive", [True, False])
def test_an_unknown_checksum_is_recorded_and_compared_the_next_time(
    as_archive: bool, server: Server, cache: Path
) -> None:
    of, path = (zipped(server), "/a.zip") if as_archive else (singles(server), "/vocab.txt")
    good = server.files[path].content
    fetch(of)
    assert json.loads(record_file("thing").read_text())[path[1:]] == sha256(good)
    assert evict(cache, 0) == ()
    _cleared(cache)
    server.files[path].content = good + b"x" if not as_archive else archive_of({**CONTENT, "vocab.txt": b"other"})
    with pytest.raises(ParityError, match=r"not the file that was fetched before.*thing.checksums.json"):
        fetch(of)
    assert not is_whole(cache)
    server.files[path].content = good
    fetch(of)
    assert is_whole(cache)


def _cleared(cache: Path) -> None:
    """The entry goes, as if its users had ended."""
    shutil.rmtree(cache / "models" / "thing")
    assert not use(cache / "models" / "thing")


@pytest.mark.parametrize("text", ["", "[]", '{"a.zip": 1}', '{"a.zip": "abc"}', "[" * 99999])
def test_a_damaged_record_is_not_passed_over(text: str, server: Server, cache: Path) -> None:
    of = zipped(server)
    record_file("thing").parent.mkdir(parents=True)
    record_file("thing").write_text(text)
    with pytest.raises(ParityError, match="not a record of checksums"):
        fetch(of)
    assert server.asked == []


# Beside others


def test_of_two_processes_one_transfers(server: Server, cache: Path) -> None:
    of = zipped(server)
    code = """
import sys
from parity.models.fetch import fetch
from parity.models.schema import Card
of = Card.model_validate_json(sys.stdin.readline())
print(fetch(of).folder)
"""
    processes = [python(code) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(of.model_dump_json() + "\n")
        process.stdin.flush()
    assert {finished(process) for process in processes} == {str(cache / "models" / "thing" / "m")}
    assert is_whole(cache)
    assert server.gets("/a.zip") == [None]


def test_while_it_is_fetched_it_is_in_use_and_afterwards_only_the_model(server: Server, cache: Path) -> None:
    of, seen = zipped(server), []

    def look(*_: object) -> None:
        answers: list[bool] = []
        thread = threading.Thread(
            target=lambda: answers.extend(in_use(cache / kind / "thing") for kind in ("downloads", "models"))
        )
        thread.start()
        thread.join()
        seen.append(tuple(answers))

    fetch(of, watch=look)
    assert set(seen) == {(True, True)}
    assert (in_use(cache / "downloads" / "thing"), in_use(cache / "models" / "thing")) == (False, True)


def test_a_fetch_makes_room_in_the_cache(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = cache / "models" / "old"
    old.mkdir(parents=True)
    (old / "data").write_bytes(bytes(MB))
    monkeypatch.setenv("PARITY_CACHE_LIMIT", "5MB")
    fetch(zipped(server))
    assert not old.exists()
    assert is_whole(cache)


# Before anything is transferred


def test_the_outline_asks_for_sizes_only(server: Server, cache: Path) -> None:
    of = singles(server)
    server.files["/model/w.data"].head = 405
    lines, problems = outline(of)
    assert problems == ()
    assert [(line.name, line.size, line.here, line.whole) for line in lines] == [
        ("vocab.txt", 4, 0, False),
        ("model/w.data", len(BIG), 0, False),
    ]
    assert lines[1].target == cache / "models" / "thing" / "m" / "model" / "w.data"
    assert not cache.exists()
    assert server.asked[0].method == "HEAD"


def test_the_outline_tells_what_is_here_in_part_or_whole(server: Server, cache: Path) -> None:
    of = singles(server)
    server.files["/model/w.data"].cuts = [MB, *[0] * resume.TRIES]
    with pytest.raises(ParityError):
        fetch(of)
    assert [(line.here, line.whole) for line in outline(of)[0]] == [(4, True), (MB, False)]
    fetch(of)
    asked = len(server.asked)
    assert [(line.here, line.whole) for line in outline(of)[0]] == [(4, True), (len(BIG), True)]
    assert len(server.asked) == asked


def test_the_outline_tries_mirrors_and_tells_what_fails(server: Server) -> None:
    server.files["/two/vocab.txt"] = File(b"ab")
    of = card_of(f"{server.url}/one", f"{server.url}/two")
    lines, problems = outline(of)
    assert [(line.name, line.size) for line in lines] == [("vocab.txt", 2)]
    assert any("two/model/w.data: the server has no such file" in str(problem) for problem in problems)
