"""Small bundles, and ways to take them apart and put them together again with checksums that hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import google_crc32c
import numpy as np

from parity.checkpoints import open_checkpoint, write_bundle
from parity.checkpoints.sstable import MAGIC, masked, read_table, write_table
from parity.checkpoints.wire import Message, put_varint, read_message, read_varint
from parity.tensorfile import Array, TensorSpec

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text())
GOLDENS = Path(__file__).parents[2] / "fixtures" / "goldens"

Pairs = list[tuple[bytes, bytes]]


def small() -> dict[str, Array]:
    random = np.random.default_rng(7)
    return {
        "bert/embeddings/word_embeddings": random.normal(size=(5, 4)).astype(np.float32),
        "bert/pooler/dense/kernel": random.normal(size=(4, 4)).astype(np.float16),
        "global_step": np.array(11, np.int64),
    }


def write(prefix: Path, arrays: Mapping[str, Array], *, shards: int = 1) -> tuple[Path, ...]:
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in arrays.items()]
    return write_bundle(prefix, specs, arrays.values(), shards=shards)


def read(path: Path) -> dict[str, Array]:
    with open_checkpoint(path) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.entries}


def content(arrays: Mapping[str, Array]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """What must be equal, NaN included."""
    return {name: (array.dtype.name, array.shape, array.tobytes()) for name, array in arrays.items()}


def pairs_of(index: Path) -> Pairs:
    return list(read_table(index.read_bytes()))


def put_pairs(index: Path, pairs: Iterable[tuple[bytes, bytes]]) -> None:
    index.write_bytes(write_table(pairs))


def edit(index: Path, key: bytes, **fields: object) -> None:
    """Set fields of one record by number (`f4=7`; bytes for a nested one, None drops it); checksums are made good."""
    pairs = [(k, edited(v, {int(f[1:]): x for f, x in fields.items()}) if k == key else v) for k, v in pairs_of(index)]
    put_pairs(index, pairs)


def edited(value: bytes, fields: Mapping[int, object]) -> bytes:
    message = read_message(value)
    numbers, strings = dict(message.numbers), {field: list(bodies) for field, bodies in message.strings.items()}
    for field, new in fields.items():
        numbers.pop(field, None)
        strings.pop(field, None)
        if isinstance(new, int):
            numbers[field] = new
        elif isinstance(new, bytes):
            strings[field] = [new]
        elif isinstance(new, list):
            strings[field] = new
    return encoded(Message(numbers, strings))


def encoded(message: Message) -> bytes:
    out = b"".join(put_varint(field << 3) + put_varint(number) for field, number in message.numbers.items())
    for field, bodies in message.strings.items():
        out += b"".join(put_varint(field << 3 | 2) + put_varint(len(body)) + body for body in bodies)
    return out


def shape(*sizes: int) -> bytes:
    return encoded(Message({}, {2: [encoded(Message({1: size}, {})) for size in sizes]}))


def box(*extents: tuple[int, int]) -> bytes:
    return encoded(Message({}, {1: [encoded(Message({1: start, 2: length}, {})) for start, length in extents]}))


def raw_entry(shared: int, fresh: bytes, value: bytes) -> bytes:
    return put_varint(shared) + put_varint(len(fresh)) + put_varint(len(value)) + fresh + value


def raw_block(entries: bytes, restarts: Iterable[int] = (0,)) -> bytes:
    places = list(restarts)
    return entries + b"".join(place.to_bytes(4, "little") for place in (*places, len(places)))


def raw_table(blocks: Iterable[bytes], *, kind: int = 0, repeat: int = 1) -> bytes:
    """A table of ready-made data blocks; `repeat` lists each of them several times."""
    out, handles = bytearray(), []
    for block in blocks:
        handles.append(_seal(out, block, kind))
    meta = _seal(out, raw_block(b""), 0)
    entries = [raw_entry(0, b"k%d" % i, handle) for i, handle in enumerate(handles * repeat)]
    starts = [sum(map(len, entries[:i])) for i in range(len(entries))]
    index = _seal(out, raw_block(b"".join(entries), starts or [0]), 0)
    return bytes(out) + (meta + index).ljust(40, b"\0") + MAGIC


def _seal(out: bytearray, block: bytes, kind: int) -> bytes:
    handle = put_varint(len(out)) + put_varint(len(block))
    out += block + bytes([kind])
    out += masked(google_crc32c.value(block + bytes([kind]))).to_bytes(4, "little")
    return handle


def reseal(table: bytes) -> bytes:
    """The table with every block's checksum made good for what the block holds now, as far as its handles lead."""
    out = bytearray(table)
    footer = table[-48:]
    numbers, at = [], 0
    for _ in range(4):
        number, at = read_varint(footer, at)
        numbers.append(number)
    handles = [(numbers[0], numbers[1]), (numbers[2], numbers[3]), (0, numbers[0] - 5)]
    for offset, size in handles:
        checked = bytes(out[offset : offset + size + 1])
        out[offset + size + 1 : offset + size + 5] = masked(google_crc32c.value(checked)).to_bytes(4, "little")
    return bytes(out)
