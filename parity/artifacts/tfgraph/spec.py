"""`--input` and `--output` in the spelling of OpenVINO's old Model Optimizer.

An input is `name[:port][{type}][[shape]]`, type and shape in either order, several separated by commas; a shape's
sizes are separated by spaces or commas, and `?` or `-1` is a free one:

    IteratorGetNext:0{i32}[1 128],IteratorGetNext:1{i32}[1,128],Placeholder{i32}[?,?]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from parity.errors import ParityError

_PRECISIONS = {
    "i8": "int8", "i32": "int32", "i64": "int64", "u8": "uint8", "f16": "float16", "f32": "float32", "f64": "float64",
    "bool": "bool", "boolean": "bool", "int32": "int32", "int64": "int64", "float32": "float32", "float": "float32",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")
_PARTS = re.compile(r"(?P<name>[^:{\[\]}]+)(?::(?P<port>[^{\[\]}]*))?(?P<rest>(?:\{[^}]*\}|\[[^\]]*\])*)")
_MOST = 1 << 31


@dataclass(frozen=True)
class Port:
    """One output of a node."""

    name: str
    index: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.index}"


@dataclass(frozen=True)
class InputSpec:
    """What `--input` says of one input."""

    port: Port
    dtype: str | None = None
    """NumPy dtype name."""
    shape: tuple[int | None, ...] | None = None
    """None inside is a free size; None as a whole leaves the shape open."""


def parse_inputs(text: str) -> tuple[InputSpec, ...]:
    """The inputs that `--input` names, in its order.

    Raises:
        ParityError: not in the spelling above, a name twice, or a value (`->`), which is not frozen here.
    """
    found = tuple(_input(part) for part in _split(text, "--input"))
    _once([spec.port for spec in found], "--input")
    return found


def parse_outputs(text: str) -> tuple[Port, ...]:
    """The outputs that `--output` names: `name[:port]`, separated by commas.

    Raises:
        ParityError: not in that spelling, or a name twice.
    """
    found = tuple(parse_port(part, "--output") for part in _split(text, "--output"))
    _once(found, "--output")
    return found


def parse_port(text: str, option: str) -> Port:
    """`name` or `name:port`.

    Raises:
        ParityError: not in that spelling.
    """
    name, colon, index = text.partition(":")
    if name.isdigit() and colon and not index.isdigit():
        raise ParityError(
            f"{option} names an input port of a node",
            got=text,
            remedy="name the output that feeds it, as in `name:0`",
        )
    if not _NAME.fullmatch(name) or (colon and not re.fullmatch(r"\d{1,5}", index)):
        raise ParityError(f"{option} is no node's output", got=text, expected="name or name:port", remedy="mend it")
    return Port(name, int(index or 0))


def _split(text: str, option: str) -> list[str]:
    """At commas outside brackets."""
    parts = [part.strip() for part in re.split(r",(?![^\[\]]*\])", text)]
    if not all(parts):
        raise ParityError(f"{option} holds an empty name", got=text or "nothing", remedy="mend it")
    return parts


def _input(text: str) -> InputSpec:
    if "->" in text:
        raise ParityError(
            "an input cannot be frozen to a value", got=text, remedy="leave `->value` out and feed the value instead"
        )
    match = _PARTS.fullmatch(text)
    if match is None:
        expected = "name[:port][{type}][[shape]]"
        raise ParityError("not an input", where="--input", got=text, expected=expected, remedy="mend it")
    port = match["name"].strip() if match["port"] is None else f"{match['name'].strip()}:{match['port'].strip()}"
    types, shapes = re.findall(r"\{([^}]*)\}", match["rest"]), re.findall(r"\[([^\]]*)\]", match["rest"])
    if len(types) > 1 or len(shapes) > 1:
        raise ParityError("an input with two types or shapes", where="--input", got=text, remedy="mend it")
    return InputSpec(
        parse_port(port, "--input"),
        _dtype(types[0].strip(), text) if types else None,
        _shape(shapes[0], text) if shapes else None,
    )


def _dtype(name: str, text: str) -> str:
    if name.lower() not in _PRECISIONS:
        expected = f"one of {', '.join(_PRECISIONS)}"
        raise ParityError(f"unknown type {name}", where="--input", got=text, expected=expected, remedy="mend it")
    return _PRECISIONS[name.lower()]


def _shape(inner: str, text: str) -> tuple[int | None, ...]:
    sizes: list[int | None] = []
    for size in re.split(r"\s*,\s*|\s+", inner.strip()) if inner.strip() else []:
        if size in ("?", "-1"):
            sizes.append(None)
        elif re.fullmatch(r"\d{1,10}", size) and 0 < int(size) < _MOST:
            sizes.append(int(size))
        else:
            expected = "positive sizes, or ? for a free one"
            raise ParityError(f"not a size: {size!r}", where="--input", got=text, expected=expected, remedy="mend it")
    return tuple(sizes)


def _once(ports: list[Port] | tuple[Port, ...], option: str) -> None:
    for port in ports:
        if ports.count(port) > 1:
            raise ParityError(f"{option} names {port} twice", remedy="name it once")
