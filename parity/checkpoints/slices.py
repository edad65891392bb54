"""Partitioned variables: the keys under which a bundle keeps a tensor's parts, and whether the parts make the whole.

Keys are in the OrderedCode of tensorflow/core/lib/strings/ordered_code.cc (numbers and strings whose encodings sort as
they do), composed as in tensorflow/core/util/saved_tensor_slice_util.cc.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from parity.errors import ParityError

WHOLE = -1
"""Length of an extent that takes all of its axis."""

Box: TypeAlias = tuple[tuple[int, int], ...]
"""One (start, length) per axis."""

_MOST_SPLIT_AXES = 4
_ESCAPES = {b"\x00": b"\x00\xff", b"\xff": b"\xff\x00"}


def slice_key(name: str, box: Box) -> bytes:
    """The key of one part of tensor `name`; `box` as stored, that is with `WHOLE` where it stands."""
    parts = [_unsigned(0), _string(name.encode()), _unsigned(len(box))]
    parts += [_signed(number) for extent in box for number in extent]
    return b"".join(parts)


def _unsigned(number: int) -> bytes:
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(body)]) + body


def _string(text: bytes) -> bytes:
    return re.sub(rb"[\x00\xff]", lambda found: _ESCAPES[found[0]], text) + b"\x00\x01"


def _signed(number: int) -> bytes:
    # `size` bytes hold `size` leading length bits, then the number in two's complement; its sign bit inverts them all.
    size = (number if number >= 0 else ~number).bit_length() // 7 + 1
    head = ((1 << size) - 1) << (7 * size)
    return ((number % (1 << 8 * size)) ^ head).to_bytes(size, "big")


def resolve(box: Box, shape: Sequence[int]) -> Box:
    """The box with every `WHOLE` replaced by its axis' extent.

    Raises:
        ParityError: the box reaches out of `shape` or has another rank.
    """
    if len(box) != len(shape):
        raise ParityError("a slice has another rank than its tensor", got=len(box), expected=len(shape))
    full = tuple(
        (0, size) if length == WHOLE else (start, length) for (start, length), size in zip(box, shape, strict=True)
    )
    if any(start < 0 or length < 0 or start + length > size for (start, length), size in zip(full, shape, strict=True)):
        raise ParityError("a slice reaches out of its tensor", got=full, expected=f"within {tuple(shape)}")
    return full


def check_tiling(boxes: Sequence[Box], shape: Sequence[int]) -> None:
    """Check that the boxes cover every cell of `shape` exactly once.

    A box is known by the signs of its corners (the mixed difference of its indicator function), so the boxes tile the
    whole if and only if their corners cancel to those of the whole: linear in the number of boxes.

    Raises:
        ParityError: they leave a gap, overlap, or are cut along more than four axes.
    """
    if 0 in shape:
        return
    split = [axis for axis, size in enumerate(shape) if any(box[axis] != (0, size) for box in boxes)]
    if len(split) > _MOST_SPLIT_AXES:
        raise ParityError("slices are cut along too many axes", got=len(split), expected=f"at most {_MOST_SPLIT_AXES}")
    corners: Counter[tuple[int, ...]] = Counter()
    for box in boxes:
        _add_corners(corners, [box[axis] for axis in split], 1)
    _add_corners(corners, [(0, shape[axis]) for axis in split], -1)
    if any(corners.values()):
        raise ParityError(
            "the slices of a tensor do not tile it: they overlap or leave a gap", got=f"{len(boxes)} slices"
        )


def _add_corners(corners: Counter[tuple[int, ...]], extents: Sequence[tuple[int, int]], sign: int) -> None:
    for ends in itertools.product((0, 1), repeat=len(extents)):
        corner = tuple(start + length * end for (start, length), end in zip(extents, ends, strict=True))
        corners[corner] += sign * (-1) ** sum(ends)
