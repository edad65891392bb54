"""The protobuf wire format, as far as an ONNX file needs it: lengths and tags, no schema, no copies.

(https://protobuf.dev/programming-guides/encoding/.) A message's fields are read as slices of a mapped file, so that
gigabytes of weights are never parsed into memory, and written one after another for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTH = {_FIXED64: 8, _FIXED32: 4}


class Malformed(ValueError):
    """The bytes are no protobuf message."""


def varint(number: int) -> bytes:
    """A non-negative number in groups of seven bits, low group first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def head(field: int, length: int) -> bytes:
    """What stands before a field of `length` bytes."""
    return varint(field << 3 | _BYTES) + varint(length)


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Fields of a message in order: number, and the value (an int for varints, a slice for everything else).

    Raises:
        Malformed: a tag is unknown, or a value ends behind the message.
    """
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            number, at = _read_varint(message, at)
            yield field, number
            continue
        if kind == _BYTES:
            length, at = _read_varint(message, at)
        elif kind in _WIDTH:
            length = _WIDTH[kind]
        else:
            raise Malformed(f"wire type {kind}")
        if length > len(message) - at:
            raise Malformed(f"field {field} ends behind its message")
        yield field, message[at : at + length]
        at += length


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise Malformed("a number does not end")
