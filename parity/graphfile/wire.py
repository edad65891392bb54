"""The protobuf wire format, as far as an ONNX file needs it: lengths and tags, no schema, no copies.

(https://protobuf.dev/programming-guides/encoding/.) A message's fields are read as slices of a mapped file, so that
gigabytes of weights are never parsed into memory, and written one after another for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTH = {_FIXED64: 8, _FIXED32: 4}


class Malformed(ValueError):
    """The bytes are not the message they should be."""


@dataclass(frozen=True)
class Field:
    """One field of a message."""

    number: int
    value: int | memoryview
    """An int for a varint, a slice for everything else."""
    encoded: memoryview
    """Tag, length and value, as they lie in the message."""

    @property
    def message(self) -> memoryview:
        """The value of a field that holds bytes.

        Raises:
            Malformed: it holds a number.
        """
        if isinstance(self.value, int):
            raise Malformed(f"field {self.number} is a number")
        return self.value

    @property
    def text(self) -> str:
        """The value of a field that holds UTF-8."""
        return str(self.message, "utf-8")

    @property
    def numbers(self) -> list[int]:
        """The value of a field of numbers, packed or not."""
        if isinstance(self.value, int):
            return [self.value]
        numbers, at = list[int](), 0
        while at < len(self.value):
            number, at = _read_varint(self.value, at)
            numbers.append(number)
        return numbers


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


def fields(message: memoryview) -> Iterator[Field]:
    """Fields of a message, in order.

    Raises:
        Malformed: a tag is unknown, or a value ends behind the message.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield Field(number, value, message[start:at])
            continue
        if kind == _BYTES:
            length, at = _read_varint(message, at)
        elif kind in _WIDTH:
            length = _WIDTH[kind]
        else:
            raise Malformed(f"wire type {kind}")
        if length > len(message) - at:
            raise Malformed(f"field {number} ends behind its message: the file is truncated or no protobuf")
        yield Field(number, message[at : at + length], message[start : at + length])
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
