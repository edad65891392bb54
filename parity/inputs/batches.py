"""The batches a run is judged on: every kind of row and mask that has hidden a fault before, as few tokens as will do.

| kind | what is in a row | what it can show |
|---|---|---|
| single | one sentence | casing, accents, vocabulary |
| padded | rows of very different lengths | a mask that is ignored or inverted |
| paired | two sentences | token types |
| empty-second | a pair whose second text is empty | a [SEP] alone in its segment |
| left-padded | zeros before the sentence | kernels that reduce a mask to a length |
| holed | zeros within the sentence | the same, and masks added twice |
| one-token | one piece between [CLS] and [SEP] | norms and averages over almost nothing |
| bare | a single position, T = 1 | squeezed dimensions |
| full | as many real tokens as the model has positions | the last rows of the position table |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from parity.errors import ParityError
from parity.families.values import Feeds
from parity.inputs.batch import Batch, digest, spread_positions
from parity.inputs.corpora import sentences
from parity.inputs.passages import Passages
from parity.inputs.tokenizers import Rules
from parity.inputs.wordpiece import Encoded

__all__ = ["Batch", "build_batches", "digest"]

Size: TypeAlias = Literal["small", "large"]

FEWEST_POSITIONS = 8
_PLAIN = Feeds()
_TIMES = {"small": 1, "large": 8}
_GROUP = {"small": 8, "large": 32}
# Padded area of a batch; the largest activations of a BERT-base layer in float64 then stay near 100 MB.
_LARGEST_AREA = 2048


@dataclass(frozen=True)
class _Row:
    encoded: Encoded
    text: str | None
    shown: str
    holes: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.encoded.input_ids)


_Make: TypeAlias = Callable[[Passages, int, int], _Row]
"""(texts, number of the row within its kind, longest row in tokens) -> row."""


def _single(passages: Passages, number: int, longest: int) -> _Row:
    return _alone(passages, passages.text(number, longest - passages.tokenizer.added), longest)


def _padded(passages: Passages, number: int, longest: int) -> _Row:
    room = longest - passages.tokenizer.added
    return _alone(passages, passages.passage(number, max(1, room * (number % 8 + 1) // 8)), longest)


def _full(passages: Passages, number: int, longest: int) -> _Row:
    return _alone(passages, passages.passage(number, longest - passages.tokenizer.added), longest)


def _one_token(passages: Passages, number: int, longest: int) -> _Row:
    return _alone(passages, passages.single_piece(number), longest)


def _alone(passages: Passages, text: str, longest: int) -> _Row:
    # What is too long loses its end, and then no text gives these ids.
    whole = len(passages.tokenizer.ids(text)) + passages.tokenizer.added <= longest
    return _Row(passages.tokenizer.encode(text, max_length=longest), text if whole else None, text)


def _paired(passages: Passages, number: int, longest: int) -> _Row:
    first, second = (passages.text(2 * number + offset, longest - 3) for offset in (0, 1))
    return _pair(passages, first, second, longest)


def _empty_second(passages: Passages, number: int, longest: int) -> _Row:
    # The last of four rows has no text at all.
    return _pair(passages, passages.text(number, longest - 3) if number % 4 < 3 else "", "", longest)


def _pair(passages: Passages, first: str, second: str, longest: int) -> _Row:
    return _Row(passages.tokenizer.encode(first, second, max_length=longest), None, f"{first} [SEP] {second}")


def _textless(passages: Passages, number: int, longest: int) -> _Row:
    return replace(_single(passages, number, longest), text=None)


def _holed(passages: Passages, number: int, longest: int) -> _Row:
    row = _full(passages, number, longest - longest // 4 * (number % 2))
    last = len(row) - 1
    block, scattered = range(last // 3, last // 2 + 1), range(1 + number % 3, last, 4)
    return replace(row, text=None, holes=frozenset(block if number % 2 else scattered) - {0, last})


def _bare(passages: Passages, number: int, longest: int) -> _Row:
    word = passages.single_piece(number)
    return _Row(Encoded(tuple(passages.tokenizer.ids(word)), (0,)), None, word)


@dataclass(frozen=True)
class _Kind:
    name: str
    rows: int
    longest: int | None
    make: _Make
    mixed_lengths: bool = False
    left: bool = False
    masked: bool = False
    """Only for architectures with an attention mask."""
    pairs: bool = False
    """Only for sources that feed two texts as one row."""


_KINDS = (
    _Kind("single", 16, 40, _single),
    _Kind("padded", 8, 64, _padded, mixed_lengths=True),
    _Kind("paired", 8, 64, _paired, pairs=True),
    _Kind("empty-second", 4, 32, _empty_second, pairs=True),
    _Kind("left-padded", 8, 32, _textless, left=True, masked=True),
    _Kind("holed", 8, 32, _holed, masked=True),
    _Kind("one-token", 8, 3, _one_token),
    _Kind("bare", 4, 1, _bare),
    _Kind("full", 1, None, _full),
)


def build_batches(
    tokenizer: Rules,
    *,
    positions: int,
    token_types: int,
    feeds: Feeds = _PLAIN,
    size: Size = "small",
    texts: Sequence[str] | None = None,
) -> tuple[Batch, ...]:
    """Every kind of batch over the corpora, or over a user's own texts.

    Args:
        tokenizer: the source's.
        positions: the longest row the model takes; rows of kind `full` have exactly as many.
        token_types: rows of the model's token type table; 0 = there is none.
        feeds: has the architecture an attention mask, and how does the source pad?
        size: `small` stays under 4,096 real tokens at 512 positions, `large` has eight times the rows.
        texts: used instead of the corpora: each alone, neighbours as pairs, and the other kinds from the first ones.

    Returns:
        Batches named `<kind>-<n>`, the same for the same arguments; texts where they alone give the arrays.

    Raises:
        ParityError: fewer than 8 positions, or no texts.
    """
    if positions < FEWEST_POSITIONS:
        raise ParityError("too few positions to build inputs", got=positions, expected=f"at least {FEWEST_POSITIONS}")
    if texts is not None and not texts:
        raise ParityError("no texts to build inputs from", remedy="give at least one text")
    passages = Passages(tokenizer, sentences() if texts is None else texts)
    fitting = [kind for kind in _KINDS if (feeds.masked or not kind.masked) and (tokenizer.pairs or not kind.pairs)]
    kinds = fitting if texts is None else [_for_texts(kind, len(texts)) for kind in fitting]
    times = _TIMES[size] if texts is None else 1
    built: list[Batch] = []
    start = 0
    for kind in kinds:
        longest = min(kind.longest or positions, positions - kind.left)
        rows = [kind.make(passages, start + number, longest) for number in range(kind.rows * times)]
        for count, group in enumerate(_groups(rows, kind, _GROUP[size])):
            built.append(_assemble(f"{kind.name}-{count}", kind, group, tokenizer, token_types, feeds))
        if texts is None:
            # Of our own sentences every kind reads others; one more than was read changes the languages' order.
            start += kind.rows * times + 1
    return tuple(built)


def _for_texts(kind: _Kind, count: int) -> _Kind:
    every = {"single": count, "paired": (count + 1) // 2}
    return replace(kind, rows=every[kind.name], longest=None) if kind.name in every else kind


def _groups(rows: Iterable[_Row], kind: _Kind, most: int) -> Iterator[list[_Row]]:
    """Rows in groups of similar length, none above the allowed area."""
    group: list[_Row] = []
    for row in rows if kind.mixed_lengths else sorted(rows, key=len):
        area = max(map(len, [*group, row])) * (len(group) + 1)
        if group and (len(group) == most or area > _LARGEST_AREA):
            yield group
            group = []
        group.append(row)
    yield group


def _assemble(name: str, kind: _Kind, rows: Sequence[_Row], tokenizer: Rules, token_types: int, feeds: Feeds) -> Batch:
    # One column more than the longest row needs, so that every left-padded row is padded.
    length = max(map(len, rows)) + kind.left
    shape = (len(rows), length)
    ids = np.full(shape, tokenizer.pad, np.int32)
    mask, types = np.zeros(shape, np.int32), np.full(shape, feeds.padding_type, np.int32)
    for number, row in enumerate(rows):
        at = slice(length - len(row), length) if kind.left or feeds.left else slice(0, len(row))
        ids[number, at] = row.encoded.input_ids
        types[number, at] = np.minimum(row.encoded.token_type_ids, max(token_types - 1, 0))
        mask[number, at] = [position not in row.holes for position in range(len(row))]
    texts = tuple(row.text for row in rows if row.text is not None)
    return Batch(
        name=name,
        arrays={
            "input_ids": ids,
            "attention_mask": mask,
            **({"token_type_ids": types} if token_types else {}),
            "logit_positions": spread_positions(mask),
        },
        texts=texts if len(texts) == len(rows) else None,
        shown=tuple(row.shown for row in rows),
        kind=kind.name,
    )
