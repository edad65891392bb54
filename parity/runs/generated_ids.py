"""Tokenizers on one generated text after another: the artifact's against the source's rules."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from parity.artifacts.tokenizer_ids import LIBRARIES, first_difference
from parity.artifacts.tokenizers import write_tokenizer
from parity.backends import RUNTIMES
from parity.backends.live import Live, Lost
from parity.errors import MissingRuntime
from parity.families import family
from parity.inputs.batch import as_trace
from parity.inputs.known import Known, applicable, explained, read_known
from parity.inputs.strategies.rows import text_batch
from parity.runs.model import ModelRun

Ids = list[int]


@dataclass(frozen=True)
class Difference:
    """A text with other ids than the source's."""

    expected: tuple[int, ...]
    got: tuple[int, ...]
    message: str


class Fed:
    """What spaCy's transformer is fed, by the live pipeline; no layer is asked for.

    Raises:
        MissingRuntime: spaCy is not installed; Lost: it cannot be loaded.
    """

    def __init__(self, model: ModelRun) -> None:
        self._tokenizer, config = model.tokenizer, model.outline.config
        self._limits = {"positions": config.positions, "token_types": config.token_types}
        job = model.candidate(RUNTIMES["spacy"], taps=(), inputs=(), out=model.scratch / "live" / "spacy-ids")
        self._live = Live(job, in_process=model.options.in_process)
        try:
            assert self._live.describe
        except Lost as lost:
            self._live.close()
            if lost.outcome.status == "missing":
                raise MissingRuntime(lost.outcome.reason, remedy=RUNTIMES["spacy"].pip) from lost
            raise
        self.skips: Counter[str] = Counter()

    def ids(self, text: str) -> Ids | None:
        """Without what the source puts around a text; None for a text that it declares it cannot take as one row."""
        ours = tuple(self._tokenizer.ids(text))
        if not ours and not self._tokenizer.added:
            self.skips["a text without tokens"] += 1
            return None
        batch = text_batch(self._tokenizer, [(text, None)], **self._limits)
        if batch.texts is None:
            self.skips["longer than one window"] += 1
            return None
        answer = self._live.run(as_trace(batch))
        if answer.skipped is not None:
            self.skips[answer.skipped] += 1
            return None
        row, mask = answer.inputs["input_ids"][0], answer.inputs["attention_mask"][0]
        fed: Ids = row[mask == 1].tolist()
        whole, added = self._tokenizer.encode(text, max_length=sys.maxsize).input_ids, self._tokenizer.added
        before = next((at for at in range(added) if whole[at : at + len(ours)] == ours), added)
        return fed[before : len(fed) - (added - before)]

    def close(self) -> None:
        """End the pipeline."""
        self._live.close()


class Library:
    """One of the libraries on the artifact's tokenizer files.

    Raises:
        MissingRuntime: it is not installed.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._library = LIBRARIES[kind](folder)
        self.skips: Counter[str] = Counter()

    def ids(self, text: str) -> Ids | None:
        """No special tokens added."""
        return self._library.ids([text])[0]

    def close(self) -> None:
        """End it."""
        self._library.close()


class Texts:
    """One tokenizer beside the source's rules, and what was seen of it.

    Args:
        model: the run's.
        kind: `tokenizers`, `transformers` or `spacy`.
        known: the differences that are known.

    Raises:
        MissingRuntime: it is not installed.
    """

    def __init__(self, model: ModelRun, kind: str, known: Sequence[Known] | None = None) -> None:
        self._rules, self.kind = model.tokenizer, kind
        entries = read_known() if known is None else known
        of = family(model.outline.family).tokenizer
        self.entries = applicable(entries, kind, lower_case=self._rules.lower_case, kind=of)
        self.known: Counter[str] = Counter()
        self.texts = 0
        self._seen: dict[str, Difference | None] = {}
        self._tokenizer = Fed(model) if kind == "spacy" else Library(model.artifact("pytorch"), kind)

    @property
    def skips(self) -> Mapping[str, int]:
        """Texts that the tokenizer declares it cannot take, by reason."""
        return self._tokenizer.skips

    def look(self, text: str) -> Difference | None:
        """The difference that a text shows; None if there is none, or a known one."""
        if text not in self._seen:
            self._seen[text] = self._look(text)
        return self._seen[text]

    def _look(self, text: str) -> Difference | None:
        got, expected = self._tokenizer.ids(text), self._rules.ids(text)
        self.texts += got is not None
        if got is None or got == expected:
            return None
        names = explained(text, self.entries, self._agrees)
        if names:
            self.known.update(names)
            return None
        return Difference(tuple(expected), tuple(got), first_difference(self._rules, [text], [got])[1])

    def _agrees(self, text: str) -> bool:
        return self._tokenizer.ids(text) in (None, self._rules.ids(text))

    def close(self) -> None:
        """End the tokenizer."""
        self._tokenizer.close()


def vanished(kind: str, entries: Sequence[Known]) -> list[str]:
    """Entries whose witness no longer gets the ids that they tell, in words.

    Args:
        kind: `tokenizers`, `transformers`, or `spacy`, which feeds by transformers.
        entries: those that apply.
    """
    found: list[str] = []
    for entry in entries:
        with tempfile.TemporaryDirectory(prefix="parity-") as place:
            folder = Path(place)
            rules = entry.rules(folder)
            write_tokenizer(entry.kind, folder, rules, positions=512)
            with closing(LIBRARIES["tokenizers" if kind == "tokenizers" else "transformers"](folder)) as library:
                got = tuple(library.ids([entry.witness])[0])
        ours = tuple(rules.ids(entry.witness))
        if (ours, got) != (entry.source, entry.artifact):
            what = "has vanished" if ours == got else "has changed"
            found.append(
                f"the known difference {entry.name} {what}: {entry.witness!r} gets {list(ours)} by the source's rules "
                f"and {list(got)} by the artifact, listed are {list(entry.source)} and {list(entry.artifact)}"
            )
    return found
