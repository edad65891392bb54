"""What an index file says: which tensors there are, and where the bytes of each lie.

Keys are tensor names, and for the parts of partitioned variables slice keys; the empty key holds the header. Pure
bytes in, values out: sizes are judged here against shape and dtype, in `places` against the data files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from parity.checkpoints.entry import STRING, Entry, Piece, read_entry, read_header
from parity.checkpoints.slices import check_tiling, resolve, slice_key
from parity.checkpoints.sstable import read_table
from parity.errors import ParityError, Problems

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_OBJECT_ATTRIBUTE = "/.ATTRIBUTES/"


@dataclass(frozen=True)
class Stored:
    """A tensor as the index describes it; its pieces tile `shape` exactly."""

    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all pieces."""
        return sum(piece.nbytes for piece in self.pieces)


def read_index(data: bytes) -> tuple[int, Mapping[str, Stored]]:
    """Number of data files, and every tensor by name.

    Raises:
        ParityError: damage, a big-endian checkpoint, or tensors that cannot be; without a place.
    """
    pairs = read_table(data)
    key, header = next(pairs, (None, b""))
    if key != b"":
        raise ParityError("the index does not begin with a bundle's header")
    shards = read_header(header)
    whole: dict[str, Entry] = {}
    parts: dict[bytes, Entry] = {}
    problems = Problems("the index holds tensors that cannot be")
    for key, value in pairs:
        try:
            entry = read_entry(value, shards)
            if key.startswith(b"\0"):
                parts[key] = entry
            else:
                whole[key.decode()] = entry
        except UnicodeDecodeError:
            problems.add(f"tensor {shown(key)}: its name is not UTF-8")
        except ParityError as error:
            problems.add(f"tensor {shown(key)}: {error.what}", got=error.got, expected=error.expected)
        if len(problems) == problems.limit:
            break
    problems.raise_if_any()
    return shards, _assemble(whole, parts)


def is_object_key(name: str) -> bool:
    """Whether only an object-based checkpoint has such a key."""
    return name == _OBJECT_GRAPH or _OBJECT_ATTRIBUTE in name


def shown(name: bytes | str) -> str:
    """A name from outside, fit for one line of a message."""
    text = name.decode(errors="backslashreplace") if isinstance(name, bytes) else name
    text = text if text.isprintable() else text.encode("unicode_escape", "surrogatepass").decode()
    return text if len(text) <= 120 else f"{text[:117]}..."


def _assemble(whole: Mapping[str, Entry], parts: dict[bytes, Entry]) -> Mapping[str, Stored]:
    problems = Problems("the index holds partitioned tensors that cannot be put together")
    tensors: dict[str, Stored] = {}
    for name, entry in whole.items():
        try:
            pieces = _pieces(name, entry, parts) if entry.slices else (entry.piece,)
            tensors[name] = Stored(entry.dtype, entry.shape, pieces)
        except ParityError as error:
            problems.add(f"tensor {shown(name)}: {error.what}", got=error.got, expected=error.expected)
        if len(problems) == problems.limit:
            break
    problems.raise_if_any()
    if parts:
        raise ParityError("there are slices that belong to no tensor", got=f"{len(parts)}, first {shown(min(parts))}")
    return tensors


def _pieces(name: str, whole: Entry, parts: dict[bytes, Entry]) -> tuple[Piece, ...]:
    """The parts of a partitioned tensor, taken out of `parts`."""
    if whole.dtype == STRING:
        raise ParityError("it is a partitioned string tensor, which is not read here")
    pieces, boxes = [], []
    for stored_box in whole.slices:
        box = resolve(stored_box, whole.shape)
        part = parts.pop(slice_key(name, stored_box), None)
        if part is None:
            raise ParityError("one of its slices is missing, or is listed twice", got=box)
        lengths = tuple(length for _, length in box)
        if part.slices or (part.dtype, part.shape) != (whole.dtype, lengths):
            raise ParityError(
                "one of its slices has another dtype or shape than its place",
                got=f"{part.dtype}{part.shape}",
                expected=f"{whole.dtype}{lengths}",
            )
        pieces.append(replace(part.piece, box=box))
        boxes.append(box)
    check_tiling(boxes, whole.shape)
    return tuple(pieces)
