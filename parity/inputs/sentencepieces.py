"""XLNet's original tokenizer (zihangdai/xlnet, prepro_utils.py and classifier_utils.py): text in, pieces and ids out.

White space is collapsed, two kinds of quotes become one, accents go, and the sentencepiece model cuts what is left.
A piece that ends in a digit and a comma is cut again without its comma. `<sep>` and its like are not special in a text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from parity.errors import ParityError, Problems
from parity.inputs.spiece import Model, read_model
from parity.inputs.vocabulary import Vocabulary
from parity.inputs.wordpiece import Encoded

SPACE = "▁"
"""How the model writes a space."""
FIRST, BETWEEN, LAST = 0, 1, 2
"""Segments of the first text, of the second, and of `<cls>` behind them."""
SPECIAL = {"<unk>": 0, "<s>": 1, "</s>": 2, "<cls>": 3, "<sep>": 4, "<pad>": 5, "<mask>": 6, "<eod>": 7, "<eop>": 8}
"""Ids that the original's data_utils.py has in its code, whatever the model says."""
_USED = ("<unk>", "<cls>", "<sep>")


@dataclass(frozen=True)
class Tokenizer:
    """The source's rules over one sentencepiece model.

    Args:
        vocab: its pieces.
        model: the file, taken apart.
        lower_case: lower-case the text first (the original's `--uncased`).
    """

    vocab: Vocabulary
    model: Model = field(repr=False)
    lower_case: bool = field(default=False, kw_only=True)

    @property
    def pad(self) -> int:
        """0, as the original fills rows on their left, and not `<pad>`; masked, it makes no difference."""
        return 0

    @property
    def added(self) -> int:
        """`<sep>` and `<cls>`."""
        return 2

    @property
    def pairs(self) -> bool:
        """Two texts make one row."""
        return True

    def describe(self) -> Mapping[str, Any]:
        """Kind, casing, the model's own normalisation, and the ids that stand around texts."""
        return {
            "kind": "sentencepiece",
            "lower_case": self.lower_case,
            "accents": "stripped (NFKD, combining characters left out)",
            "normalisation": self.model.normalisation,
            "special": {name: SPECIAL[name] for name in ("<cls>", "<sep>")},
            "pad": self.pad,
        }

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text as the model writes them; one that it does not know is the text's own."""
        found: list[str] = []
        for piece in self._cut(preprocess(text, lower_case=self.lower_case)):
            # The original looks at the last two characters of a piece, whatever script the digit is of.
            if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
                found += [*self._without_comma(piece), ","]
            else:
                found.append(piece)
        return found

    def ids(self, text: str) -> list[int]:
        """The ids of `tokenize(text)`; 0 for what the model does not know."""
        return [self.vocab.ids.get(piece, 0) for piece in self.tokenize(text)]

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> Encoded:
        """`text <sep> <cls>`, or `text <sep> pair <sep> <cls>`, of at most `max_length` ids.

        What is too long loses pieces at its end; of a pair the longer text does, the second if both are equal. A second
        text without any piece counts as none, as in the original.

        Raises:
            ParityError: `max_length` leaves no room for the special pieces.
        """
        first, second = self.ids(text), self.ids(pair) if pair is not None else []
        room = max_length - (3 if second else 2)
        if room < 0:
            raise ParityError("no room for <sep> and <cls>", got=max_length, expected=max_length - room)
        while len(first) + len(second) > room:
            (first if len(first) > len(second) else second).pop()
        head = (*first, SPECIAL["<sep>"])
        tail = (*second, SPECIAL["<sep>"]) if second else ()
        types = (FIRST,) * len(head) + (BETWEEN,) * len(tail) + (LAST,)
        return Encoded((*head, *tail, SPECIAL["<cls>"]), types)

    def _without_comma(self, piece: str) -> list[str]:
        """The rest of a piece, cut anew as if it stood alone; what begins no word then loses the mark of one."""
        found = self._cut(piece[:-1].replace(SPACE, ""))
        if piece[0] != SPACE and found and found[0][0] == SPACE:
            found[0] = found[0][1:]
        return [rest for rest in found if rest]

    def _cut(self, text: str) -> list[str]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            got = ascii(text[error.start])
            raise ParityError("half a surrogate pair in a text", got=got, remedy="take it out") from error
        pieces: list[str] = self._processor.encode(text, out_type=str)
        return pieces

    @cached_property
    def _processor(self) -> Any:
        return self.model.processor()


def preprocess(text: str, *, lower_case: bool = False) -> str:
    """What the original does before the model sees a text: `preprocess_text` with its defaults."""
    plain = " ".join(text.split()).replace("``", '"').replace("''", '"')
    bare = "".join(char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))
    return bare.lower() if lower_case else bare


def read(path: Path, *, size: int) -> Tokenizer:
    """The rules over a spiece.model.

    Raises:
        ParityError: unreadable, not of unigrams, of another size than the model's table, or without the special pieces
            where the original's code has them.
    """
    model = read_model(path)
    pieces = tuple(piece.text for piece in model.pieces)
    vocab = Vocabulary.of(pieces, path=path)
    problems = Problems("vocabulary does not fit the model", where=path)
    remedy = "use the spiece.model of the checkpoint's own archive"
    if len(pieces) != size:
        problems.add(
            "vocabulary has the wrong length",
            got=f"{len(pieces)} pieces",
            expected=f"{size} as the config says",
            remedy=remedy,
        )
    for name in _USED:
        held = pieces[SPECIAL[name]] if SPECIAL[name] < len(pieces) else None
        if held != name:
            problems.add(f"piece {SPECIAL[name]} is not {name}", got=held or "no such piece", remedy=remedy)
    problems.raise_if_any()
    return Tokenizer(vocab, model)
