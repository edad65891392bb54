"""OpenAI GPT's parameters: ten chunks without names, and everything that can be wrong with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from parity.checkpoints import fingerprint, open_checkpoint
from parity.checkpoints.flat import FlatCheckpoint, chunk_sizes
from parity.checkpoints.flat_write import write_flat
from parity.checkpoints.openai import in_order, layer_shapes, named
from parity.errors import ParityError
from parity.tensorfile import TensorSpec

from .support import GOLDENS

GPT = GOLDENS / "gpt"
META = json.loads((GPT / "meta.json").read_text())
NAMES = [(name, tuple(shape)) for name, shape in META["param_names"]]
Change = Callable[[Path], object]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "gpt"
    folder.mkdir()
    for file in GPT.glob("params_*"):
        shutil.copyfile(file, folder / file.name)
    return folder


def test_names_shapes_and_values_are_the_vectors_in_its_order() -> None:
    vector = np.concatenate([np.load(GPT / f"params_{number}.npy") for number in range(10)])
    at = 0
    with open_checkpoint(GPT) as checkpoint:
        assert checkpoint.format == "openai-params"
        assert list(checkpoint.entries) == sorted(name for name, _ in NAMES)
        for name, shape in NAMES:
            size = int(np.prod(shape))
            read = checkpoint.read(name)
            assert read.dtype == np.float32
            assert checkpoint.entries[name].shape == read.shape == shape
            assert checkpoint.entries[name].nbytes == 4 * size
            assert read.flags.owndata or read.base.flags.owndata
            np.testing.assert_array_equal(read.reshape(-1), vector[at : at + size])
            at += size
    assert at == vector.size
    across = [entry for entry in checkpoint.entries.values() if len(entry.shards) > 1]
    assert across, "no tensor crosses from one chunk to the next"


@pytest.mark.parametrize("name", ["", "params_shapes.json", "params_7.npy"])
def test_a_folder_its_shapes_and_any_chunk_mean_the_same(name: str) -> None:
    opened = open_checkpoint(GPT / name)
    assert opened.prefix == GPT / "params_shapes.json"
    assert open_checkpoint(opened.prefix).entries == opened.entries
    assert [file.name for file in opened.files] == ["params_shapes.json", *(f"params_{n}.npy" for n in range(10))]


def test_a_closed_checkpoint_and_unknown_names_are_refused() -> None:
    opened = open_checkpoint(GPT)
    with pytest.raises(ParityError, match=r"no tensor model/h0/ln_1/gamma .*model/h0/ln_1/g"):
        opened.read("model/h0/ln_1/gamma")
    opened.close()
    opened.close()
    with pytest.raises(ParityError, match="closed"):
        opened.read("tokens")


def test_other_numbers_give_another_fingerprint(copy: Path) -> None:
    before = fingerprint(open_checkpoint(copy))
    assert before == fingerprint(open_checkpoint(GPT))
    data = bytearray((copy / "params_9.npy").read_bytes())
    data[-1] ^= 1
    (copy / "params_9.npy").write_bytes(data)
    assert fingerprint(open_checkpoint(copy)) != before


def test_chunks_are_cut_as_numpy_cuts() -> None:
    for total in (10, 11, 164864, 116_534_784):
        assert chunk_sizes(total) == [len(part) for part in np.array_split(np.empty(total, np.uint8), 10)]


def swap(folder: Path, one: int, other: int) -> None:
    first, second = folder / f"params_{one}.npy", folder / f"params_{other}.npy"
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)


def test_swapped_chunks_are_refused_unless_nothing_can_tell(copy: Path) -> None:
    silent = set()
    for one, other in combinations(range(10), 2):
        swap(copy, one, other)
        try:
            open_checkpoint(copy)
            silent.add((one, other))
        except ParityError as error:
            told = str(error)
            assert f"params_{one}.npy" in told or f"params_{other}.npy" in told
            assert "out of order" in told or "swapped" in told
        swap(copy, one, other)
    # Chunks of equal size that hold no gain of a norm: a format without names cannot see it.
    assert silent == {(0, 2), (5, 8)}


def test_the_order_is_taken_as_it_is_where_the_user_says_so(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swap(copy, 1, 3)
    with pytest.raises(ParityError, match="PARITY_TRUST_ORDER=1"):
        open_checkpoint(copy)
    monkeypatch.setenv("PARITY_TRUST_ORDER", "1")
    assert open_checkpoint(copy).entries.keys() == dict(NAMES).keys()


def rewrite(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda folder: np.save(folder / name, change(np.load(folder / name)))


def shapes(change: Callable[[list[list[int]]], object]) -> Change:
    def apply(folder: Path) -> None:
        path = folder / "params_shapes.json"
        held = json.loads(path.read_text())
        change(held)
        path.write_text(json.dumps(held))

    return apply


def grow(folder: Path) -> None:
    with (folder / "params_4.npy").open("ab") as file:
        file.write(b"\0" * 8)


def cut(folder: Path) -> None:
    path = folder / "params_4.npy"
    path.write_bytes(path.read_bytes()[:-4])


def forge(folder: Path) -> None:
    """A header that claims far more than the file holds."""
    path = folder / "params_4.npy"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"(16486,), }      ", b"(9999999999999,)}"))


def swap_shapes(held: list[list[int]]) -> None:
    held[3], held[4] = held[4], held[3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "params_3.npy").unlink(), ["params_3.npy is missing"]),
        (lambda folder: (folder / "params_shapes.json").unlink(), ["params_shapes.json is missing"]),
        (lambda folder: shutil.copy(folder / "params_9.npy", folder / "params_10.npy"), ["params_10.npy", "too many"]),
        (grow, ["params_4.npy", "behind its array"]),
        (cut, ["params_4.npy", "cut off"]),
        (forge, ["params_4.npy"]),
        (rewrite("params_4.npy", lambda x: x.astype(np.float64)), ["params_4.npy", "<f8", "<f4"]),
        (rewrite("params_4.npy", lambda x: x.astype(">f4")), ["params_4.npy", ">f4"]),
        (rewrite("params_4.npy", lambda x: x[None]), ["params_4.npy", "not one vector"]),
        (rewrite("params_4.npy", lambda x: x[:-1]), ["params_4.npy", "16485", "16486"]),
        (lambda folder: (folder / "params_4.npy").write_bytes(b"PK\3\4"), ["params_4.npy", "zip"]),
        (lambda folder: np.save(folder / "params_4.npy", np.array([{}]), allow_pickle=True), ["params_4.npy", "|O"]),
        (shapes(swap_shapes), ["shape 3", "model/h0/attn/c_attn/b", "shape 4"]),
        (shapes(lambda held: held.pop()), ["37 shapes"]),
        (shapes(lambda held: held[1].__setitem__(1, 63)), ["shape 1", "tokens"]),
        (shapes(lambda held: held[1].__setitem__(0, 194)), ["params_0.npy", "params_9.npy"]),
        (shapes(lambda held: held[1].__setitem__(0, -1)), ["not a list of shapes"]),
        (lambda folder: (folder / "params_shapes.json").write_text("[[1"), ["not JSON"]),
        (lambda folder: (folder / "params_shapes.json").write_text('{"a": 1}'), ["not a list of shapes"]),
        (lambda folder: (folder / "params_shapes.json").write_text("[]"), ["0 shapes"]),
        (lambda folder: (folder / "model.ckpt.index").write_bytes(b""), ["several checkpoints"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(copy: Path, change: Change, words: list[str]) -> None:
    change(copy)
    with pytest.raises(ParityError) as caught:
        open_checkpoint(copy)
    for word in words:
        assert word in str(caught.value)


def test_a_chunk_that_shrinks_while_it_is_open_is_told(copy: Path) -> None:
    opened = open_checkpoint(copy)
    cut(copy)
    last = next(name for name, entry in opened.entries.items() if entry.shards == (4, 5))
    with pytest.raises(ParityError, match="ended while it was read"):
        opened.read(last)


def specs(opened: FlatCheckpoint) -> list[TensorSpec]:
    return [TensorSpec(name, entry.dtype, entry.shape) for name, entry in opened.entries.items()]


def test_what_is_written_is_what_was_published_byte_for_byte(tmp_path: Path) -> None:
    opened = open_checkpoint(GPT)
    found = write_flat(tmp_path / "params_shapes.json", specs(opened), (opened.read(name) for name in opened.entries))
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in found)
    for file in found:
        assert file.read_bytes() == (GPT / file.name).read_bytes()


def test_views_are_written_as_their_values(tmp_path: Path) -> None:
    opened = open_checkpoint(GPT)
    turned = (opened.read(name).T.copy().T for name in opened.entries)
    write_flat(tmp_path / "params_shapes.json", specs(opened), turned)
    assert (tmp_path / "params_5.npy").read_bytes() == (GPT / "params_5.npy").read_bytes()


@pytest.mark.parametrize("fault", ["name", "missing", "shape", "dtype", "few", "many"])
def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, fault: str) -> None:
    opened = open_checkpoint(GPT)
    wanted = specs(opened)
    arrays = [opened.read(spec.name) for spec in wanted]
    if fault == "name":
        wanted[0] = TensorSpec("model/h0/attn/c_attn/x", "float32", wanted[0].shape)
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
        write_flat(tmp_path / "params_shapes.json", wanted, arrays)
    assert not list(tmp_path.iterdir())


def test_the_published_shapes_have_their_146_names() -> None:
    published = [(512, 768), (40478, 768), *(shape for _ in range(12) for _, shape in layer_shapes(768))]
    found = named(published, ("positions", "tokens"), where="params_shapes.json")
    assert len(found) == 146
    assert sum(int(np.prod(shape)) for _, shape in found) == 116_534_784
    assert [name for name, _ in found] == in_order(sorted(name for name, _ in found), where="here")
    assert found[2] == ("model/h0/attn/c_attn/w", (1, 768, 2304))
    assert found[-1] == ("model/h11/ln_2/b", (768,))
