"""INPUTS files: round trips, and files that lie."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.inputs.batch import Batch, as_trace
from parity.inputs.batches import build_batches, digest
from parity.inputs.files import read_inputs, write_inputs
from parity.inputs.npz import read_npz
from parity.inputs.wordpiece import Tokenizer
from parity.tensorfile import TensorSpec, write_tensors
from parity.traces import TraceBatch, batch_path, write_batch

SIZES = {"vocab_size": 1000, "positions": 40, "token_types": 2}
IDS = np.array([[2, 7, 9, 3], [2, 8, 3, 0]], np.int32)


@pytest.fixture(scope="module")
def batches(golden_tokenizer: Tokenizer) -> tuple[Batch, ...]:
    return build_batches(golden_tokenizer, positions=40, token_types=2)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_round_trip(tmp_path: Path, batches: tuple[Batch, ...], suffix: str) -> None:
    for batch in batches:
        path = tmp_path / f"{batch.name}{suffix}"
        write_inputs(path, batch)
        (back,) = read_inputs(path, **SIZES)
        assert back.name == batch.name
        assert back.texts == batch.texts
        assert digest([back]) == digest([batch])
    assert len(list(tmp_path.iterdir())) == len(batches), "nothing is left beside the files"
    whole = read_inputs(tmp_path, **SIZES)
    assert digest(whole) == digest(sorted(batches, key=lambda batch: batch.name))


def test_safetensors_keeps_what_is_shown(tmp_path: Path, batches: tuple[Batch, ...]) -> None:
    paired = next(batch for batch in batches if batch.kind == "paired")
    write_inputs(tmp_path / "x.safetensors", paired)
    (back,) = read_inputs(tmp_path / "x.safetensors", **SIZES)
    assert (back.name, back.kind, back.shown) == (paired.name, paired.kind, paired.shown)


def test_a_folder_of_a_trace_gives_its_inputs(tmp_path: Path, batches: tuple[Batch, ...]) -> None:
    for number, batch in enumerate(batches):
        trace = as_trace(batch)
        taps = {"layer.0": np.zeros((*batch.arrays["input_ids"].shape, 4), np.float32)}
        write_batch(batch_path(tmp_path, number), TraceBatch(taps, trace.inputs, trace.meta))
    write_inputs(tmp_path / "another.npz", batches[0])
    back = read_inputs(tmp_path, **SIZES)
    assert digest(back) == digest(batches)
    assert [batch.shown for batch in back] == [batch.shown for batch in batches]
    (one,) = read_inputs(batch_path(tmp_path, 3), **SIZES)
    assert digest([one]) == digest([batches[3]])


def test_only_ids_are_needed(tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", input_ids=IDS.astype(np.int64))
    np.savez_compressed(tmp_path / "squeezed.npz", input_ids=np.asfortranarray(IDS), texts=np.array(["да", "нет"]))
    plain, squeezed = read_inputs(tmp_path, **SIZES)
    np.testing.assert_array_equal(plain.arrays["input_ids"], squeezed.arrays["input_ids"], strict=True)
    assert (plain.name, plain.texts, squeezed.texts) == ("plain", None, ("да", "нет"))


def refusal(path: Path) -> str:
    with pytest.raises(ParityError) as caught:
        read_inputs(path, **SIZES)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_paths(tmp_path: Path) -> None:
    assert "no such inputs" in refusal(tmp_path / "absent.npz")
    assert "no inputs in this folder" in refusal(tmp_path)
    (tmp_path / "x.csv").write_text("1,2")
    assert "inputs of an unknown kind" in refusal(tmp_path / "x.csv")
    with pytest.raises(ParityError, match="unknown kind"):
        write_inputs(tmp_path / "x.csv", Batch("x", {"input_ids": IDS}, None))


def test_all_files_of_a_folder_are_judged(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", input_ids=IDS + 1000)
    np.savez(tmp_path / "b.npz", input_ids=IDS)
    np.savez(tmp_path / "c.npz", mask=IDS)
    write_inputs(tmp_path / "b.safetensors", Batch("b", {"input_ids": IDS}, None))
    message = refusal(tmp_path)
    for part in (
        "a.npz: input_ids at row 0",
        "c.npz",
        "unknown array mask",
        "no array input_ids",
        "two batches are named b",
    ):
        assert part in message


def member(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


class _Boom:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (_explode, ("unpickled",))


def _explode(word: str) -> None:
    raise SystemExit(word)


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        pickle.loads(pickle.dumps(_Boom()))
    path = archive(tmp_path / "x.npz", {"input_ids.npy": member(np.array([_Boom()], object), allow_pickle=True)})
    assert "holds Python objects, which are never unpickled" in refusal(path)


def test_a_bomb_is_refused_by_its_sizes(tmp_path: Path) -> None:
    header = member(np.zeros((0, 40), np.int32)).replace(b"(0, 40), }", b"(9000000, 40), }")
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as file, file.open("input_ids.npy", "w") as out:
        out.write(header)
        for _ in range(260):
            out.write(bytes(1 << 20))
    assert (tmp_path / "x.npz").stat().st_size < 1 << 20
    assert "unpacks to too much (got 272629" in refusal(tmp_path / "x.npz")


def test_a_shape_is_not_believed(tmp_path: Path) -> None:
    data = member(IDS)
    for shape in (b"(9, 9), } ", b"(-2, 4), }", b"(-2,-4), }"):
        path = archive(tmp_path / "x.npz", {"input_ids.npy": data.replace(b"(2, 4), } ", shape)})
        assert "shape does not fit its data" in refusal(path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("notes.txt", b"hello", "member notes.txt is no array"),
        ("input_ids.npy", b"hello, this is no array", "damaged or not an .npz file"),
        ("input_ids.npy", member(IDS)[:40], "damaged or not an .npz file"),
        ("input_ids.npy", b"\x93NUMPY\x09\x00" + member(IDS)[8:], "unknown version of the .npy format"),
        ("texts.npy", member(np.zeros(2)), "texts is no list of strings"),
        ("texts.npy", member(np.array([b"a", b"b"])), "texts is no list of strings"),
        ("texts.npy", member(np.array([["a"], ["b"]])), "texts is no list of strings"),
    ],
)
def test_odd_members(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    assert message in refusal(archive(tmp_path / "x.npz", {"input_ids.npy": member(IDS), name: data} | {name: data}))


def test_not_a_zip_and_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"not a zip archive")
    assert "damaged or not an .npz file" in refusal(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", input_ids=IDS)
    data = bytearray((tmp_path / "y.npz").read_bytes())
    data[data.index(IDS.tobytes()) + 3] ^= 1
    (tmp_path / "y.npz").write_bytes(data)
    assert "CRC" in refusal(tmp_path / "y.npz")


@pytest.mark.parametrize("value", ["not json", '{"a": 1}', "[1, 2]", '["a", null]', "[" * 100_000])
def test_texts_in_metadata_are_strings(tmp_path: Path, value: str) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, [TensorSpec("input_ids", "int32", IDS.shape)], [IDS], metadata={"texts": value})
    assert "metadata texts is no JSON list of strings" in refusal(path)


def test_a_name_from_outside_stays_a_name(tmp_path: Path) -> None:
    for name in ("../../escape", "", ".hidden", "a b", "x" * 200):
        path = tmp_path / "given.safetensors"
        write_tensors(path, [TensorSpec("input_ids", "int32", IDS.shape)], [IDS], metadata={"name": name})
        assert [batch.name for batch in read_inputs(path, **SIZES)] == ["given"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_inputs(path, Batch("x", {"input_ids": IDS}, None))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Object arrays"):
        write_inputs(path, Batch("x", {"input_ids": np.array([object()])}, None))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.npz"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_one_clear_line(tmp_path: Path, batches: tuple[Batch, ...], data: st.DataObject) -> None:
    """Bytes changed, cut or doubled anywhere: the batch as it was or a ParityError, never another exception."""
    suffix = data.draw(st.sampled_from([".npz", ".safetensors"]))
    path = tmp_path / f"damaged{suffix}"
    write_inputs(path, batches[0])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    with contextlib.suppress(ParityError):
        (back,) = read_inputs(path, **SIZES)
        assert back.arrays["input_ids"].shape[1] <= SIZES["positions"]


def test_the_reader_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.array("one"), c=np.asfortranarray(IDS))
    arrays = read_npz(tmp_path / "x.npz")
    assert {name: array.tolist() for name, array in arrays.items()} == {"a": [0, 1, 2], "b": "one", "c": IDS.tolist()}
    assert all(array.flags.c_contiguous and array.flags.writeable for array in arrays.values())
    with pytest.raises(ParityError, match="unpacks to too much"):
        read_npz(tmp_path / "x.npz", largest=100)
