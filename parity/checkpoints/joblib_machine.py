"""The machine that reads a pickle of a list of arrays: what it knows of names, calls and arrays, and nothing more."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
MARK = object()
"""Where a group of things on the stack begins."""


class Refused(Exception):
    """Something that no list of arrays needs."""


@dataclass
class Machine:
    """The stream, where it stands in it, its stack and its memo. Errors come without a place."""

    data: np.memmap[Any, Any] | np.ndarray[Any, Any]
    at: int = 0
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, steps: Mapping[bytes, Callable[[Machine], Any]]) -> list[Stored]:
        """The arrays of the list that the whole stream describes."""
        for _ in range(_MOST_STEPS):
            code = self.take(1)
            if code == b".":
                return self.result()
            if code not in steps:
                raise Refused(f"instruction {code!r} is none that it needs")
            steps[code](self)
        raise Refused("it does not end")

    def take(self, count: int) -> bytes:
        """So many bytes more."""
        if count < 0 or count > _MOST_TEXT or self.at + count > self.data.size:
            raise Refused("it is cut off")
        taken = self.data[self.at : self.at + count].tobytes()
        self.at += count
        return taken

    def number(self, count: int, *, signed: bool = False) -> int:
        """A little-endian number of so many bytes."""
        return int.from_bytes(self.take(count), "little", signed=signed)

    def line(self) -> str:
        """Text up to the next line feed."""
        window = self.data[self.at : self.at + 256].tobytes()
        end = window.index(b"\n")
        self.at += end + 1
        return window[:end].decode("ascii")

    def marked(self) -> list[Any]:
        """What lies on the stack above the last mark; both are taken off."""
        last = len(self.stack) - 1 - self.stack[::-1].index(MARK)
        found = self.stack[last + 1 :]
        del self.stack[last:]
        return found

    def name(self, module: Any, attribute: Any) -> None:
        """Push a name, if it is one of the three."""
        text = f"{module} {attribute}"
        if text not in _NAMES:
            raise Refused(f"it names {text.replace(' ', '.')[:80]}, which no list of arrays needs")
        self.stack.append(_Name(text))

    def called(self, kind: _Name, arguments: tuple[Any, ...]) -> None:
        """Push what a call would have made: a wrapper of nothing, or a dtype of a word and two numbers."""
        fits = {_WRAPPER: arguments == (), _DTYPE: len(arguments) == 3 and isinstance(arguments[0], str)}
        if not isinstance(kind, _Name) or not fits.get(kind.text, False):
            raise Refused("it calls something")
        self.stack.append(_Made(kind.text, arguments))

    def build(self) -> None:
        """Give the state on the stack to what lies under it; an array's bytes follow at once."""
        state = self.stack.pop()
        made = self.stack[-1]
        if not isinstance(made, _Made) or made.state is not None:
            raise Refused("it sets the state of something else")
        made.state = state
        if made.kind == _WRAPPER:
            self.stack[-1] = self.array(state)

    def array(self, state: Any) -> Stored:
        """What a wrapper describes, whose bytes begin here; the position behind them is where the pickle goes on."""
        dtype, shape, order = state["dtype"], state["shape"], state["order"]
        if state["subclass"] != _Name(_ARRAY) or order not in ("C", "F"):
            raise Refused("an array is of a kind of its own")
        if not isinstance(dtype, _Made) or dtype.kind != _DTYPE or dtype.arguments[0] not in _DTYPES:
            raise Refused("an array holds no floating point numbers")
        if not isinstance(dtype.state, tuple) or dtype.state[1] != "<":
            raise Refused("an array is not little-endian")
        sizes = isinstance(shape, tuple) and len(shape) <= _MOST_AXES and all(type(n) is int and n >= 0 for n in shape)
        if not sizes or math.prod(size or 1 for size in shape) >> 48:
            raise Refused("an array has an impossible shape")
        # Newer versions align the bytes: one byte says how many follow before them.
        if state.get("numpy_array_alignment_bytes") is not None:
            self.take(self.number(1))
        found = Stored(_DTYPES[dtype.arguments[0]], shape, order == "F" and len(shape) > 1, self.at)
        if found.nbytes > self.data.size - self.at:
            raise Refused("an array is cut off")
        self.at += found.nbytes
        return found

    def result(self) -> list[Stored]:
        """The list, if the stack holds nothing else and the stream has ended."""
        if len(self.stack) != 1 or not isinstance(self.stack[0], list):
            raise Refused("it is no list")
        found = self.stack[0]
        if not all(isinstance(one, Stored) for one in found):
            raise Refused("not everything in the list is an array")
        if self.at != self.data.size:
            raise Refused("there are data behind the list")
        return found
