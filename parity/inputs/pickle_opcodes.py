"""What each opcode of a pickle does on our stack machine: `code -> handler(machine)`; nothing is called or imported."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from parity.inputs import pickle_scalars as scalars
from parity.inputs.pickle_machine import MARK, Machine
from parity.inputs.pickle_scalars import Handler

_NEWEST = 5

REFUSED: Mapping[int, str] = {
    **dict.fromkeys(b"PQ", "an object by a persistent id"),
    **dict.fromkeys(b"\x82\x83\x84", "code from the extension registry"),
    **dict.fromkeys(b"\x97\x98", "a buffer from outside"),
    **dict.fromkeys(b"\x8f\x90\x91", "a set, which no vocabulary holds"),
}
"""Opcodes that are known and never followed."""


def _proto(machine: Machine) -> None:
    version = machine.whole("<B")
    if version > _NEWEST:
        raise machine.refused("a pickle of an unknown protocol", got=version)


def _frame(machine: Machine) -> None:
    machine.skip(8)  # its length, which ends nothing


def _global(machine: Machine) -> None:
    module, name = (machine.decoded(machine.line() or b"") for _ in range(2))
    machine.push(machine.named(module, name))


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.push(machine.named(module, name))


def _instance(machine: Machine) -> None:
    module, name = (machine.decoded(machine.line() or b"") for _ in range(2))
    machine.push(machine.made(machine.named(module, name), machine.pop_mark()))


def _object(machine: Machine) -> None:
    given = machine.pop_mark()
    machine.push(machine.made(given[0] if given else None, given[1:]))


def _reduce(machine: Machine) -> None:
    arguments, source = machine.pop(), machine.pop()
    machine.push(machine.made(source, arguments))


def _new_with_names(machine: Machine) -> None:
    if machine.pop() != {}:
        raise machine.refused("the pickle makes an object from named arguments")
    _reduce(machine)


def _tuple(count: int) -> Handler:
    def make(machine: Machine) -> None:
        machine.push(tuple(reversed([machine.pop() for _ in range(count)])))

    return make


def _dict(machine: Machine) -> None:
    values = machine.pop_mark()
    machine.push({})
    machine.items(values)


def _append(machine: Machine) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _appends(machine: Machine) -> None:
    values = machine.pop_mark()
    machine.top(list).extend(values)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.items([key, value])


def _twice(machine: Machine) -> None:
    value = machine.pop()
    machine.push(value)
    machine.push(value)


def _by_line(then: Callable[[Machine, int], None]) -> Handler:
    def read(machine: Machine) -> None:
        line = machine.line() or b""
        if not re.fullmatch(rb"\d{1,12}", line):
            raise machine.refused("no number", got=line[:40])
        then(machine, int(line))

    return read


def _put(machine: Machine, index: int) -> None:
    machine.put(index)


def _get(machine: Machine, index: int) -> None:
    machine.get(index)


def _constant(value: Any) -> Handler:
    return lambda machine: machine.push(value)


_BY_CODE: Mapping[str, Handler] = {
    "\x80": _proto,
    "\x95": _frame,
    "(": _constant(MARK),
    "0": lambda machine: machine.drop(),
    "1": lambda machine: machine.forget(),
    "2": _twice,
    "N": _constant(None),
    "\x88": _constant(True),
    "\x89": _constant(False),
    "I": scalars.decimal,
    "L": scalars.decimal,
    "F": scalars.decimal_float,
    "G": scalars.binary_float,
    "J": scalars.number("<i"),
    "K": scalars.number("<B"),
    "M": scalars.number("<H"),
    "\x8a": scalars.long("<B"),
    "\x8b": scalars.long("<i"),
    "S": scalars.quoted,
    "T": scalars.text("<i", unicode=False),
    "U": scalars.text("<B", unicode=False),
    "B": scalars.text("<I", unicode=False),
    "C": scalars.text("<B", unicode=False),
    "\x8e": scalars.text("<Q", unicode=False),
    "\x96": scalars.text("<Q", unicode=False),
    "V": scalars.unicode,
    "X": scalars.text("<I", unicode=True),
    "\x8c": scalars.text("<B", unicode=True),
    "\x8d": scalars.text("<Q", unicode=True),
    "]": lambda machine: machine.push([]),
    "l": lambda machine: machine.push(machine.pop_mark()),
    "a": _append,
    "e": _appends,
    ")": _constant(()),
    "t": lambda machine: machine.push(tuple(machine.pop_mark())),
    "\x85": _tuple(1),
    "\x86": _tuple(2),
    "\x87": _tuple(3),
    "}": lambda machine: machine.push({}),
    "d": _dict,
    "s": _set_item,
    "u": lambda machine: machine.items(machine.pop_mark()),
    "p": _by_line(_put),
    "q": lambda machine: machine.put(machine.whole("<B")),
    "r": lambda machine: machine.put(machine.whole("<I")),
    "\x94": lambda machine: machine.memoize(),
    "g": _by_line(_get),
    "h": lambda machine: machine.get(machine.whole("<B")),
    "j": lambda machine: machine.get(machine.whole("<I")),
    "c": _global,
    "\x93": _stack_global,
    "i": _instance,
    "o": _object,
    "R": _reduce,
    "\x81": _reduce,
    "\x92": _new_with_names,
    "b": lambda machine: machine.build(),
}
OPCODES: Mapping[int, Handler] = {ord(code): handler for code, handler in _BY_CODE.items()}
