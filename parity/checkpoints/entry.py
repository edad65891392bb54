"""The two records of an index: `BundleHeaderProto` and `BundleEntryProto`, read with every field in doubt, and written.

Their fields are listed in tensorflow/core/protobuf/tensor_bundle.proto, dtype codes in
tensorflow/core/framework/types.proto. Errors come without a place; whoever opened the file adds it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from parity.checkpoints.slices import WHOLE, Box
from parity.checkpoints.wire import Message, bytes_field, fixed32_field, number_field, read_message
from parity.errors import ParityError
from parity.tensorfile import numpy_dtype

STRING = "string"
DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: STRING, 9: "int64", 10: "bool",
    14: "bfloat16", 17: "uint16", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
CODES = {name: code for code, name in DTYPES.items()}
MOST_SHARDS = 99_999
MOST_AXES = 64  # NumPy's own limit
_VERSION = 1
_BIG_ENDIAN = 1


@dataclass(frozen=True)
class Piece:
    """Bytes `offset` to `offset + nbytes` of data file `shard`, with their masked CRC-32C, and where they belong.

    `box` is None when the piece is the whole tensor.
    """

    shard: int
    offset: int
    nbytes: int
    crc: int
    box: Box | None = None


@dataclass(frozen=True)
class Entry:
    """What the index says under one key; with `slices` it only describes a tensor whose parts have their own keys."""

    dtype: str
    shape: tuple[int, ...]
    piece: Piece
    slices: tuple[Box, ...]


def read_header(value: bytes) -> int:
    """Number of data files.

    Raises:
        ParityError: big-endian, from a newer writer, or an impossible number.
    """
    header = read_message(value)
    if header.number(2) == _BIG_ENDIAN:
        raise ParityError("the checkpoint is big-endian", remedy="save it again on a little-endian machine")
    oldest = header.message(3).number(2)
    if oldest > _VERSION:
        raise ParityError(
            "the checkpoint wants a newer reader", got=f"version {oldest}", expected=f"version {_VERSION}"
        )
    shards = header.number(1)
    if not 1 <= shards <= MOST_SHARDS:
        raise ParityError("the number of data files cannot be", got=shards, expected=f"1 to {MOST_SHARDS}")
    return shards


def read_entry(value: bytes, shards: int) -> Entry:
    """One tensor's record, its numbers judged against each other and the number of data files.

    Raises:
        ParityError: an unknown dtype, an impossible shape or place, or a size that is not that of dtype and shape.
    """
    entry = read_message(value)
    code = entry.number(1)
    if code not in DTYPES:
        raise ParityError("its dtype is none that is read here", got=f"code {code}", expected=", ".join(CODES))
    shape = _read_shape(entry.message(2))
    piece = Piece(entry.number(3), entry.number(4), entry.number(5), entry.number(6))
    if not 0 <= piece.shard < shards:
        raise ParityError("its data file does not exist", got=f"number {piece.shard}", expected=f"0 to {shards - 1}")
    if min(piece.offset, piece.nbytes) < 0:
        raise ParityError("its place in the data file is negative", got=f"{piece.nbytes} bytes at {piece.offset}")
    slices = tuple(_read_box(body) for body in entry.all(7))
    if DTYPES[code] != STRING:
        # NumPy multiplies extents without regard to zeros, so that an empty tensor can overflow as well.
        if math.prod(size or 1 for size in shape) >> 58:
            raise ParityError("its shape is beyond any memory", got=shape)
        wanted = math.prod(shape) * numpy_dtype(DTYPES[code]).itemsize
        if piece.nbytes != wanted and not slices:
            raise ParityError("its size is not that of its shape", got=piece.nbytes, expected=wanted)
    return Entry(DTYPES[code], shape, piece, slices)


def _read_shape(shape: Message) -> tuple[int, ...]:
    dims = shape.all(2)
    if shape.number(3) or len(dims) > MOST_AXES:
        raise ParityError("its rank is unknown or too large", got=len(dims), expected=f"at most {MOST_AXES}")
    sizes = tuple(read_message(dim).number(1) for dim in dims)
    if min(sizes, default=0) < 0:
        raise ParityError("its shape has a negative extent", got=sizes)
    return sizes


def _read_box(body: bytes) -> Box:
    extents = (read_message(extent) for extent in read_message(body).all(1))
    return tuple((extent.number(1), extent.numbers.get(2, WHOLE)) for extent in extents)


def write_header(shards: int) -> bytes:
    """The header's value."""
    return number_field(1, shards) + bytes_field(3, number_field(1, _VERSION))


def write_entry(dtype: str, shape: tuple[int, ...], piece: Piece) -> bytes:
    """The value of a tensor that is stored whole."""
    dims = b"".join(bytes_field(2, number_field(1, size)) for size in shape)
    return (
        number_field(1, CODES[dtype])
        + bytes_field(2, dims)
        + number_field(3, piece.shard)
        + number_field(4, piece.offset)
        + number_field(5, piece.nbytes)
        + fixed32_field(6, piece.crc)
    )
