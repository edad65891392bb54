"""Damage of every kind: the tensors come back as they were, or one `ParityError` does; memory stays in proportion.

Every round is made from its own seed, which a failure names. `PARITY_FUZZ=20000` makes more rounds than the default.
"""

from __future__ import annotations

import os
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.checkpoints import open_checkpoint
from parity.checkpoints.index import read_index
from parity.checkpoints.sstable import read_table, write_table
from parity.checkpoints.wire import Message, read_message
from parity.errors import ParityError
from parity.tensorfile import Array, numpy_dtype

from .support import DATA, Pairs, content, encoded, read, reseal, small, write

ROUNDS = int(os.environ.get("PARITY_FUZZ", "600"))
NAME = "model.ckpt"
INDEX = f"{NAME}.index"
SPECIAL = [0, 1, -1, 2, 3, 7, 64, 127, 128, 2**31 - 1, 2**31, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63)]

Files = dict[str, bytes]
Maker = Callable[[random.Random, Files, Files], Files]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    """Three bundles as file name -> bytes: two of ours, one of TensorFlow's with slices over three files."""
    numpy_dtype("bfloat16")  # imported once, not on some round's account
    ours, other = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("other")
    write(ours / NAME, small(), shards=2)
    write(other / NAME, {name: array + 1 for name, array in small().items()}, shards=2)
    folders = {"ours": ours, "other": other, "three": DATA / "three_shards"}
    return {key: {path.name: path.read_bytes() for path in sorted(folder.iterdir())} for key, folder in folders.items()}


def outcome(folder: Path, files: Files) -> tuple[dict[str, Array], dict[str, int]] | str:
    """All tensors with the number of their slices, or the refusal; nothing else, and no memory out of proportion."""
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    result: tuple[dict[str, Array], dict[str, int]] | str
    try:
        with open_checkpoint(folder / NAME) as checkpoint:
            arrays = {name: checkpoint.read(name) for name in checkpoint.entries}
            result = arrays, {name: entry.slices for name, entry in checkpoint.entries.items()}
    except ParityError as error:
        result = error.what if error.where and error.remedy and len(str(error)) < 20_000 else ""
    assert result, "a refusal without place or remedy, or without end"
    used, size = tracemalloc.get_traced_memory()[1] - before, sum(map(len, files.values()))
    assert used < 60 * size + 300_000, f"{used} bytes of memory for files of {size}"
    return result


def campaign(folder: Path, bundles: dict[str, Files], make: Maker, judge: Callable[[Files, object], None]) -> None:
    """Many rounds; both ends, refused and read, must have been met, else the damage is of no use."""
    met: Counter[bool] = Counter()
    tracemalloc.start()
    try:
        for seed in range(ROUNDS):
            chance = random.Random(seed)
            base = bundles[chance.choice(["ours", "three"])]
            files = make(chance, base, bundles[chance.choice(["ours", "other", "three"])])
            try:
                result = outcome(folder, files)
                if not isinstance(result, str):
                    judge(base, result)
            except BaseException as error:
                error.add_note(f"round {seed} of {make.__name__}")
                raise
            met[isinstance(result, str)] += 1
    finally:
        tracemalloc.stop()
    assert min(met[True], met[False]) > ROUNDS // 100, met


def blind(chance: random.Random, base: Files, donor: Files) -> Files:
    """One to three pieces of damage that know nothing of the format."""
    files = dict(base)
    for _ in range(chance.randint(1, 3)):
        name = chance.choice(sorted(files))
        data, source = bytearray(files[name]), donor[chance.choice(sorted(donor))]
        at = chance.randrange(len(data) + 1)
        kind = chance.choice(["flip", "cut", "splice", "insert", "exchange", "append"])
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == "cut":
            del data[at:]
        elif kind in ("splice", "insert"):
            start = chance.randrange(len(source))
            piece = source[start : start + chance.randint(1, 64)]
            data[at : at + (len(piece) if kind == "splice" else 0)] = piece
        elif kind == "exchange":
            data = bytearray(donor.get(name, source))
        elif kind == "append":
            data += source[: chance.randint(1, 64)]
        files[name] = bytes(data)
        if chance.random() < 0.05:
            del files[name]
        if not files or chance.random() < 0.02:
            return dict(donor)
    return files


