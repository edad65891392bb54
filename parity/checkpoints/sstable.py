"""The sorted table that an index file is: leveldb's format as TensorFlow keeps it, read and written from memory.

A table is data blocks, a meta block, an index block (last key of each data block -> its place) and a 48-byte footer.
A block is prefix-compressed entries, restart offsets, their count, then one byte of compression kind and the masked
CRC-32C of all that (https://github.com/google/leveldb/blob/main/doc/table_format.md).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import google_crc32c

from parity.checkpoints.wire import put_varint, read_varint
from parity.errors import ParityError

MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_FOOTER = 48
_TRAILER = 5
_BLOCK = 262_144
_RESTART_EVERY = 16


def masked(crc: int) -> int:
    """A CRC-32C as these formats store it: rotated and shifted, so that a CRC of stored CRCs stays meaningful."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every key with its value, in strictly ascending order of keys; all checksums verified.

    Raises:
        ParityError: any damage; at the latest when the last pair has been taken.
    """
    if len(data) < _FOOTER or not data.endswith(MAGIC):
        raise ParityError("this is not a checkpoint index, or its end is missing")
    footer = data[-_FOOTER : -len(MAGIC)]
    meta, at = _read_handle(footer, 0)
    index, _ = _read_handle(footer, at)
    for _ in _entries(_block(data, meta)):
        pass
    last: bytes | None = None
    for _, handle in _entries(_block(data, index)):
        empty = True
        for key, value in _entries(_block(data, _read_handle(handle, 0)[0])):
            if last is not None and key <= last:
                raise ParityError("the keys of the index are not in ascending order")
            last, empty = key, False
            yield key, value
        if empty:
            # Nothing writes one, and many handles on one large empty block would cost time without end.
            raise ParityError("the index has an empty block")


def _read_handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = read_varint(data, at)
    size, at = read_varint(data, at)
    return (offset, size), at


def _block(data: bytes, handle: tuple[int, int]) -> bytes:
    offset, size = handle
    if offset + size + _TRAILER > len(data) - _FOOTER:
        raise ParityError("a block of the index lies outside the file", got=f"{size} bytes at {offset}")
    checked = data[offset : offset + size + 1]
    stored = int.from_bytes(data[offset + size + 1 : offset + size + _TRAILER], "little")
    if masked(google_crc32c.value(checked)) != stored:
        raise ParityError(f"the checksum of the index block at byte {offset} does not match its content")
    if checked[-1] != 0:
        raise ParityError("a block of the index is compressed, which TensorFlow's own writer never does")
    return checked[:-1]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    count = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (count + 1)
    if end < 0 or not count:  # holds for blocks shorter than the count itself, too
        raise ParityError("a block of the index has no room for its restart points", got=count)
    restarts = set(struct.unpack_from(f"<{count}I", block, end))
    # Shared prefixes let a few bytes stand for a long key: what they may unfold to is bounded by the block itself.
    budget = 16_384 + 32 * len(block)
    at, key = 0, b""
    while at < end:
        start = at
        shared, at = read_varint(block, at)
        fresh, at = read_varint(block, at)
        size, at = read_varint(block, at)
        budget -= shared + fresh
        if shared > len(key) or at + fresh + size > end or budget < 0:
            raise ParityError(f"the entry at byte {start} of an index block does not fit the block")
        if not shared:
            restarts.discard(start)
        key = key[:shared] + block[at : at + fresh]
        at += fresh + size
        yield key, block[at - size : at]
    if restarts - {0}:
        raise ParityError("a block of the index has restart points that are not the start of an entry")


def write_table(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A table of `pairs`, whose keys must ascend; the bytes are those that TensorFlow's own writer makes."""
    out = bytearray()
    index = _Builder(restart_every=1)
    data = _Builder(restart_every=_RESTART_EVERY)
    waiting: tuple[bytes, bytes] | None = None
    for key, value in pairs:
        if waiting is not None:
            index.add(_between(waiting[0], key), waiting[1])
            waiting = None
        data.add(key, value)
        if len(data) >= _BLOCK:
            waiting = (data.last, _append(out, data.take()))
    if not data.empty:
        waiting = (data.last, _append(out, data.take()))
    meta = _append(out, _Builder(restart_every=1).take())
    if waiting is not None:
        index.add(_after(waiting[0]), waiting[1])
    footer = meta + _append(out, index.take())
    return bytes(out) + footer.ljust(_FOOTER - len(MAGIC), b"\0") + MAGIC


def _append(out: bytearray, block: bytes) -> bytes:
    handle = put_varint(len(out)) + put_varint(len(block))
    checked = block + b"\0"
    out += checked + masked(google_crc32c.value(checked)).to_bytes(4, "little")
    return handle


class _Builder:
    """Entries of one block."""

    def __init__(self, *, restart_every: int) -> None:
        self._every = restart_every
        self._reset()

    def _reset(self) -> None:
        self._body, self._restarts, self._since, self.last = bytearray(), [0], 0, b""

    def __len__(self) -> int:
        return len(self._body) + 4 * (len(self._restarts) + 1)

    @property
    def empty(self) -> bool:
        return not self._body

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._since >= self._every:
            self._restarts.append(len(self._body))
            self._since = 0
        elif self._body:
            shared = _common(self.last, key)
        self._body += put_varint(shared) + put_varint(len(key) - shared) + put_varint(len(value)) + key[shared:] + value
        self._since += 1
        self.last = key

    def take(self) -> bytes:
        block = bytes(self._body) + struct.pack(f"<{len(self._restarts) + 1}I", *self._restarts, len(self._restarts))
        self._reset()
        return block


def _common(one: bytes, other: bytes) -> int:
    shortest = min(len(one), len(other))
    return next((i for i in range(shortest) if one[i] != other[i]), shortest)


def _between(low: bytes, high: bytes) -> bytes:
    """A short key in [low, high), as leveldb picks it for its index."""
    at = _common(low, high)
    if at < min(len(low), len(high)) and low[at] < 0xFF and low[at] + 1 < high[at]:
        return low[:at] + bytes([low[at] + 1])
    return low


def _after(low: bytes) -> bytes:
    """A short key not below `low`."""
    at = next((i for i, byte in enumerate(low) if byte != 0xFF), None)
    return low if at is None else low[:at] + bytes([low[at] + 1])
