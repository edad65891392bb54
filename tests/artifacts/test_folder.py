"""Folders that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.artifacts import folder as module
from parity.artifacts.folder import check_free, new_folder
from parity.errors import ParityError


def test_a_folder_appears_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    with new_folder(out) as part:
        (part / "file").write_text("x")
        assert part.parent == out.parent
        assert not out.exists()
    assert (out / "file").read_text() == "x"
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("error", [ParityError("no"), KeyboardInterrupt(), OSError("disk"), SystemExit(1)])
def test_a_block_that_fails_leaves_nothing_not_even_new_parents(tmp_path: Path, error: BaseException) -> None:
    def fill(out: Path) -> None:
        with new_folder(out) as part:
            (part / "sub").mkdir()
            (part / "sub" / "file").write_text("x")
            raise error

    with pytest.raises(type(error)):
        fill(tmp_path / "a" / "b" / "out")
    assert list(tmp_path.iterdir()) == []


def test_parents_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ParityError), new_folder(tmp_path / "a" / "out"):
        raise ParityError("no")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "link", "dangling link"])
def test_what_is_there_is_refused_and_with_force_replaced(tmp_path: Path, kind: str) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    match kind:
        case "folder":
            out.mkdir()
            (out / "old").write_text("old")
        case "empty folder":
            out.mkdir()
        case "file":
            out.write_text("old")
        case "link":
            out.symlink_to(elsewhere)
        case _:
            out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ParityError, match=rf"{out}: already there; choose another OUT or add --force"):
        check_free(out, force=False)
    with pytest.raises(ParityError), new_folder(out):
        pytest.fail("entered")
    with new_folder(out, force=True) as part:
        (part / "new").write_text("new")
        assert out.is_symlink() or out.exists(), "the old one stays until the new one is complete"
    assert not out.is_symlink()
    assert [path.name for path in out.iterdir()] == ["new"]
    assert {path.name for path in tmp_path.iterdir()} == {"out", "elsewhere"}
    assert (elsewhere / "kept").read_text() == "kept", "what a link led to is not ours"


def test_a_failed_replacement_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt), new_folder(out, force=True):
        raise KeyboardInterrupt
    assert [path.name for path in out.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [out]


def test_a_replacement_that_cannot_be_put_in_place_gives_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(module.Path, "rename", refuse)
    with pytest.raises(OSError, match="No space"), new_folder(out, force=True):
        pass
    assert [path.name for path in out.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [out]


def test_what_came_meanwhile_is_not_replaced_without_force(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ParityError, match="already there"), new_folder(out):
        out.mkdir()
    assert list(out.iterdir()) == []
    assert list(tmp_path.iterdir()) == [out]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(ParityError, match=r"file: cannot write here: .*; choose another OUT"),
        new_folder(tmp_path / "file" / "out"),
    ):
        pytest.fail("entered")
    assert (tmp_path / "file").read_text() == "x"


def test_a_relative_path_is_taken_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with new_folder(Path("out")) as part:
        assert part.is_absolute()
    assert (tmp_path / "out").is_dir()