def records(chance: random.Random, base: Files, donor: Files) -> Files:
    """An index whose records were tampered with, its checksums made good."""
    pairs: Pairs = list(read_table(base[INDEX]))
    for _ in range(chance.randint(1, 2)):
        at, other = chance.randrange(len(pairs)), chance.randrange(len(pairs))
        kind = chance.choice(["change"] * 5 + ["drop", "exchange", "double", "rename"])
        if kind == "change":
            pairs[at] = (pairs[at][0], tampered(chance, pairs[at][1]))
        elif kind == "drop" and len(pairs) > 1:
            del pairs[at]
        elif kind == "exchange":
            pairs[at], pairs[other] = (pairs[at][0], pairs[other][1]), (pairs[other][0], pairs[at][1])
        elif kind == "double":
            pairs.insert(at, pairs[other])
        elif kind == "rename":
            key = chance.choice([pairs[other][0] + b"x", b"\0", b"\xff", b"", chance.randbytes(chance.randint(0, 8))])
            pairs[at] = (key, pairs[at][1])
    return base | {INDEX: write_table(sorted(pairs) if chance.random() < 0.7 else pairs)}


def tampered(chance: random.Random, data: bytes, depth: int = 0) -> bytes:
    """A record with a field changed, dropped or repeated, at any depth; or with a byte changed."""
    try:
        message = read_message(data)
    except ParityError:
        return chance.randbytes(chance.randint(0, 12))
    numbers, strings = dict(message.numbers), {field: list(bodies) for field, bodies in message.strings.items()}
    known = [*numbers, *strings]
    kind = chance.choice(["number"] * 3 + ["drop", "repeat", "byte"] + ["deeper"] * 4)
    if kind == "deeper" and strings and depth < 4:
        field = chance.choice(sorted(strings))
        at = chance.randrange(len(strings[field]))
        strings[field][at] = tampered(chance, strings[field][at], depth + 1)
    elif kind == "repeat" and strings:
        field = chance.choice(sorted(strings))
        strings[field] += [chance.choice(strings[field])] * chance.choice([1, 2, 70])
    elif kind == "drop" and known:
        field = chance.choice(known)
        numbers.pop(field, None)
        strings.pop(field, None)
    elif kind == "byte" and data:
        broken = bytearray(data)
        broken[chance.randrange(len(broken))] = chance.randrange(256)
        return bytes(broken)
    else:
        field = chance.choice([*numbers, chance.randint(1, 8)])
        strings.pop(field, None)
        near = numbers.get(field, 0) + chance.randint(-8, 8)
        numbers[field] = chance.choice([*SPECIAL, near, near, near, chance.getrandbits(64) - 2**63])
    return encoded(Message(numbers, strings))


def blocks(chance: random.Random, base: Files, donor: Files) -> Files:
    """An index whose bytes were tampered with anywhere, its blocks' checksums made good as far as they are found."""
    index = bytearray(base[INDEX])
    for _ in range(chance.randint(1, 3)):
        index[chance.randrange(len(index) - 48)] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
    return base | {INDEX: reseal(bytes(index))}


def test_blind_damage(bundles: dict[str, Files], tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    known = []
    for files in bundles.values():
        outcome(folder, files)
        known.append(content(read(folder)))

    def judge(base: Files, result: object) -> None:
        # Checksums see everything, so only a whole checkpoint may come back: this one, or all of another.
        arrays, _ = result  # type: ignore[misc]
        assert content(arrays) in known

    campaign(folder, bundles, blind, judge)


@pytest.mark.parametrize("make", [records, blocks])
def test_damage_that_checksums_do_not_see(bundles: dict[str, Files], tmp_path: Path, make: Maker) -> None:
    def judge(base: Files, result: object) -> None:
        # Names, shapes and dtypes may now lie; the bytes of a tensor stored whole cannot.
        arrays, slices = result  # type: ignore[misc]
        shards = [base[name] for name in sorted(base) if name != INDEX]
        whole = {
            shards[piece.shard][piece.offset : piece.offset + piece.nbytes]
            for stored in read_index(base[INDEX])[1].values()
            for piece in stored.pieces
        }
        assert all(array.tobytes() in whole for name, array in arrays.items() if slices[name] == 1 and array.size)

    campaign(tmp_path, bundles, make, judge)
