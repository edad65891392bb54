"""The arrays of a list that joblib wrote, without executing anything: what its pickle says is read, never done.

joblib.dump writes a pickle in which every array is a NumpyArrayWrapper (shape, order, dtype), followed at once by the
array's bytes, in the middle of the stream (joblib/numpy_pickle.py). A pickle is a program for a small machine, which
can name and call whatever Python can import. Here is another machine for it: it knows the few instructions that lists
of arrays need, names stay names, and of calls only two are understood: to make a wrapper, and to make a dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.checkpoints.joblib_machine import MARK, Machine, Refused, Stored
from parity.checkpoints.sniff import KINDS, sniff, unreadable
from parity.errors import ParityError

__all__ = ["Stored", "read_list"]


def read_list(path: Path) -> list[Stored]:
    """The arrays of the list, in order.

    Raises:
        ParityError: not such a file, or one that holds anything but numbers; compressed ones are not read.
    """
    try:
        data = np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.empty(0, np.uint8)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if data[:1].tobytes() != b"\x80":
        raise ParityError(
            "not a list written by joblib.dump without compression",
            where=path,
            got=KINDS[sniff(path)].description,
            remedy="load it with joblib, and dump it again with compress=0",
        )
    machine = Machine(data)
    try:
        return machine.run(_STEPS)
    except (Refused, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        said = str(error) if isinstance(error, Refused) else "it is damaged"
        raise ParityError(
            f"not a list of arrays as joblib writes it: {said} (at byte {machine.at})",
            where=path,
            remedy="nothing of it was executed; take the file that train.py wrote",
        ) from error


def _extend(machine: Machine) -> None:
    items = machine.marked()
    if not isinstance(machine.stack[-1], list):
        raise Refused("it fills something else than a list")
    machine.stack[-1].extend(items)


def _append(machine: Machine) -> None:
    machine.stack.append(MARK)
    machine.stack[-1], machine.stack[-2] = machine.stack[-2], machine.stack[-1]
    _extend(machine)


def _update(machine: Machine) -> None:
    items = machine.marked()
    if not isinstance(machine.stack[-1], dict):
        raise Refused("it fills something else than a dict")
    machine.stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _reduce(machine: Machine) -> None:
    arguments, kind = machine.stack.pop(), machine.stack.pop()
    machine.called(kind, arguments)


def _put(machine: Machine, key: int) -> None:
    machine.memo[key] = machine.stack[-1]


def _tuple(count: int) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        if len(machine.stack) < count:
            raise Refused("it is damaged")
        items = tuple(machine.stack[len(machine.stack) - count :])
        del machine.stack[len(machine.stack) - count :]
        machine.stack.append(items)

    return step


def _push(value: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value(machine))


def _name_of_stack(machine: Machine) -> None:
    attribute, module = machine.stack.pop(), machine.stack.pop()
    machine.name(module, attribute)


# The instructions by their codes, as Python's pickletools lists them.
_STEPS: Mapping[bytes, Callable[[Machine], Any]] = {
    b"\x80": lambda m: m.take(1),  # PROTO
    b"\x95": lambda m: m.take(8),  # FRAME
    b"(": _push(lambda m: MARK),
    b"]": _push(lambda m: []),
    b"}": _push(lambda m: {}),
    b")": _push(lambda m: ()),
    b"N": _push(lambda m: None),
    b"\x88": _push(lambda m: True),
    b"\x89": _push(lambda m: False),
    b"K": _push(lambda m: m.number(1)),
    b"M": _push(lambda m: m.number(2)),
    b"J": _push(lambda m: m.number(4, signed=True)),
    b"\x8a": _push(lambda m: m.number(m.number(1), signed=True)),  # LONG1
    b"X": _push(lambda m: m.take(m.number(4)).decode()),
    b"\x8c": _push(lambda m: m.take(m.number(1)).decode()),
    b"U": _push(lambda m: m.take(m.number(1)).decode("latin-1")),
    b"t": lambda m: m.stack.append(tuple(m.marked())),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"e": _extend,
    b"a": _append,
    b"u": _update,
    b"q": lambda m: _put(m, m.number(1)),
    b"r": lambda m: _put(m, m.number(4)),
    b"\x94": lambda m: _put(m, len(m.memo)),
    b"h": _push(lambda m: m.memo[m.number(1)]),
    b"j": _push(lambda m: m.memo[m.number(4)]),
    b"c": lambda m: m.name(m.line(), m.line()),
    b"\x93": _name_of_stack,
    b"\x81": _reduce,  # NEWOBJ: of a name that is known, nothing else than a call
    b"R": _reduce,
    b"b": lambda m: m.build(),
}
