"""A stand-in's byte pairs: learnt as the definition says, in files that the tokenizer reads, the same every time."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.inputs.bpe import merge
from parity.inputs.byte_bpe import BYTES, END, read
from parity.inputs.corpora import corpora
from parity.models.vocabularies import write_vocabulary
from parity.models.vocabularies.merges import learn

TEXTS = tuple(chain.from_iterable(corpora().values()))


def slowly(seen: dict[tuple[str, ...], int], count: int) -> list[tuple[str, str]]:
    """The definition, counting everything anew for each merge."""
    found: list[tuple[str, str]] = []
    words = dict(enumerate(seen))
    times = list(seen.values())
    while len(found) < count:
        met: Counter[tuple[str, str]] = Counter()
        for number, word in words.items():
            for pair in pairwise(word):
                met[pair] += times[number]
        best = min(met, key=lambda pair: (-met[pair], pair), default=None)
        if best is None or met[best] < 2:
            break
        found.append(best)
        words = {number: merge(word, {best: 0}) for number, word in words.items()}
    return found


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=7).map(tuple), st.integers(1, 4), max_size=6),
    st.integers(0, 12),
)
def test_merges_are_learnt_as_the_definition_says(seen: dict[tuple[str, ...], int], count: int) -> None:
    assert learn(seen, count) == slowly(seen, count)


@pytest.mark.parametrize(("size", "least"), [(600, 300), (50257, 1400)])
def test_a_vocabulary_of_any_size_is_read_and_uses_what_it_learnt(tmp_path: Path, size: int, least: int) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        write_vocabulary("byte-bpe", folder, TEXTS, size=size, special={END: 50256})
    rules = read(tmp_path / "one" / "encoder.json", size=size)
    assert rules.vocab.tokens[-1] == END
    assert rules.vocab.tokens[:94] == tuple(map(chr, range(0x21, 0x7F)))
    used = {number for text in TEXTS for number in rules.ids(text)}
    assert len(used) > least
    assert sum(len(text.encode()) for text in TEXTS) > 1.5 * sum(len(rules.ids(text)) for text in TEXTS)
    for name in ("encoder.json", "vocab.bpe"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_bytes_come_first_as_published(tmp_path: Path) -> None:
    write_vocabulary("byte-bpe", tmp_path, TEXTS, size=300, special={})
    tokens = read(tmp_path / "encoder.json", size=300).vocab.tokens
    hidden = [BYTES[byte] for byte in (*range(0x21), *range(0x7F, 0xA1), 0xAD)]
    assert tokens[188:256] == tuple(hidden)
    assert tokens[187] == "ÿ"


def test_too_small_a_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="got 256, expected >= 257"):
        write_vocabulary("byte-bpe", tmp_path, TEXTS, size=256, special={})
