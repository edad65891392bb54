"""The opcodes of a pickle that stand for numbers and strings, on our stack machine."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import TypeAlias

from parity.inputs.pickle_machine import Machine

Handler: TypeAlias = Callable[[Machine], None]
_DIGITS = 16
"""Bytes of the longest number that is read."""


def decimal(machine: Machine) -> None:
    """A whole number in decimal digits; 00 and 01 are false and true."""
    line = machine.line() or b""
    if line in (b"00", b"01"):
        machine.push(line == b"01")
        return
    if not re.fullmatch(rb"-?\d{1,38}L?", line):
        raise machine.refused("no number", got=line[:40])
    machine.push(int(line.rstrip(b"L")))


def decimal_float(machine: Machine) -> None:
    """A number in decimal digits."""
    line = machine.line() or b""
    if not re.fullmatch(rb"-?(\d{1,400}(\.\d{0,400})?(e[-+]?\d{1,4})?|inf|nan)", line, re.IGNORECASE):
        raise machine.refused("no number", got=line[:40])
    machine.push(float(line))


def binary_float(machine: Machine) -> None:
    """Eight bytes, the highest first."""
    machine.push(machine.whole(">d"))


def long(layout: str) -> Handler:
    """A whole number of as many bytes as stand before it."""

    def read(machine: Machine) -> None:
        count = machine.whole(layout)
        if not 0 <= count <= _DIGITS:
            raise machine.refused("a number beyond all sizes", got=f"{count} bytes")
        machine.push(int.from_bytes(machine.take(count), "little", signed=True))

    return read


def number(layout: str) -> Handler:
    """A whole number in a layout of `struct`."""
    return lambda machine: machine.push(machine.whole(layout))


def text(layout: str, *, unicode: bool) -> Handler:
    """A string behind its length."""
    return lambda machine: machine.push(machine.text(machine.whole(layout), unicode=unicode))


def quoted(machine: Machine) -> None:
    """A string of Python 2 as it would be typed."""
    line = machine.line()
    if line is None:
        machine.push(machine.nothing("a long string"))
    elif len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise machine.refused("a string without quotes", got=line[:40])
    else:
        machine.push(machine.decoded(_unescaped(machine, line[1:-1])))


def _unescaped(machine: Machine, raw: bytes) -> bytes:
    try:
        found: bytes = codecs.escape_decode(raw)[0]
    except ValueError as error:
        raise machine.refused("no string", got=raw[:40]) from error
    return found


def unicode(machine: Machine) -> None:
    """A line of text with escapes."""
    line = machine.line()
    try:
        machine.push(machine.nothing("a long string") if line is None else str(line, "raw-unicode-escape"))
    except UnicodeDecodeError as error:
        raise machine.refused("no string", got=str(error)) from error
