"""The arrays of a list that joblib wrote, without executing anything: what its pickle says is read, never done.

joblib.dump writes a pickle in which every array is a NumpyArrayWrapper (shape, order, dtype), followed at once by the
array's bytes, in the middle of the stream (joblib/numpy_pickle.py). A pickle is a program for a small machine, which
can name and call whatever Python can import. Here is another machine for it: it knows the few instructions that lists
of arrays need, names stay names, and of calls only two are understood: to make a wrapper, and to make a dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.checkpoints.sniff import KINDS, sniff, unreadable
from parity.errors import ParityError

_MOST_STEPS, _MOST_TEXT, _MOST_AXES = 1 << 16, 1 << 16, 32
_DTYPES = {"f2": "float16", "f4": "float32", "f8": "float64"}


@dataclass(frozen=True)
class Stored:
    """Where an array of the list lies: its bytes from `offset` on, in C order unless `fortran`."""

    dtype: str
    shape: tuple[int, ...]
    fortran: bool
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class _Name:
    text: str


@dataclass
class _Made:
    """What a call would have made: its kind, its arguments, and the state it was given."""

    kind: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


_WRAPPER, _ARRAY, _DTYPE = "joblib.numpy_pickle NumpyArrayWrapper", "numpy ndarray", "numpy dtype"
_NAMES = frozenset({_WRAPPER, _ARRAY, _DTYPE})
_MARK = object()


class _Refused(Exception):
    """Something that no list of arrays needs."""


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
    machine = _Machine(data)
    try:
        return machine.run()
    except (_Refused, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        said = str(error) if isinstance(error, _Refused) else "it is damaged"
        raise ParityError(
            f"not a list of arrays as joblib writes it: {said} (at byte {machine.at})",
            where=path,
            remedy="nothing of it was executed; take the file that train.py wrote",
        ) from error


@dataclass
class _Machine:
    data: np.memmap[Any, Any] | np.ndarray[Any, Any]
    at: int = 0
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self) -> list[Stored]:
        for _ in range(_MOST_STEPS):
            code = self.take(1)
            if code == b".":
                return self.result()
            if code not in _STEPS:
                raise _Refused(f"instruction {code!r} is none that it needs")
            _STEPS[code](self)
        raise _Refused("it does not end")

    def take(self, count: int) -> bytes:
        if count < 0 or count > _MOST_TEXT or self.at + count > self.data.size:
            raise _Refused("it is cut off")
        taken = self.data[self.at : self.at + count].tobytes()
        self.at += count
        return taken

    def number(self, count: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(count), "little", signed=signed)

    def line(self) -> str:
        window = self.data[self.at : self.at + 256].tobytes()
        end = window.index(b"\n")
        self.at += end + 1
        return window[:end].decode("ascii")

    def marked(self) -> list[Any]:
        last = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        found = self.stack[last + 1 :]
        del self.stack[last:]
        return found

    def name(self, module: Any, attribute: Any) -> None:
        text = f"{module} {attribute}"
        if text not in _NAMES:
            raise _Refused(f"it names {text.replace(' ', '.')[:80]}, which no list of arrays needs")
        self.stack.append(_Name(text))

    def called(self, kind: _Name, arguments: tuple[Any, ...]) -> None:
        fits = {_WRAPPER: arguments == (), _DTYPE: len(arguments) == 3 and isinstance(arguments[0], str)}
        if not isinstance(kind, _Name) or not fits.get(kind.text, False):
            raise _Refused("it calls something")
        self.stack.append(_Made(kind.text, arguments))

    def build(self) -> None:
        state = self.stack.pop()
        made = self.stack[-1]
        if not isinstance(made, _Made) or made.state is not None:
            raise _Refused("it sets the state of something else")
        made.state = state
        if made.kind == _WRAPPER:
            self.stack[-1] = self.array(state)

    def array(self, state: Any) -> Stored:
        """What a wrapper describes, whose bytes begin here; the position behind them is where the pickle goes on."""
        dtype, shape, order = state["dtype"], state["shape"], state["order"]
        if state["subclass"] != _Name(_ARRAY) or order not in ("C", "F"):
            raise _Refused("an array is of a kind of its own")
        if not isinstance(dtype, _Made) or dtype.kind != _DTYPE or dtype.arguments[0] not in _DTYPES:
            raise _Refused("an array holds no floating point numbers")
        if not isinstance(dtype.state, tuple) or dtype.state[1] != "<":
            raise _Refused("an array is not little-endian")
        sizes = isinstance(shape, tuple) and len(shape) <= _MOST_AXES and all(type(n) is int and n >= 0 for n in shape)
        if not sizes or math.prod(size or 1 for size in shape) >> 48:
            raise _Refused("an array has an impossible shape")
        # Newer versions align the bytes: one byte says how many follow before them.
        if state.get("numpy_array_alignment_bytes") is not None:
            self.take(self.number(1))
        found = Stored(_DTYPES[dtype.arguments[0]], shape, order == "F" and len(shape) > 1, self.at)
        if found.nbytes > self.data.size - self.at:
            raise _Refused("an array is cut off")
        self.at += found.nbytes
        return found

    def result(self) -> list[Stored]:
        if len(self.stack) != 1 or not isinstance(self.stack[0], list):
            raise _Refused("it is no list")
        found = self.stack[0]
        if not all(isinstance(one, Stored) for one in found):
            raise _Refused("not everything in the list is an array")
        if self.at != self.data.size:
            raise _Refused("there are data behind the list")
        return found


def _extend(machine: _Machine) -> None:
    items = machine.marked()
    if not isinstance(machine.stack[-1], list):
        raise _Refused("it fills something else than a list")
    machine.stack[-1].extend(items)


def _append(machine: _Machine) -> None:
    machine.stack.append(_MARK)
    machine.stack[-1], machine.stack[-2] = machine.stack[-2], machine.stack[-1]
    _extend(machine)


def _update(machine: _Machine) -> None:
    items = machine.marked()
    if not isinstance(machine.stack[-1], dict):
        raise _Refused("it fills something else than a dict")
    machine.stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _reduce(machine: _Machine) -> None:
    arguments, kind = machine.stack.pop(), machine.stack.pop()
    machine.called(kind, arguments)


def _put(machine: _Machine, key: int) -> None:
    machine.memo[key] = machine.stack[-1]


def _tuple(count: int) -> Callable[[_Machine], None]:
    def step(machine: _Machine) -> None:
        if len(machine.stack) < count:
            raise _Refused("it is damaged")
        items = tuple(machine.stack[len(machine.stack) - count :])
        del machine.stack[len(machine.stack) - count :]
        machine.stack.append(items)

    return step


def _push(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(value(machine))


def _name_of_stack(machine: _Machine) -> None:
    attribute, module = machine.stack.pop(), machine.stack.pop()
    machine.name(module, attribute)


# The instructions by their codes, as Python's pickletools lists them.
_STEPS: Mapping[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m.take(1),  # PROTO
    b"\x95": lambda m: m.take(8),  # FRAME
    b"(": _push(lambda m: _MARK),
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
