"""Lists of arrays that joblib wrote: read by a machine that executes nothing."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.checkpoints import open_checkpoint
from parity.checkpoints.joblib import read_list
from parity.checkpoints.joblib_write import write_joblib
from parity.checkpoints.openai import layer_shapes
from parity.errors import ParityError
from parity.tensorfile import TensorSpec

from .support import GOLDENS

FILE = GOLDENS / "gpt" / "finetuned" / "best_params.jl"
BYTES = FILE.read_bytes()


def test_the_trained_table_is_tokens_special_tokens_and_positions() -> None:
    golden = np.load(GOLDENS / "gpt" / "golden.npz")
    with open_checkpoint(FILE) as trained, open_checkpoint(GOLDENS / "gpt") as published:
        table = trained.read("model/we")
        np.testing.assert_array_equal(table[:193], published.read("tokens"))
        np.testing.assert_array_equal(table[193:196], golden["special_embeddings"])
        np.testing.assert_array_equal(table[196:], published.read("positions"))
        blocks = [name for name in published.entries if name.startswith("model/h")]
        assert len(blocks) == 36
        for name in blocks:
            np.testing.assert_array_equal(trained.read(name), published.read(name))
        np.testing.assert_array_equal(trained.read("model/clf/w"), golden["clf_w"])
        np.testing.assert_array_equal(trained.read("model/clf/b"), golden["clf_b"])
        assert set(trained.entries) == {"model/we", "model/clf/w", "model/clf/b", *blocks}
        assert (trained.format, trained.prefix, trained.files) == ("openai-joblib", FILE, (FILE,))


def test_its_folder_means_it_and_two_of_them_are_refused(tmp_path: Path) -> None:
    assert open_checkpoint(FILE.parent).prefix == FILE
    for name in ("a.jl", "b.jl"):
        shutil.copyfile(FILE, tmp_path / name)
    with pytest.raises(ParityError, match=r"a\.jl, b\.jl"):
        open_checkpoint(tmp_path)


class Command:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pickle.dumps(Command(), protocol=3), "posix.system"),
        (pickle.dumps([Command()], protocol=4), "posix.system"),
        (pickle.dumps([np.zeros(3)], protocol=3), "numpy"),
        (pickle.dumps([1, 2], protocol=3), "not everything in the list is an array"),
        (pickle.dumps({"a": 1, "b": 2}, protocol=3), "no list"),
        (BYTES + b"x", "data behind the list"),
        (BYTES[:-1], "cut off"),
        (BYTES[:5000], "cut off"),
        (BYTES.replace(b"joblib.numpy_pickle\nNumpyArrayWrapper", b"os\nsystem"), "os.system"),
        (BYTES.replace(b"X\x02\x00\x00\x00f4", b"X\x02\x00\x00\x00i4"), "floating point"),
        (BYTES.replace(b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00>"), "little-endian"),
        (b"\x80\x03]K\xecK@\x86.", "no list"),
        (b"", "an empty file"),
        (b"\x78\x9cabc", "compress=0"),
        (b"\x80\x04" + b"]" * 70000 + b".", "does not end"),
    ],
)
def test_anything_else_is_refused_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "best_params.jl"
    path.write_bytes(data)
    with pytest.raises(ParityError) as caught:
        open_checkpoint(path)
    assert words in str(caught.value)
    assert not (tmp_path / "executed").exists()


def specs() -> list[TensorSpec]:
    return [TensorSpec(name, entry.dtype, entry.shape) for name, entry in open_checkpoint(FILE).entries.items()]


def test_what_is_written_is_what_joblib_wrote_byte_for_byte(tmp_path: Path) -> None:
    opened = open_checkpoint(FILE)
    files = write_joblib(tmp_path / "best_params.jl", specs(), (opened.read(name) for name in opened.entries))
    assert [file.name for file in tmp_path.iterdir()] == ["best_params.jl"]
    assert files[0].read_bytes() == BYTES


def test_a_model_of_the_published_shape_is_read_again(tmp_path: Path) -> None:
    """Numbers beyond one byte and beyond two, and more names than one byte counts."""
    shapes = {"model/we": (70000, 4)} | {f"model/h{i}/{n}": s for i in range(12) for n, s in layer_shapes(4)}
    random = np.random.default_rng(2)
    held = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    wanted = [TensorSpec(name, "float32", shape) for name, shape in shapes.items()]
    (path,) = write_joblib(tmp_path / "best_params.jl", wanted, held.values())
    with open_checkpoint(path) as opened:
        assert opened.entries.keys() == held.keys()
        for name, array in held.items():
            np.testing.assert_array_equal(opened.read(name), array)


@pytest.mark.parametrize("fault", ["name", "missing", "shape", "dtype", "few", "many"])
def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, fault: str) -> None:
    wanted, arrays = specs(), [open_checkpoint(FILE).read(spec.name) for spec in specs()]
    if fault == "name":
        wanted[3] = TensorSpec("tokens", "float32", wanted[3].shape)
    if fault == "missing":
        wanted, arrays = wanted[1:], arrays[1:]
    if fault == "shape":
        arrays[2] = arrays[2][..., :-1]
    if fault == "dtype":
        arrays[2] = arrays[2].astype(np.float64)
    if fault == "few":
        arrays.pop()
    if fault == "many":
        arrays.append(arrays[0])
    with pytest.raises(ParityError):
        write_joblib(tmp_path / "best_params.jl", wanted, arrays)
    assert not list(tmp_path.iterdir())


def test_arrays_in_another_order_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "best_params.jl"
    path.write_bytes(BYTES.replace(b"K\xecK@\x86", b"K@K\xec\x86", 1))
    with pytest.raises(ParityError, match=r"model/h0/attn/c_attn/w"):
        open_checkpoint(path)


def test_a_fortran_ordered_array_is_read_as_its_values(tmp_path: Path) -> None:
    # joblib writes those bytes column by column and says so.
    path = tmp_path / "best_params.jl"
    path.write_bytes(BYTES.replace(b"X\x01\x00\x00\x00C", b"X\x01\x00\x00\x00F", 1))
    assert [one.fortran for one in read_list(path)].count(True) > 0
    plain, turned = open_checkpoint(FILE).read("model/we"), open_checkpoint(path).read("model/we")
    np.testing.assert_array_equal(turned, plain.reshape(-1).reshape(plain.shape, order="F"))
    assert turned.flags.c_contiguous


@settings(max_examples=150, deadline=None)
@given(
    at=st.integers(0, 400),
    new=st.binary(min_size=1, max_size=6),
)
def test_a_damaged_head_is_read_or_refused_but_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, at: int, new: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.jl"
    buffer = io.BytesIO(BYTES)
    buffer.seek(at)
    buffer.write(new)
    path.write_bytes(buffer.getvalue())
    with contextlib.suppress(ParityError):
        open_checkpoint(path).read("model/we")
