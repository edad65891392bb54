from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.checkpoints import KINDS, open_checkpoint, sniff, write_bundle
from parity.checkpoints.sniff import _MAGIC
from parity.errors import ParityError
from parity.tensorfile import TensorSpec, write_tensors

from .support import DATA


def _zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return out.getvalue()


def _npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, kernel=np.ones(3))
    return out.getvalue()


def _npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.ones(3))
    return out.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("bert_model.ckpt.index"))
    return out.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "tensorflow-v2": lambda: (DATA / "dtypes" / "model.ckpt.index").read_bytes(),
    "tensorflow-v1": lambda: (DATA / "v1" / "model.ckpt").read_bytes(),
    "checkpoint-state": lambda: b'model_checkpoint_path: "model.ckpt"\n',
    "hdf5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(100),
    "pytorch": lambda: _zipped("archive/data.pkl", "archive/version"),
    "pickle": lambda: pickle.dumps({"weights": [1.0]}),
    "npz": _npz,
    "npy": _npy,
    "safetensors": lambda: (16).to_bytes(8, "little") + b'{"__metadata__":{}}'[:16],
    "gguf": lambda: b"GGUF" + bytes(60),
    "zip": lambda: _zipped("bert_model.ckpt.index"),
    "tar": _tar,
    "gzip": lambda: gzip.compress(b"bert"),
    "xz": lambda: lzma.compress(b"bert"),
    "bzip2": lambda: bz2.compress(b"bert"),
    "html": lambda: b"\n<!DOCTYPE html><title>404</title>",
    "git-lfs": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "empty": lambda: b"",
    "unknown": lambda: b"\0\0\x80?" * 9,
}


def test_every_kind_has_a_file() -> None:
    assert FILES.keys() == KINDS.keys()
    assert {name for name, _, _ in _MAGIC} <= KINDS.keys()


@pytest.mark.parametrize("kind", FILES)
def test_kind_is_recognised_and_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights"
    path.write_bytes(FILES[kind]())
    assert sniff(path) == kind
    with pytest.raises(ParityError) as caught:
        open_checkpoint(path)
    assert KINDS[kind].description in caught.value.what
    assert caught.value.where == path
    assert caught.value.remedy == KINDS[kind].remedy


@pytest.mark.parametrize("kind", sorted(set(FILES) - {"tensorflow-v2", "tensorflow-v1", "unknown"}))
def test_index_of_another_kind_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / "model.ckpt.index").write_bytes(FILES[kind]())
    with pytest.raises(ParityError, match=r"this is an? |this is the text") as caught:
        open_checkpoint(tmp_path)
    assert KINDS[kind].description in caught.value.what


def test_real_files_of_our_own(tmp_path: Path) -> None:
    write_tensors(tmp_path / "t", [TensorSpec("a", "float32", (1,))], [np.ones(1, np.float32)])
    assert sniff(tmp_path / "t") == "safetensors"
    index, data = write_bundle(tmp_path / "b", [TensorSpec("a", "float32", (1,))], [np.ones(1, np.float32)])
    assert (sniff(index), sniff(data)) == ("tensorflow-v2", "unknown")


def test_legacy_pytorch_file_and_no_pickle_is_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "trap").write_bytes(pickle.dumps(Trap(), protocol=2))
    (tmp_path / "legacy").write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2))
    assert (sniff(tmp_path / "trap"), sniff(tmp_path / "legacy")) == ("pickle", "pytorch")
    with pytest.raises(ParityError, match="never executed"):
        open_checkpoint(tmp_path / "trap")
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 300), st.binary(max_size=20))
def test_any_start_and_end_has_a_kind(
    tmp_path_factory: pytest.TempPathFactory, kind: str, cut: int, tail: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(FILES[kind]()[:cut] + tail)
    assert sniff(path) in KINDS


def test_a_brace_alone_is_no_safetensors_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    assert sniff(tmp_path / "x") == "unknown"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="No such file"):
        sniff(tmp_path / "nothing")
    with pytest.raises(ParityError, match="not a regular file"):
        sniff(tmp_path)
