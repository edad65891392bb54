"""OpenAI GPT's tokenizer (openai/finetune-transformer-lm, text_utils.py): words in lower case, joined by learnt merges.

What is a word tells `parity.inputs.english`. A piece that the vocabulary lacks has id 0, which is also what padding is
filled with. Training adds three special tokens behind the vocabulary's last; published weights have no rows for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import ParityError, Problems
from parity.inputs.bpe import Ranks, beside, merge, read_encoder, read_merges
from parity.inputs.english import words
from parity.inputs.vocabulary import Vocabulary
from parity.inputs.wordpiece import Encoded

END = "</w>"
"""Part of every word's last symbol."""
MERGES = ("vocab_40000.bpe", "merges.txt")
"""Names of the second file; the later one is transformers'."""
SPECIAL = ("_start_", "_delimiter_", "_classify_")
_CACHED = 1 << 16
"""Words whose pieces are remembered."""


@dataclass(frozen=True)
class Tokenizer:
    """The source's rules over one vocabulary and its merges.

    Args:
        vocab: the pieces, and the special tokens behind them where training added them.
        ranks: the merges, first learnt first.
        merges: the file they are from.
        special: are there special tokens?
    """

    vocab: Vocabulary
    ranks: Ranks = field(repr=False)
    merges: Path
    special: bool = False
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def unknown(self) -> str:
        """The piece of id 0; published as `<unk>`."""
        return self.vocab.tokens[0]

    @property
    def pad(self) -> int:
        """0, as train.py fills its rows."""
        return 0

    @property
    def added(self) -> int:
        """`_start_` and `_classify_`, where there are special tokens."""
        return 2 if self.special else 0

    @property
    def pairs(self) -> bool:
        """Two texts make one row, where there are special tokens."""
        return self.special

    @property
    def lower_case(self) -> bool:
        """Always."""
        return True

    def describe(self) -> Mapping[str, Any]:
        """Kind, what tells words apart, number of merges, and the ids of padding and of special tokens."""
        return {
            "kind": "BPE",
            "lower_case": True,
            "words": "ftfy's characters, text_standardize, and spaCy's English rules as in parity.inputs.english",
            "merges": len(self.ranks),
            "pad": self.pad,
            "special": {token: self.vocab.ids[token] for token in SPECIAL} if self.special else {},
        }

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text; one that the vocabulary lacks is `unknown`."""
        ids = self.vocab.ids
        return [piece if piece in ids else self.unknown for word in words(text) for piece in self.pieces(word)]

    def ids(self, text: str) -> list[int]:
        """The ids of `tokenize(text)`."""
        return [self.vocab.ids[piece] for piece in self.tokenize(text)]

    def pieces(self, word: str) -> tuple[str, ...]:
        """One word, not empty, by the merges alone."""
        if word not in self._known:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[word] = merge((*word[:-1], word[-1] + END), self.ranks)
        return self._known[word]

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> Encoded:
        """The text's ids; with special tokens `_start_ text _classify_`, or `_start_ text _delimiter_ pair _classify_`.

        What is too long loses pieces at its end; of a pair the longer text does, the second if both are equal.

        Raises:
            ParityError: no room for the special tokens, or a pair where there are none.
        """
        if not self.special:
            if pair is not None:
                raise ParityError("without special tokens GPT reads one text", got="a pair", remedy="join them")
            plain = tuple(self.ids(text)[:max_length])
            return Encoded(plain, (0,) * len(plain))
        first, second = self.ids(text), self.ids(pair) if pair is not None else []
        room = max_length - (2 if pair is None else 3)
        if room < 0:
            raise ParityError(f"no room for {' and '.join(SPECIAL)}", got=max_length, expected=max_length - room)
        while len(first) + len(second) > room:
            (first if len(first) > len(second) else second).pop()
        start, between, end = (self.vocab.ids[token] for token in SPECIAL)
        ids = (start, *first, *((between, *second) if pair is not None else ()), end)
        return Encoded(ids, (0,) * len(ids))


def read(path: Path, *, size: int) -> Tokenizer:
    """The rules over an encoder_bpe_40000.json (transformers: vocab.json) and the merges beside it.

    Args:
        path: the vocabulary.
        size: rows of the model's table; three more than there are entries, where training added special tokens.

    Raises:
        ParityError: unreadable, of another size, or with a merge that has no id.
    """
    merges = beside(path, MERGES)
    vocab, special = _vocabulary(path, size)
    ranks = read_merges(merges)
    problems = Problems("the vocabulary does not fit its merges", where=path)
    nameless = [symbol for one, two in ranks for symbol in (one, two, one + two) if symbol not in vocab.ids]
    if nameless:
        problems.add(
            f"no id for {nameless[0]!r} of {merges.name}",
            got=f"{len(set(nameless))} such",
            remedy="use the two files of one release",
        )
    problems.raise_if_any()
    return Tokenizer(vocab, ranks, merges, special)


def _vocabulary(path: Path, size: int) -> tuple[Vocabulary, bool]:
    """The published entries, and the special tokens behind them where the table has rows for those."""
    try:
        found = read_encoder(path, size=size)
    except ParityError as error:
        try:
            held = read_encoder(path, size=size - len(SPECIAL))
        except ParityError:
            raise error from None
        return Vocabulary.of((*held.tokens, *SPECIAL), path=path), True
    return found, all(token in found.ids for token in SPECIAL)
