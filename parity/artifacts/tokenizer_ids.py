"""The source's tokenizer rules, written in this house, against the tokenizers that ship with an artifact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from parity.errors import MissingRuntime, ParityError
from parity.inputs.tokenizers import Rules
from parity.inputs.wordpiece import Encoded

Ids = list[list[int]]
Row = tuple[str, str | None]
"""A text, and the second of a pair."""

# In a process of its own: importing transformers takes seconds and may import a framework.
_TRANSFORMERS = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], local_files_only=True)
for line in sys.stdin:
    special, rows = json.loads(line)
    found = [tokenizer(text, pair, add_special_tokens=special, truncation=False) for text, pair in rows]
    rows = [[one["input_ids"], one.get("token_type_ids", [0] * len(one["input_ids"]))] for one in found]
    print(json.dumps(rows), flush=True)
"""


class Tokenizers:
    """The library `tokenizers` alone, on tokenizer.json.

    Raises:
        MissingRuntime: the library is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tokenizers
        except ImportError as error:
            raise MissingRuntime("tokenizers is not installed", remedy='pip install "parity[torch]"') from error
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))

    def ids(self, texts: Sequence[str]) -> Ids:
        """Token ids of each text, no special tokens added."""
        return [list(one.ids) for one in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def rows(self, rows: Sequence[Row]) -> list[Encoded]:
        """Texts and pairs as a model is fed them, special tokens added."""
        found = self._tokenizer.encode_batch([text if pair is None else (text, pair) for text, pair in rows])
        return [Encoded(tuple(one.ids), tuple(one.type_ids)) for one in found]

    def close(self) -> None:
        """Nothing is left open."""


class Transformers:
    """transformers' AutoTokenizer as a user gets it, in a process that answers list after list.

    Raises:
        MissingRuntime: it is not installed.
    """

    def __init__(self, folder: Path) -> None:
        from importlib.util import find_spec

        if find_spec("transformers") is None:
            raise MissingRuntime("transformers is not installed", remedy='pip install "parity[torch]"')
        quiet = {"USE_TF": "0", "USE_TORCH": "0", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        self._folder = folder
        # A file, not a pipe: what it warns of must never make it wait.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TRANSFORMERS, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            encoding="utf-8",
            env={**os.environ, **quiet},
        )

    def ids(self, texts: Sequence[str]) -> Ids:
        """Token ids of each text, no special tokens added.

        Raises:
            ParityError: it failed.
        """
        return [ids for ids, _ in self._ask([(text, None) for text in texts], special=False)]

    def rows(self, rows: Sequence[Row]) -> list[Encoded]:
        """Texts and pairs as a model is fed them, special tokens added.

        Raises:
            ParityError: it failed.
        """
        return [Encoded(tuple(ids), tuple(types)) for ids, types in self._ask(rows, special=True)]

    def _ask(self, rows: Sequence[Row], *, special: bool) -> list[Ids]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([special, list(rows)]) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            last = (self._said.read().decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            raise ParityError(f"AutoTokenizer failed: {last}", where=self._folder, remedy="convert again")
        found: list[Ids] = json.loads(line)
        return found

    def close(self) -> None:
        """End the process; a second call does nothing."""
        if not self._said.closed:
            self._process.kill()
            self._process.communicate()
            self._said.close()


LIBRARIES: Mapping[str, Callable[[Path], Tokenizers | Transformers]] = {
    "tokenizers": Tokenizers,
    "transformers": Transformers,
}


def first_other_row(tokenizer: Rules, library: Tokenizers | Transformers, texts: Sequence[str]) -> str | None:
    """What surrounds texts: the first text, alone or with its neighbour, that is not fed as the source would feed it.

    Returns:
        In words, the row with other special tokens or other token types; None if there is none.

    Raises:
        ParityError: the library failed.
    """
    pairs = pairwise(texts) if tokenizer.pairs else ()
    rows: list[Row] = [*((text, None) for text in texts), *pairs]
    for (text, pair), theirs in zip(rows, library.rows(rows), strict=True):
        ours = tokenizer.encode(text, pair, max_length=sys.maxsize)
        if ours != theirs:
            row = repr(text) if pair is None else f"{text!r} with {pair!r}"
            return f"{row} is fed {_told(theirs)}, by the source's rules {_told(ours)}"
    return None


def _told(row: Encoded) -> str:
    ids = [str(number) for number in row.input_ids]
    shown = [*ids[:3], "…", *ids[-3:]] if len(ids) > 7 else ids
    return f"{' '.join(shown)} with {sum(row.token_type_ids)} of {len(ids)} in the second segment"


def first_difference(tokenizer: Rules, texts: Sequence[str], ids: Ids) -> tuple[int, str]:
    """How many texts get other ids than by the source's rules, and the first of them in words (empty if none)."""
    found = [
        (text, ours, theirs)
        for text, theirs in zip(texts, ids, strict=True)
        if (ours := tokenizer.ids(text)) != list(theirs)
    ]
    if not found:
        return 0, ""
    text, ours, theirs = found[0]
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    names = tokenizer.vocab.tokens

    def shown(row: list[int]) -> str:
        return " ".join(names[i] if 0 <= i < len(names) else f"<{i}>" for i in row[at : at + 5]) or "nothing"

    return len(found), f"{text!r}: piece {at} on, source {shown(ours)!r}, artifact {shown(list(theirs))!r}"
