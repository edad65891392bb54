from __future__ import annotations

import os
from pathlib import Path

import pytest

from parity.checkpoints import open_checkpoint
from parity.checkpoints.locate import locate
from parity.errors import ParityError

from .support import small, write

SHARD = "model.ckpt.data-00000-of-00001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "published"
    inner.mkdir()
    write(inner / "model.ckpt", small())
    return inner


def refused(path: Path) -> str:
    with pytest.raises(ParityError) as caught:
        open_checkpoint(path)
    assert caught.value.where is not None
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize("name", ["", "model.ckpt", "model.ckpt.index", SHARD, "model.ckpt.meta", "checkpoint"])
def test_every_way_to_name_a_checkpoint(folder: Path, name: str) -> None:
    (folder / "model.ckpt.meta").write_bytes(b"\n\0")
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"\nall_model_checkpoint_paths: "x"\n')
    assert locate(folder / name if name else folder) == folder / "model.ckpt"
    with open_checkpoint(folder / name) as checkpoint:
        assert checkpoint.prefix == folder / "model.ckpt"


def test_relative_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for name in (".", "model.ckpt", "model.ckpt.index", "./model.ckpt", "../published"):
        with open_checkpoint(Path(name)) as checkpoint:
            assert checkpoint.entries.keys() == small().keys()


def test_prefix_with_a_file_or_folder_of_its_own_name(folder: Path) -> None:
    (folder / "model.ckpt").mkdir()
    assert locate(folder / "model.ckpt") == folder / "model.ckpt"
    (folder / "model.ckpt").rmdir()
    (folder / "model.ckpt").write_bytes(b"renamed shard")
    assert locate(folder / "model.ckpt") == folder / "model.ckpt"


def test_several_checkpoints_in_a_folder(folder: Path) -> None:
    write(folder / "model.ckpt-20", small())
    write(folder / ".model.ckpt-30", small())
    assert "holds several checkpoints (got model.ckpt, model.ckpt-20); name one" in refused(folder)
    state = folder / "checkpoint"
    for named in ("model.ckpt-20", "/gone/for/ever/model.ckpt-20", r"C:\\runs\\model.ckpt-20", "../../model.ckpt-20"):
        state.write_text(f'# a comment\nmodel_checkpoint_path: "{named}"\nall_model_checkpoint_paths: "model.ckpt"\n')
        assert locate(folder) == locate(state) == folder / "model.ckpt-20"


@pytest.mark.parametrize(
    "text",
    [
        'model_checkpoint_path: "../outside/model.ckpt-7"',
        'model_checkpoint_path: "/etc/passwd"',
        'model_checkpoint_path: ".."',
        'model_checkpoint_path: ""',
        'model_checkpoint_path: "model.ckpt',
        'model_checkpoint_path: "\\377\\0"',
        'all_model_checkpoint_paths: "model.ckpt"',
        "",
        "\0" * 100,
    ],
)
def test_checkpoint_file_never_leads_outside_its_folder(folder: Path, text: str) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    write(outside / "model.ckpt-7", small())
    write(folder / "model.ckpt-20", small())
    (folder / "checkpoint").write_text(text)
    assert "names no checkpoint of its folder" in (message := refused(folder))
    assert "model.ckpt, model.ckpt-20" in message


def test_escaped_name_in_the_checkpoint_file(folder: Path) -> None:
    write(folder / "модель", small())
    escaped = "".join(f"\\{byte:03o}" for byte in "модель".encode())
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{escaped}"\n')
    assert locate(folder) == folder / "модель"


def test_checkpoint_file_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"\n')
    assert "names no checkpoint" in refused(tmp_path / "checkpoint")
    assert "no .index file" in refused(tmp_path)


def test_missing_paths(folder: Path, tmp_path: Path) -> None:
    assert "there is no such checkpoint" in (message := refused(folder / "model.cpt"))
    assert "there is model.ckpt beside it" in message
    assert f"expected {folder / 'nothing.index'}" in refused(folder / "nothing.index")
    assert "there is no such checkpoint" in refused(tmp_path / "no" / "folder" / "model.ckpt")
    assert refused(folder / "a\0b")
    assert refused(folder / ("x" * 5_000))


def test_index_lost_on_the_way(folder: Path) -> None:
    (folder / "model.ckpt.index").unlink()
    assert f"index file is missing (expected {folder / 'model.ckpt.index'})" in refused(folder / SHARD)
    assert f"got {SHARD}" in refused(folder)


def test_index_under_another_name(folder: Path) -> None:
    (folder / "model.ckpt.index").rename(folder / "model")
    message = refused(folder / "model")
    assert "this is the index of a TensorFlow V2 checkpoint" in message
    assert "PREFIX.index" in message


def test_folders_without_a_checkpoint(tmp_path: Path) -> None:
    assert "an empty folder" in refused(tmp_path)
    saved = tmp_path / "saved_model" / "variables"
    saved.mkdir(parents=True)
    write(saved / "variables", small())
    assert f"give {saved / 'variables'}" in refused(tmp_path / "saved_model")


def test_folder_with_the_checkpoint_one_level_down(tmp_path: Path, folder: Path) -> None:
    assert f"holds no checkpoint itself; give {folder}" in refused(tmp_path)


def test_folder_with_other_weights_says_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert "this is a safetensors file" in (message := refused(tmp_path))
    assert "model.safetensors" in message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(tmp_path / "pipe")
    os.mkfifo(tmp_path / "model.index")
    assert refused(tmp_path / "model")


def test_unreadable_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", denied)  # root, who runs containers, is never denied
    assert f"{folder}: cannot be read: Permission denied" in refused(folder)


def test_broken_and_circling_links(tmp_path: Path) -> None:
    (tmp_path / "model.index").symlink_to(tmp_path / "gone")
    assert refused(tmp_path / "model")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refused(tmp_path / "loop")
