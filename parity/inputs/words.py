r"""Transformer-XL's reading of text (kimiyoung/transformer-xl, tf/vocabulary.py): words between white space, and ids.

A text is one line of the original's files: stripped, lower-cased where the vocabulary says so, split at white space.
What `encode_file` puts around a line, `encode` puts around a text: `<eos>` behind it for wt103, wt2 and ptb, `<S>` on
both sides for lm1b, nothing for enwik8 and text8. Line ends within a text are white space to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.inputs.vocabulary import Vocabulary
from parity.inputs.word_lists import WordList, read_word_list
from parity.inputs.wordpiece import Encoded

EOS, DOUBLE = "<eos>", "<S>"
UNKNOWN = ("<unk>", "<UNK>")
ENDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "eos": ((), (EOS,)),
    "double": ((DOUBLE,), (DOUBLE,)),
    "none": ((), ()),
}
"""What stands before and behind a line, by the name a proof gives it."""


@dataclass(frozen=True)
class Tokenizer:
    """The source's rules over one vocabulary.

    Args:
        vocab: the words in id order.
        lower_case: lower-case the line first.
        ends: what is put around a line: a key of `ENDS`.
        unknown: the id of words that the vocabulary lacks; None: it has none, and such a word is an error, as in the
            source, whose wt103 vocabulary knows every word of its corpus.
        evidence: what says so.
    """

    vocab: Vocabulary
    lower_case: bool = field(kw_only=True)
    ends: str = field(kw_only=True)
    unknown: int | None = field(kw_only=True)
    evidence: str = field(default="given", kw_only=True)

    @property
    def pad(self) -> int:
        """`<eos>` or 0: the source never pads, and what stands behind a text is never looked at."""
        return self.vocab.ids.get(EOS, 0)

    @property
    def added(self) -> int:
        """What `ends` adds."""
        return sum(map(len, ENDS[self.ends]))

    @property
    def pairs(self) -> bool:
        """One text makes a row."""
        return False

    def describe(self) -> Mapping[str, Any]:
        """Casing, what stands around a text, what unknown words become, and what says so."""
        unknown = None if self.unknown is None else self.vocab.tokens[self.unknown]
        return {"lower_case": self.lower_case, "ends": self.ends, "unknown": unknown, "evidence": self.evidence}

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, nothing added."""
        line = text.strip()
        return (line.lower() if self.lower_case else line).split()

    def ids(self, text: str) -> list[int]:
        """The ids of `tokenize(text)`.

        Raises:
            ParityError: a word that the vocabulary lacks, which has no `<unk>` either.
        """
        return [self._id(word) for word in self.tokenize(text)]

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> Encoded:
        """A line as the source feeds it; what is too long loses words at its end.

        Raises:
            ParityError: a pair, no room for what stands around the line, or an unknown word (see `ids`).
        """
        if pair is not None:
            raise ParityError("Transformer-XL reads one text", got="a pair", remedy="join the texts")
        before, behind = ([self.vocab.ids[word] for word in words] for words in ENDS[self.ends])
        room = max_length - len(before) - len(behind)
        if room < 0:
            raise ParityError("no room for what ends a line", got=max_length, expected=max_length - room)
        row = (*before, *self.ids(text)[:room], *behind)
        return Encoded(row, (0,) * len(row))

    def _id(self, word: str) -> int:
        found = self.vocab.ids.get(word, self.unknown)
        if found is None:
            remedy = "give texts of its own corpus, or a vocabulary with <unk>"
            raise ParityError("a word that the vocabulary lacks", where=self.vocab.path, got=word[:80], remedy=remedy)
        return found


def read(path: Path, *, size: int) -> Tokenizer:
    """The rules over a `cache.pkl`, a `vocab.pkl` or a `vocab.txt`.

    Nothing in a pickle is executed. A `vocab.json` that parity wrote beside a `vocab.txt` tells what the text cannot;
    without one, capitals tell the casing, and `<eos>` or `<S>` what ends a line.

    Raises:
        ParityError: unreadable, no vocabulary, or of another size than the model's table.
    """
    listed = read_word_list(path)
    if len(listed.words) != size:
        got, expected = f"{len(listed.words)} words", f"{size} as the config says"
        remedy = "use the vocabulary of the checkpoint's own corpus"
        raise ParityError(
            "the vocabulary does not fit the model", where=path, got=got, expected=expected, remedy=remedy
        )
    return of_list(listed, path=path)


def of_list(listed: WordList, *, path: Path) -> Tokenizer:
    """The rules over words that were read."""
    vocab = Vocabulary.of(listed.words, path=path)
    lower_case, ends, said = listed.lower_case, listed.ends, listed.evidence
    if lower_case is None:
        capital = next((word for word in vocab.tokens if word.lower() != word and word not in (DOUBLE, *UNKNOWN)), None)
        lower_case = capital is None
        said += f"; {'no capitals' if capital is None else f'capitals such as {capital[:40]!r}'}"
    if ends is None:
        ends = "eos" if EOS in vocab.ids else "double" if DOUBLE in vocab.ids else "none"
        said += f"; line ends by {EOS if ends == 'eos' else DOUBLE if ends == 'double' else 'neither <eos> nor <S>'}"
    missing = [word for word in {word for side in ENDS[ends] for word in side} if word not in vocab.ids]
    if missing:
        raise ParityError(f"no {missing[0]} in the vocabulary, which ends its lines", where=path)
    named = UNKNOWN if listed.unknown is None else (listed.unknown, *UNKNOWN)
    unknown = next((vocab.ids[word] for word in named if word in vocab.ids), None)
    return Tokenizer(vocab, lower_case=lower_case, ends=ends, unknown=unknown, evidence=said)
