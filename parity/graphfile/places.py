"""Where the constants of an IR or ONNX file lie, found without a framework and without loading them.

Nothing in the files is believed: XML may not declare a document type (so there are no entities to expand), every
offset and size is checked against the file it points into, and data beside an ONNX file must lie in its folder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from xml.parsers import expat

import numpy as np

from parity.errors import ParityError
from parity.graphfile.wire import Malformed, fields, head
from parity.tensorfile import Array, numpy_dtype

_REMEDY = "convert the checkpoint again"
_IR_TYPES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i64": "int64", "i32": "int32",
    "i16": "int16", "i8": "int8", "u64": "uint64", "u32": "uint32", "u16": "uint16", "u8": "uint8", "boolean": "bool",
}  # fmt: skip
# TensorProto.DataType
_ONNX_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip
# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_OPSET, _GRAPH_INITIALIZER = 7, 8, 5
_DIMS, _TYPE, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14
_KEY, _VALUE = 1, 2
_LONGEST = 1 << 40


@dataclass(frozen=True)
class Place:
    """One constant: what it is, and which bytes of which file it takes (C order, little endian)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return math.prod(self.shape) * numpy_dtype(self.dtype).itemsize

    def check(self, given: int | None) -> Place:
        """Itself, when it lies inside its file.

        Raises:
            ParityError: it does not, or `given`, the size that the graph states, is not what type and shape take.
        """
        what = f"constant {self.name}"
        if min((0, self.offset, *self.shape)) < 0 or max((0, *self.shape)) >= _LONGEST:
            raise ParityError(f"{what} has an impossible shape or offset", where=self.file, remedy=_REMEDY)
        if given is not None and given != self.nbytes:
            raise ParityError(
                f"{what} has another size", where=self.file, got=given, expected=self.nbytes, remedy=_REMEDY
            )
        if not self.file.is_file():
            raise ParityError("the file with the graph's weights is missing", where=self.file, remedy=_REMEDY)
        size = self.file.stat().st_size
        if self.offset + self.nbytes > size:
            raise ParityError(
                f"{what} ends behind the file: it is truncated or belongs to another graph",
                where=self.file,
                got=f"{size} bytes",
                expected=f"at least {self.offset + self.nbytes}",
                remedy=_REMEDY,
            )
        return self

    def read(self) -> Array:
        """A view on the file's pages."""
        if not self.nbytes:
            return np.empty(self.shape, numpy_dtype(self.dtype))
        flat = np.memmap(self.file, np.uint8, "r", self.offset, (self.nbytes,))
        return cast(Array, flat.view(numpy_dtype(self.dtype)).reshape(self.shape))


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file taken apart."""

    skeleton: bytes
    """The ModelProto without its initializers."""
    places: tuple[Place, ...]
    """The initializers."""


def ir_places(xml: Path) -> tuple[Place, ...]:
    """The constants of an OpenVINO IR, in the order of its XML.

    Raises:
        ParityError: no IR, an unknown element type, or a constant that does not fit `.bin`.
    """
    places: list[Place] = []
    layer: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal layer
        if tag == "layer":
            layer = attributes
        elif tag == "data" and layer.get("type") == "Const":
            shape = tuple(int(n) for n in attributes["shape"].split(",") if n.strip())
            dtype = _IR_TYPES[attributes["element_type"]]
            place = Place(layer["name"], dtype, shape, xml.with_suffix(".bin"), int(attributes["offset"]))
            places.append(place.check(int(attributes["size"])))

    def refuse(*_: object) -> None:
        raise ParityError("an IR declares no document type", where=xml, remedy="do not open this file")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = start, refuse
    try:
        with xml.open("rb") as file:
            parser.ParseFile(file)
    except FileNotFoundError as error:
        raise ParityError("no such file", where=xml, remedy="convert with --to openvino") from error
    except (expat.ExpatError, KeyError, ValueError) as error:
        raise ParityError(f"not a readable OpenVINO IR: {error!r}", where=xml, remedy=_REMEDY) from error
    return tuple(places)


def onnx_file(path: Path) -> OnnxFile:
    """Take an ONNX file apart.

    Raises:
        ParityError: no ONNX, an initializer of unknown type or storage, or data outside its file or folder.
    """
    if not path.is_file() or not path.stat().st_size:
        raise ParityError("no such file, or an empty one", where=path, remedy="convert with --to onnx")
    whole = np.memmap(path, np.uint8, "r").data
    skeleton, places = bytearray(), list[Place]()
    try:
        found: set[int] = set()
        for field in fields(whole):
            found.add(field.number)
            if field.number != _MODEL_GRAPH:
                skeleton += field.encoded
                continue
            rest = bytearray()
            for part in fields(field.message):
                if part.number == _GRAPH_INITIALIZER:
                    places.append(_initializer(path, whole, part.message))
                else:
                    rest += part.encoded
            skeleton += head(_MODEL_GRAPH, len(rest)) + rest
    except (KeyError, ValueError) as error:  # Malformed and bad UTF-8 are ValueErrors
        raise ParityError(f"not a readable ONNX file: {error}", where=path, remedy=_REMEDY) from error
    if _MODEL_OPSET not in found:
        # A file cut between two fields is well-formed; what comes last tells that it is whole.
        raise ParityError("an ONNX file without its operator set: it was cut short", where=path, remedy=_REMEDY)
    if not places:
        raise ParityError("an ONNX file without weights", where=path, remedy=_REMEDY)
    return OnnxFile(bytes(skeleton), tuple(places))


def _initializer(path: Path, whole: memoryview, tensor: memoryview) -> Place:
    shape, name, kind, raw, external = list[int](), "", 0, None, dict[str, str]()
    for field in fields(tensor):
        if field.number == _DIMS:
            shape += field.numbers
        elif field.number == _TYPE:
            (kind,) = field.numbers
        elif field.number == _NAME:
            name = field.text
        elif field.number == _RAW:
            raw = field.message
        elif field.number == _EXTERNAL:
            entry = {part.number: part.text for part in fields(field.message)}
            external[entry[_KEY]] = entry[_VALUE]
        elif field.number != _LOCATION:
            raise Malformed(f"initializer {name} is stored in field {field.number}, not as raw bytes")
    dtype = _ONNX_TYPES.get(kind)
    if dtype is None:
        raise Malformed(f"initializer {name} has type {kind}")
    if external:
        file = _beside(path, external.get("location", ""))
        length = int(external["length"]) if "length" in external else None
        return Place(name, dtype, tuple(shape), file, int(external.get("offset", "0"))).check(length)
    if raw is None:
        raise Malformed(f"initializer {name} holds no data")
    offset = _address(raw) - _address(whole) if len(raw) else 0
    return Place(name, dtype, tuple(shape), path, offset).check(len(raw))


def _beside(path: Path, location: str) -> Path:
    folder = path.parent.resolve()
    file = (folder / location).resolve()
    if not location or file.parent != folder:
        raise ParityError("its data lies outside its folder", where=path, got=location, remedy="do not open this file")
    return file


def _address(view: memoryview) -> int:
    return int(np.frombuffer(view, np.uint8).ctypes.data)
