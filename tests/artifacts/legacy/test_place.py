"""Results come all together or not at all, and spare what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.artifacts.legacy.place import check_free, put, scratch
from parity.errors import ParityError


def made(folder: Path, **texts: str) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in texts}


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_files_come_beside_others(tmp_path: Path) -> None:
    new = made(tmp_path / "new", a="1", b="2")
    made(tmp_path / "out", c="3")
    put({path: tmp_path / "out" / name for name, path in new.items()}, force=False)
    assert content(tmp_path / "out") == {"a": "1", "b": "2", "c": "3"}


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    new = made(tmp_path / "new", a="1", b="2")
    made(tmp_path / "out", b="old")
    parts = {path: tmp_path / "out" / name for name, path in new.items()}
    with pytest.raises(ParityError, match=r"b is already there; .*legacy --force"):
        put(parts, force=False)
    assert content(tmp_path / "out") == {"b": "old"}
    put(parts, force=True)
    assert content(tmp_path / "out") == {"a": "1", "b": "2"}


def test_the_same_bytes_are_no_conflict(tmp_path: Path) -> None:
    new = made(tmp_path / "new", a="1", b="2")
    made(tmp_path / "out", b="2")
    put({path: tmp_path / "out" / name for name, path in new.items()}, force=False)
    assert content(tmp_path / "out") == {"a": "1", "b": "2"}


def test_when_one_cannot_be_moved_all_is_as_before(tmp_path: Path) -> None:
    new = made(tmp_path / "new", a="1", b="2")
    made(tmp_path / "out", a="old")
    parts = {new["a"]: tmp_path / "out" / "a", new["b"]: tmp_path / "absent" / "b"}
    with pytest.raises(OSError, match="absent"):
        put(parts, force=True)
    assert content(tmp_path / "out") == {"a": "old"}


def test_sources_are_spared_even_by_force(tmp_path: Path) -> None:
    new = made(tmp_path, a="1")
    with pytest.raises(ParityError, match="what is being converted"):
        check_free(new.values(), sources=[tmp_path / "x" / ".." / "a"], force=True)
    (tmp_path / "x").mkdir()
    with pytest.raises(ParityError, match="is a folder"):
        check_free([tmp_path / "x"], sources=(), force=True)


def test_a_scratch_folder_leaves_nothing_of_a_failure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), scratch(tmp_path / "deep" / "er") as part:
        made(part, a="1")["a"].rename(part / "absent" / "a")
    assert list(tmp_path.iterdir()) == []
    with scratch(tmp_path / "deep") as part:
        put({made(part, a="1")["a"]: tmp_path / "deep" / "a"}, force=False)
    assert content(tmp_path / "deep") == {"a": "1"}
