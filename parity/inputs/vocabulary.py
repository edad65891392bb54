"""WordPiece vocabularies: read as the source reads them, checked, and asked which casing they were made for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from parity.errors import ParityError, Problems
from parity.inputs.normalise import without_accents, words
from parity.inputs.textfiles import read_utf8

UNKNOWN, FIRST, BETWEEN = "[UNK]", "[CLS]", "[SEP]"
SPECIAL = ("[PAD]", UNKNOWN, FIRST, BETWEEN, "[MASK]")
CONTINUES = "##"

_LENGTH_REMEDY = {
    False: "use the vocab.txt of the checkpoint's own archive",
    True: "use the vocab.txt of the checkpoint's own archive; where that is what you did, name the spare rows: "
    "append lines [spare1], [spare2], ...",
}


@dataclass(frozen=True)
class Vocabulary:
    """The pieces in file order, and the id of each; of a piece that stands twice the later line counts."""

    tokens: tuple[str, ...]
    ids: Mapping[str, int]
    path: Path

    @classmethod
    def of(cls, tokens: Iterable[str], *, path: Path) -> Vocabulary:
        """A vocabulary of these pieces, as `path` would give it."""
        listed = tuple(tokens)
        return cls(listed, {token: number for number, token in enumerate(listed)}, path)


@dataclass(frozen=True)
class Casing:
    """How text is normalised before it is looked up, and what says so."""

    lower_case: bool
    strip_accents: bool
    evidence: str


def read_vocab(path: Path) -> Vocabulary:
    r"""Read a `vocab.txt`.

    Lines end at `\n` and nowhere else: the Chinese vocabulary has a line that holds only U+2028. Each is stripped, and
    one that is empty then still takes an id, as in the source.

    Raises:
        ParityError: unreadable, not UTF-8, or empty.
    """
    lines = read_utf8(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise ParityError("an empty vocabulary", where=path, remedy="use the vocab.txt of the checkpoint's own archive")
    return Vocabulary.of((line.strip() for line in lines), path=path)


def check_vocab(vocab: Vocabulary, size: int, *, spare_rows: bool = False) -> None:
    """See that a vocabulary can belong to a model whose config says `vocab_size` = `size`.

    Args:
        vocab: the vocabulary.
        size: rows of the model's embedding table.
        spare_rows: the model is known to have rows that no line names (Danish BERT), so fewer entries are accepted.

    Raises:
        ParityError: another number of entries, or a special token missing.
    """
    problems = Problems("vocabulary does not fit the model", where=vocab.path)
    entries = len(vocab.tokens)
    if entries > size or (entries < size and not spare_rows):
        problems.add(
            f"vocabulary has the wrong length{_length_hint(vocab, entries > size)}",
            got=f"{entries} entries",
            expected=f"{size} as the config says",
            remedy=_LENGTH_REMEDY[entries < size],
        )
    missing = missing_tokens(vocab, SPECIAL)
    if missing:
        marked = vocab.tokens[0].startswith("\ufeff")
        problems.add(
            f"no {', '.join(missing)} in the vocabulary",
            remedy="remove the byte order mark at the file's start" if marked else "use the model's own vocab.txt",
        )
    problems.raise_if_any()


def missing_tokens(vocab: Vocabulary, wanted: Iterable[str]) -> list[str]:
    """Those of the wanted tokens that the vocabulary lacks."""
    return [token for token in wanted if token not in vocab.ids]


def _length_hint(vocab: Vocabulary, longer: bool) -> str:
    if not longer:
        return "; a tool that drops blank lines, or the line that holds only U+2028, removes entries"
    if "" not in vocab.ids:
        return ""
    line = vocab.tokens.index("") + 1
    return f"; line {line} is blank: a tool that breaks lines at U+2028 (str.splitlines) adds such entries"


def guess_casing(vocab: Vocabulary) -> Casing:
    """Read the casing off pieces that a normaliser could never have produced: capitals, then letters with accents.

    Only pieces that could be (part of) a word count, which leaves out `[unused1]` and the Chinese `<S>`. One in two
    thousand of them may contradict: people put words of their own, capitals included, into unused lines.
    """
    leftovers = sum(not token.startswith("[") for token in vocab.tokens) // 2000
    capital = _impossible(vocab, str.lower, beyond=leftovers)
    if capital is not None:
        return Casing(False, False, f"cased: pieces such as {capital} would not survive lower-casing")
    accented = _impossible(vocab, without_accents, beyond=leftovers)
    if accented is not None:
        survives = f"pieces such as {accented} would not survive stripping accents"
        return Casing(True, False, f"lower-cased with accents kept: no capitals, but {survives}")
    return Casing(True, True, "lower-cased without accents: no piece has a capital or an accent")


def _impossible(vocab: Vocabulary, normalise: Callable[[str], str], *, beyond: int) -> str | None:
    """The first piece that `normalise` changes, if there are more than `beyond` of them."""
    bodies = ((token, token.removeprefix(CONTINUES)) for token in vocab.tokens)
    changed = (token for token, body in bodies if normalise(body) != body and _is_word(body))
    found = list(islice(changed, beyond + 1))
    return f"{found[0]!r} (id {vocab.ids[found[0]]})" if len(found) > beyond else None


def _is_word(body: str) -> bool:
    return words(body, lower_case=False, strip_accents=False) == [body]
