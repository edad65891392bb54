"""Protocol-buffer wire format, as far as bundles need it: numbers and nested byte strings by field number.

Format: https://protobuf.dev/programming-guides/encoding. Functions here do not know which file the bytes are from;
they raise `ParityError` without a place, and whoever opened the file adds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from parity.errors import ParityError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned 64-bit number that starts at byte `at`, and the position behind it.

    Raises:
        ParityError: the number runs past the end or past 64 bits.
    """
    value = shift = 0
    while True:
        if at >= len(data):
            raise ParityError("a number runs past the end of its record")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, at
        shift += 7
        if shift > 63:
            break
    raise ParityError("a number is longer than 64 bits")


def put_varint(value: int) -> bytes:
    """`value` as a varint; negative numbers as 64-bit two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@dataclass(frozen=True)
class Message:
    """A decoded message: its numbers (the last one wins, as in the original) and its byte strings, by field."""

    numbers: Mapping[int, int]
    strings: Mapping[int, list[bytes]]

    def number(self, field: int) -> int:
        """Signed value of a number field; 0 where absent."""
        return self.numbers.get(field, 0)

    def all(self, field: int) -> list[bytes]:
        """Every byte string under a field, in order."""
        return self.strings.get(field, [])

    def message(self, field: int) -> Message:
        """The nested message under a field, repetitions merged as the format demands; empty where absent."""
        return read_message(b"".join(self.all(field)))


def read_message(data: bytes) -> Message:
    """Split a message into its fields.

    Raises:
        ParityError: a field is cut off, or of a wire type that these formats do not use.
    """
    numbers: dict[int, int] = {}
    strings: dict[int, list[bytes]] = {}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = read_varint(data, at)
            numbers[field] = value - (1 << 64) if value >> 63 else value
            continue
        if wire == _BYTES:
            size, at = read_varint(data, at)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise ParityError("a record has a field of an unknown kind", got=f"wire type {wire}")
        if size > len(data) - at:
            raise ParityError("a record has a field longer than itself", got=f"{size} bytes")
        body = data[at : at + size]
        at += size
        if wire == _BYTES:
            strings.setdefault(field, []).append(body)
        else:
            numbers[field] = int.from_bytes(body, "little")
    return Message(numbers, strings)


def number_field(field: int, value: int) -> bytes:
    """A varint field; zero is left out, as proto3 does."""
    return put_varint(field << 3 | _VARINT) + put_varint(value) if value else b""


def fixed32_field(field: int, value: int) -> bytes:
    """A fixed 32-bit field; zero is left out."""
    return put_varint(field << 3 | _FIXED32) + value.to_bytes(4, "little") if value else b""


def bytes_field(field: int, body: bytes) -> bytes:
    """A nested message or byte string; written even when empty."""
    return put_varint(field << 3 | _BYTES) + put_varint(len(body)) + body
