"""Differences between the source's tokenizer rules and the libraries' that are known, wanted or not ours to mend.

`fixtures/known_tokenizer_differences.toml` lists them. A difference counts as known only if it vanishes together with
what the entry's pattern matches: an entry never excuses anything else in the same text.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity.errors import ParityError
from parity.inputs.fixtures import fixtures_root
from parity.inputs.sentencepieces import SPECIAL as PIECES
from parity.inputs.sentencepieces import read as read_pieces
from parity.inputs.spiece import Piece, model_bytes
from parity.inputs.tokenizers import Rules
from parity.inputs.vocabulary import SPECIAL, Casing, Vocabulary
from parity.inputs.wordpiece import of_casing

FILE = "known_tokenizer_differences.toml"


@dataclass(frozen=True, kw_only=True)
class Known:
    """One entry."""

    name: str
    tokenizers: tuple[str, ...]
    """Where it shows: `tokenizers`, `transformers`, `spacy`."""
    pattern: re.Pattern[str]
    """What, in a text, makes the difference."""
    only_lower_case: bool
    """It shows in models that lower-case, and in no others."""
    unicode_before: int | None
    """It shows where Python's own Unicode tables are older than this."""
    witness: str
    """A text that shows it, over the special tokens and then `vocabulary`."""
    vocabulary: tuple[str, ...]
    source: tuple[int, ...]
    artifact: tuple[int, ...]
    """Ids of the witness on both sides."""
    kind: str
    """Of the source's rules: a key of `parity.inputs.tokenizers.KINDS`."""
    scores: tuple[float, ...]
    """Log probabilities of a sentencepiece witness's pieces."""
    seen: Mapping[str, str]
    """Versions for which it was seen."""
    link: str
    reason: str

    @property
    def in_force(self) -> bool:
        """Whether it can show with this Python."""
        mine = int(unicodedata.unidata_version.partition(".")[0])
        return self.unicode_before is None or mine < self.unicode_before

    @property
    def casing(self) -> Casing:
        """Of the model that shows the witness."""
        return Casing(self.only_lower_case, self.only_lower_case, f"known difference {self.name}")

    def rules(self, folder: Path) -> Rules:
        """The source's rules over the witness's vocabulary, which is written into `folder`."""
        return _RULES[self.kind](self, folder)


def _wordpiece(entry: Known, folder: Path) -> Rules:
    tokens, path = (*SPECIAL, *entry.vocabulary), folder / "vocabulary.txt"
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    return of_casing(Vocabulary.of(tokens, path=path), entry.casing)


def _sentencepiece(entry: Known, folder: Path) -> Rules:
    special = (Piece(name, 0.0, "unknown" if name == "<unk>" else "control") for name in PIECES)
    own = (Piece(text, score, "normal") for text, score in zip(entry.vocabulary, entry.scores, strict=True))
    path = folder / "vocabulary.model"
    path.write_bytes(model_bytes((*special, *own)))
    return read_pieces(path, size=len(PIECES) + len(entry.vocabulary))


_RULES: Mapping[str, Callable[[Known, Path], Rules]] = {"wordpiece": _wordpiece, "sentencepiece": _sentencepiece}


def read_known(path: Path | None = None) -> tuple[Known, ...]:
    """The entries of a file; of the one that ships unless said.

    Raises:
        ParityError: unreadable, or an entry lacks something or holds what is not known.
    """
    path = path or fixtures_root() / FILE
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("difference", [])
        return tuple(_entry(entry) for entry in entries)
    except (OSError, ValueError, TypeError, KeyError, re.error) as error:
        raise ParityError(f"not a list of known differences: {error}", where=path, remedy="mend the entry") from error


def _entry(raw: Mapping[str, object]) -> Known:
    lists = {"scores": [], **raw}
    tuples = {name: tuple(_list(lists[name])) for name in ("tokenizers", "vocabulary", "scores", "source", "artifact")}
    if raw.get("kind", "wordpiece") not in _RULES:
        raise ValueError(f"no witness can be made of kind {raw['kind']}")
    return Known(
        **{
            "only_lower_case": False,
            "unicode_before": None,
            "kind": "wordpiece",
            **raw,
            **tuples,
            "pattern": re.compile(str(raw["pattern"])),
        }  # type: ignore[arg-type]
    )


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def applicable(
    entries: Iterable[Known], tokenizer: str, *, lower_case: bool, kind: str = "wordpiece"
) -> tuple[Known, ...]:
    """The entries that can show in this tokenizer of a model of that casing, whose source has rules of that kind."""
    return tuple(
        entry
        for entry in entries
        if (tokenizer in entry.tokenizers and entry.kind == kind)
        and entry.in_force
        and (lower_case or not entry.only_lower_case)
    )


def explained(text: str, entries: Iterable[Known], agree: Callable[[str], bool]) -> tuple[str, ...]:
    """Names of the entries that account for a text's difference; none if they do not, or not for all of it.

    Args:
        text: a text that gets different ids.
        entries: those that apply.
        agree: whether a text gets the same ids on both sides.
    """
    met = [entry for entry in entries if entry.pattern.search(text)]
    rest = text
    for entry in met:
        rest = entry.pattern.sub(" ", rest)
    return tuple(entry.name for entry in met) if met and agree(rest) else ()
