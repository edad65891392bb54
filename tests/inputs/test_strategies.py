"""Generated inputs reach what they promise, shrink to little, and fit the model they are made for."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from parity.inputs import strategies
from parity.inputs.batch import Batch
from parity.inputs.check import check_batch
from parity.inputs.strategies import arrays
from parity.inputs.wordpiece import Tokenizer
from parity.runs.hunting import Plan, hunt

from .support import letters, tokenizer

T = TypeVar("T")
SEARCH = settings(max_examples=4000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
MADE = settings(max_examples=60, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
POSITIONS, TYPES, ROWS = 512, 2, 40
WORDS = tokenizer("hello", "##ing", "мир", "[unused1]", "中", *"abc[]#")
LAST = len(WORDS.vocab.tokens) - 1


def in_script(name: str) -> Callable[[str], bool]:
    return lambda text: any(name in unicodedata.name(char, "") for char in text)


def holds(*parts: str) -> Callable[[str], bool]:
    return lambda text: any(part in text for part in parts)


TEXTS: dict[str, Callable[[str], bool]] = {
    **{
        script: in_script(script)
        for script in ("CYRILLIC", "ARABIC", "DEVANAGARI", "THAI", "HANGUL", "HIRAGANA", "GREEK", "HEBREW")
    },
    "danish": holds("å", "ø", "æ"),
    "vietnamese": holds("ệ", "ữ", "ạ"),
    "composed": holds("й", "ё", "å", "ä", "é"),
    "decomposed": holds("и\u0306", "е\u0308", "a\u030a", "a\u0308", "e\u0301"),
    "stacked marks": lambda text: any(unicodedata.combining(a) and unicodedata.combining(b) for a, b in pairwise(text)),
    "joined emoji": holds("\u200d👩", "\u200d🌈"),
    "skin tones": holds("\U0001f3fd", "\U0001f3ff"),
    "zero width": holds("\u200b", "\ufeff", "\u2060"),
    "no-break space": holds("\u00a0"),
    "line separators": holds("\u2028", "\u2029"),
    "capitals inside chinese": lambda text: any(
        a > "\u4e00" and a < "\ua000" and b.isascii() and b.isupper() for a, b in pairwise(text)
    ),
    "controls": holds("\x00", "\x1b", "\x7f"),
    "replacement character": holds("\ufffd"),
    "private use": lambda text: any(unicodedata.category(char) == "Co" for char in text),
    "runs of punctuation": holds("!!!", "???", "---"),
    "words beyond 100": lambda text: any(100 < len(word) <= 200 for word in text.split()),
    "words beyond 200": lambda text: any(len(word) > 200 for word in text.split()),
    "digits": lambda text: any(char.isdigit() for char in text),
    "quotes": holds("'", '"', "«", "“"),
    "mojibake": holds("Ã©", "â€œ"),
    "empty": lambda text: text == "",
    "only white space": lambda text: bool(text) and not text.strip(),
    "special tokens": holds("[MASK]", "[CLS]"),
    "unused pieces": holds("[unused1]"),
    "continuations as they stand": holds("##ing"),
    "glued pieces": holds("hellohello", "helloмир", "мирhello"),
    "final sigma": holds("Σ", "ς"),
    "extension E": holds("\U0002b8a0", "\U0002b91f"),
}


def real(batch: Batch) -> np.ndarray:
    return batch.arrays["attention_mask"] == 1


def lengths(batch: Batch) -> int:
    return int(batch.arrays["input_ids"].shape[1])


def first(batch: Batch) -> np.ndarray:
    found: np.ndarray = batch.arrays["attention_mask"][0]
    return found


BATCHES: dict[str, Callable[[Batch], bool]] = {
    **{f"{length} positions": (lambda batch, length=length: lengths(batch) == length) for length in (1, 2, 511, 512)},
    "left padding": lambda batch: first(batch)[0] == 0 and first(batch)[-1] == 1,
    "right padding": lambda batch: first(batch)[0] == 1 and first(batch)[-1] == 0,
    "holes": lambda batch: first(batch)[0] == 1 and first(batch)[-1] == 1 and 0 in first(batch),
    "padding beside a full row": lambda batch: len({int(row.sum()) for row in real(batch)}) > 1,
    "the last row of the table": lambda batch: bool((batch.arrays["input_ids"] == ROWS - 1)[real(batch)].any()),
    "the last piece": lambda batch: bool((batch.arrays["input_ids"] == LAST)[real(batch)].any()),
    "id 0": lambda batch: bool((batch.arrays["input_ids"] == 0)[real(batch)].any()),
    "[UNK]": lambda batch: bool((batch.arrays["input_ids"] == 1)[real(batch)].any()),
    "segments in the middle": lambda batch: bool(np.diff(batch.arrays["token_type_ids"][0]).any()),
    "pairs": lambda batch: any("[SEP] " in text and not text.endswith("[SEP] ") for text in batch.shown),
    "an empty second text": lambda batch: any(text.endswith("[SEP] ") for text in batch.shown),
    "texts for spaCy": lambda batch: batch.texts is not None and len(batch.texts) > 1,
}


def sample(strategy: SearchStrategy[T], count: int) -> tuple[T, ...]:
    """The first examples of a search, always the same."""
    found: list[T] = []

    @settings(SEARCH, max_examples=count, phases=[Phase.generate])
    @given(strategy)
    def keep(example: T) -> None:
        found.append(example)

    keep()
    return tuple(found)


@pytest.fixture(scope="module")
def some_texts() -> tuple[str, ...]:
    return sample(strategies.texts(WORDS.vocab), 1500)


@pytest.fixture(scope="module")
def some_batches() -> tuple[Batch, ...]:
    parts = strategies.batches(WORDS, vocab_size=ROWS, positions=POSITIONS, token_types=TYPES)
    return tuple(batch for share, strategy in parts for batch in sample(strategy, 100 if share > 2 else 200))


@pytest.mark.parametrize("wanted", TEXTS.values(), ids=TEXTS.keys())
def test_texts_reach(wanted: Callable[[str], bool], some_texts: tuple[str, ...]) -> None:
    assert any(map(wanted, some_texts))


@pytest.mark.parametrize("wanted", BATCHES.values(), ids=BATCHES.keys())
def test_batches_reach(wanted: Callable[[Batch], bool], some_batches: tuple[Batch, ...]) -> None:
    assert any(map(wanted, some_batches))


def test_few_examples_hold_every_kind() -> None:
    """As many as a run looks at by default."""
    seen: list[Batch] = []
    hunt(
        strategies.batches(WORDS, vocab_size=ROWS, positions=POSITIONS, token_types=TYPES),
        lambda batch: seen.append(batch) or {},
        size=lambda batch: (),
        plan=Plan(30, None),
    )
    assert 25 <= len(seen) <= 35
    lengths = {batch.arrays["input_ids"].shape[1] for batch in seen if batch.kind == "generated ids"}
    assert {1, POSITIONS} <= lengths
    assert sum(batch.kind == "generated ids" for batch in seen) >= 8
    assert sum("[SEP]" in text for batch in seen for text in batch.shown) >= 4
    assert sum(batch.kind == "generated text" for batch in seen) >= 15


@pytest.mark.parametrize(
    ("wanted", "shortest"),
    [
        (holds("й"), "й"),
        (lambda text: any(len(word) > 200 for word in text.split()), "a" * 201),
    ],
    ids=["a letter", "a long word"],
)
def test_texts_shrink_to_the_shortest(wanted: Callable[[str], bool], shortest: str) -> None:
    assert find(strategies.texts(WORDS.vocab), wanted, settings=SEARCH) == shortest


def test_batches_shrink_to_one_row() -> None:
    strategy = arrays.raw(arrays.usual(512), vocab_size=1000, token_types=2, edges=(), rows=3)
    found = find(strategy, lambda batch: bool((batch.arrays["input_ids"] > 700).any()), settings=SEARCH)
    assert found.arrays["input_ids"].tolist() == [[701]]
    assert found.arrays["attention_mask"].tolist() == [[1]]


def test_pieces_are_the_vocabularys_own() -> None:
    found = sample(strategies.vocabulary_texts(WORDS.vocab), 400)
    whole = ("hello", "##ing", "мир", "[unused1]", "中")
    assert all(any(piece in text for text in found) for piece in whole)
    assert any(one + other in text for text in found for one in whole for other in whole)


@pytest.mark.parametrize("positions", [8, 64, 512])
def test_every_batch_fits_its_model(positions: int) -> None:
    rules: Tokenizer = letters()
    rows = len(rules.vocab.tokens) + 3

    parts = strategies.batches(rules, vocab_size=rows, positions=positions, token_types=2)

    @MADE
    @given(st.one_of([part for _, part in parts]))
    def fits(batch: Batch) -> None:
        checked = check_batch(batch, vocab_size=rows, positions=positions, token_types=2)
        assert real(checked).any(axis=1).all()
        for number, text in enumerate(checked.texts or ()):
            row = checked.arrays["input_ids"][number][real(checked)[number]].tolist()
            assert row[1:-1] == rules.ids(text)

    fits()


def test_without_hypothesis_the_extra_is_named() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['hypothesis'] = None\n"
            "import parity.inputs.strategies as strategies\n"
            "import parity.runs.generated, parity.runs.replaying, parity.runs\n"
            "from parity.errors import MissingRuntime\n"
            "try: strategies.texts(None)\n"
            "except MissingRuntime as error: print(error)",
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert 'pip install "parity[test]"' in said.stdout, said.stderr
