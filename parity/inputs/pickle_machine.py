"""The stack machine that a pickle is read with: what it holds, and what it refuses to make."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import Any, Final, TypeAlias

from parity.errors import ParityError

LONG: Final = 1 << 16
"""Bytes beyond which a string is not read: the data of a corpus, not a word."""
MARK: Final = object()
REMEDY: Final = "name the vocabulary as text (vocab.txt, one word a line): a pickle from elsewhere is not to be opened"
_STOP: Final = ord(".")
Name: TypeAlias = tuple[str, str]


@dataclass
class Instance:
    """An object of a class that the caller expects: its name, and the attributes it was given."""

    of: str
    state: dict[str, Any] = field(default_factory=dict)


@dataclass
class Inert:
    """What the caller has no use for, such as an array."""

    of: str


@dataclass(frozen=True)
class Global:
    """A name in the file, and what may be made of it: `instance`, `mapping` or `inert`."""

    name: str
    kind: str


class Machine:
    """The stack, the memo and the place in the file; what each opcode does with them is in `pickle_opcodes`."""

    def __init__(self, data: mmap, allowed: Mapping[Name, str], path: Path) -> None:
        self._data, self._allowed, self._path = data, allowed, path
        self._at, self._end = 0, len(data)
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._copied = 0

    def run(self, opcodes: Mapping[int, Callable[[Machine], None]], refused: Mapping[int, str]) -> Any:
        """Read up to the end of the pickle."""
        while True:
            if self._at >= self._end:
                raise self.refused("the pickle ends too early")
            code = self._data[self._at]
            self._at += 1
            if code == _STOP:
                return self.pop()
            handler = opcodes.get(code)
            if handler is None:
                what = refused.get(code)
                got = f"opcode {code:#04x}"
                raise self.refused(f"the pickle asks for {what}" if what else "not a pickle", got=got)
            handler(self)

    def refused(self, what: str, *, got: object = None) -> ParityError:
        """The error for this place in the file."""
        return ParityError(f"{what} (byte {max(self._at - 1, 0)})", where=self._path, got=got, remedy=REMEDY)

    # The stack.

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the last value."""
        if not self._stack or self._stack[-1] is MARK:
            raise self.refused("the pickle takes what is not there")
        return self._stack.pop()

    def pop_mark(self) -> list[Any]:
        """Take everything behind the last mark, and the mark."""
        for depth in range(len(self._stack) - 1, -1, -1):
            if self._stack[depth] is MARK:
                found = self._stack[depth + 1 :]
                del self._stack[depth:]
                return found
        raise self.refused("the pickle takes what is not there")

    def top(self, kind: type) -> Any:
        """The last value, which has to be of that type."""
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise self.refused("the pickle puts items into what holds none")
        return self._stack[-1]

    def put(self, index: int) -> None:
        """Keep the last value under that number."""
        if not self._stack or self._stack[-1] is MARK:
            raise self.refused("the pickle keeps what is not there")
        self._memo[index] = self._stack[-1]

    def memoize(self) -> None:
        """Keep the last value under the next number."""
        self.put(len(self._memo))

    def drop(self) -> None:
        """Take the last value away, be it a mark."""
        if not self._stack:
            raise self.refused("the pickle takes what is not there")
        self._stack.pop()

    def forget(self) -> None:
        """Take everything behind the last mark away."""
        self.pop_mark()

    def nothing(self, of: str) -> Inert:
        """A stand-in for what is not read."""
        return Inert(of)

    def get(self, index: int) -> None:
        """Put what was kept on the stack."""
        if index not in self._memo:
            raise self.refused("the pickle takes what was not kept", got=index)
        self.push(self._memo[index])

    # The file.

    def take(self, count: int) -> bytes:
        """The next bytes."""
        return self._data[self.skip(count) : self._at]

    def skip(self, count: int) -> int:
        """Leave the next bytes unread; where they began."""
        start = self._at
        if not 0 <= count <= self._end - start:
            raise self.refused("the pickle ends too early")
        self._at = start + count
        return start

    def whole(self, layout: str) -> Any:
        """A number in that layout of `struct`."""
        found: Any = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return found

    def line(self) -> bytes | None:
        """Up to the line's end; None where that is further than `LONG` bytes."""
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise self.refused("a line of the pickle does not end")
        found = self._data[self._at : end] if end - self._at <= LONG else None
        self._at = end + 1
        return found

    def text(self, count: int, *, unicode: bool) -> Any:
        """A string of that many bytes, or `Inert` where it is no word."""
        if count > LONG:
            self.skip(count)
            return Inert("a long string")
        raw = self.take(count)
        return self.decoded(raw) if not unicode else raw.decode("utf-8", "replace")

    def decoded(self, raw: bytes) -> str:
        """A string of Python 2."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")

    # Objects.

    def named(self, module: Any, name: Any) -> Global:
        """That name, if it is allowed."""
        key = (module, name)
        kind = self._allowed.get(key) if isinstance(module, str) and isinstance(name, str) else None
        if kind is None:
            shown = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "no name"
            raise self.refused("the pickle asks for code that no vocabulary needs", got=shown[:200])
        return Global(f"{module}.{name}", kind)

    def made(self, source: Any, arguments: Any) -> Any:
        """What calling that name would give: never a call."""
        if not isinstance(source, Global) or not isinstance(arguments, tuple | list):
            raise self.refused("the pickle calls what is no class", got=type(source).__name__)
        given = list(arguments)
        if source.kind == "reconstructor":
            # Python 2's protocols 0 and 1: (class, object, None).
            if not given or not isinstance(given[0], Global) or given[0].kind == "reconstructor":
                raise self.refused("the pickle rebuilds what is no class")
            return self.made(given[0], ())
        if source.kind == "instance":
            if given:
                raise self.refused(f"the pickle makes a {source.name} from arguments")
            return Instance(source.name)
        return self.mapping(given) if source.kind == "mapping" else Inert(source.name)

    def mapping(self, given: list[Any]) -> dict[Any, Any]:
        """A dict from nothing, from a dict, or from pairs."""
        if not given:
            return {}
        if len(given) == 1 and isinstance(given[0], dict):
            return given[0]
        pairs = given[0] if len(given) == 1 and isinstance(given[0], list | tuple) else None
        if pairs is None or any(not isinstance(pair, list | tuple) or len(pair) != 2 for pair in pairs):
            raise self.refused("the pickle makes a mapping of what is none")
        self._copied += len(pairs)
        if self._copied > self._end:  # the same list, again and again
            raise self.refused("the pickle grows beyond its size")
        found: dict[Any, Any] = {}
        for key, value in pairs:
            self.item(found, key, value)
        return found

    def item(self, into: dict[Any, Any], key: Any, value: Any) -> None:
        """Set one item."""
        # Anything else could be made so that its hash takes forever.
        if key is not None and not isinstance(key, str | int | float):
            raise self.refused("a key that is neither a string nor a number", got=type(key).__name__)
        into[key] = value

    def items(self, values: list[Any]) -> None:
        """Keys and values in turn into the dict on the stack."""
        into = self.top(dict)
        if len(values) % 2:
            raise self.refused("the pickle has a key without a value")
        for key, value in zip(values[::2], values[1::2], strict=True):
            self.item(into, key, value)

    def build(self) -> None:
        """Give the object on the stack its attributes."""
        state = self.pop()
        target = self._stack[-1] if self._stack else None
        if isinstance(target, Inert | dict):
            return  # the data of an array; attributes that a mapping has besides its items
        if not isinstance(target, Instance) or not isinstance(state, dict):
            raise self.refused("the pickle gives attributes to what takes none", got=type(target).__name__)
        self._copied += len(state)
        if self._copied > self._end:
            raise self.refused("the pickle grows beyond its size")
        for key, value in state.items():
            if not isinstance(key, str):
                raise self.refused("an attribute whose name is no string", got=type(key).__name__)
            target.state[key] = value
