"""A sentencepiece model file: taken apart by its wire format first, and only then given to the library.

Layout: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from parity.checkpoints.wire import Message, bytes_field, fixed32_field, number_field, read_message
from parity.errors import ParityError, Problems

Kind: TypeAlias = Literal["normal", "unknown", "control", "user-defined", "unused", "byte"]
_KINDS: tuple[Kind, ...] = ("normal", "unknown", "control", "user-defined", "unused", "byte")
_LARGEST = 64 << 20
_REMEDY = "use the spiece.model of the checkpoint's own archive"
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_UNIGRAM = 1


@dataclass(frozen=True)
class Piece:
    """One piece: its text, log probability and kind."""

    text: str
    score: float
    kind: Kind


@dataclass(frozen=True)
class Model:
    """A model of unigrams."""

    pieces: tuple[Piece, ...]
    normalisation: str
    """Name of the rules that the model itself applies to a text."""
    bytes: bytes = field(repr=False)

    def processor(self) -> Any:
        """The library's processor over it.

        Raises:
            ParityError: the library refuses it.
        """
        import sentencepiece

        try:
            return sentencepiece.SentencePieceProcessor(model_proto=self.bytes)
        except (RuntimeError, ValueError, OSError) as error:
            raise ParityError(f"sentencepiece refuses the model: {error}", remedy=_REMEDY) from error


def read_model(path: Path) -> Model:
    """Read a spiece.model.

    Raises:
        ParityError: missing, larger than 64 MiB, damaged, or of another algorithm than unigrams.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            expected = f"at most {_LARGEST}"
            raise ParityError("too large for a vocabulary", where=path, got=size, expected=expected, remedy=_REMEDY)
        data = path.read_bytes()
    except OSError as error:
        raise ParityError(f"cannot be read: {error.strerror}", where=path, remedy="check the path") from error
    try:
        whole = read_message(data)
        trainer, rules = whole.message(_TRAINER), whole.message(_NORMALIZER)
        pieces = tuple(_pieces(whole))
    except (ParityError, UnicodeDecodeError) as error:
        raise ParityError(f"no sentencepiece model: {error}", where=path, remedy=_REMEDY) from error
    problems = Problems("not a vocabulary of XLNet's kind", where=path)
    if not pieces:
        problems.add("no pieces", remedy=_REMEDY)
    # Left out, it stands for 1.
    if trainer.numbers.get(3, _UNIGRAM) != _UNIGRAM:
        problems.add("the model is not of unigrams", got=f"type {trainer.number(3)}", remedy=_REMEDY)
    for number, piece in enumerate(pieces):
        if not math.isfinite(piece.score):
            problems.add(f"piece {number} has no score", got=piece.score, remedy=_REMEDY)
    if len({piece.text for piece in pieces}) != len(pieces):
        problems.add("a piece stands twice", remedy=_REMEDY)
    if [piece.kind for piece in pieces].count("unknown") != 1:
        problems.add("there is not exactly one piece for the unknown", remedy=_REMEDY)
    # What it assumes where they are left out is true for all three: a space in front, no double ones, shown as a sign.
    if any(rules.numbers.get(flag, 1) != 1 for flag in (3, 4, 5)):
        problems.add("the model treats white space otherwise than XLNet's", remedy=_REMEDY)
    problems.raise_if_any()
    names = rules.all(1)
    return Model(pieces, names[-1].decode("utf-8", "replace") if names else "none", data)


def model_bytes(pieces: Iterable[Piece]) -> bytes:
    """A model of unigrams with these pieces and no rules of its own, or, put behind a model's bytes, more pieces."""
    return b"".join(bytes_field(_PIECES, _body(piece)) for piece in pieces)


def _body(piece: Piece) -> bytes:
    score = int.from_bytes(struct.pack("<f", piece.score), "little")
    kind = number_field(3, _KINDS.index(piece.kind) + 1)
    return bytes_field(1, piece.text.encode()) + fixed32_field(2, score) + kind


def _pieces(whole: Message) -> Iterator[Piece]:
    for body in whole.all(_PIECES):
        message = read_message(body)
        (score,) = struct.unpack("<f", (message.number(2) & 0xFFFFFFFF).to_bytes(4, "little"))
        number = message.numbers.get(3, 1)
        if not 1 <= number <= len(_KINDS) or not message.all(1):
            raise ParityError("a piece of an unknown kind or without a text", got=number)
        yield Piece(message.all(1)[-1].decode("utf-8"), score, _KINDS[number - 1])
