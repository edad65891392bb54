"""The batches every runtime is fed."""

from __future__ import annotations

import numpy as np
import pytest

from parity.errors import ParityError
from parity.families.values import Feeds
from parity.inputs.batches import Batch, build_batches, digest
from parity.inputs.check import check_batch
from parity.inputs.corpora import corpora
from parity.inputs.wordpiece import Tokenizer

from .support import letters

KINDS = {"single", "padded", "paired", "empty-second", "left-padded", "holed", "one-token", "bare", "full"}


def of_kind(batches: tuple[Batch, ...], kind: str) -> list[Batch]:
    return [batch for batch in batches if batch.kind == kind]


def rows(batch: Batch) -> list[tuple[list[int], list[int], list[int]]]:
    """Ids, mask and token types of each row as lists."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    return [tuple(line.tolist() for line in row) for row in zip(*(batch.arrays[name] for name in names), strict=True)]


@pytest.fixture(scope="module", params=[8, 16, 40, 512])
def positions(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def small(golden_tokenizer: Tokenizer, positions: int) -> tuple[Batch, ...]:
    return build_batches(golden_tokenizer, positions=positions, token_types=2)


def test_every_kind_is_there_and_sound(small: tuple[Batch, ...], positions: int, golden_tokenizer: Tokenizer) -> None:
    assert {batch.kind for batch in small} == KINDS
    assert len({batch.name for batch in small}) == len(small)
    vocab_size = len(golden_tokenizer.vocab.tokens)
    for batch in small:
        checked = check_batch(batch, vocab_size=vocab_size, positions=positions, token_types=2, where=batch.name)
        for name, array in batch.arrays.items():
            np.testing.assert_array_equal(checked.arrays[name], array, strict=True)
        assert batch.arrays["logit_positions"].shape == (len(batch.shown), 8)


def test_the_budget(golden_tokenizer: Tokenizer) -> None:
    for ours in (golden_tokenizer, letters()):
        few = build_batches(ours, positions=512, token_types=2)
        real = sum(batch.real_tokens for batch in few)
        assert 1500 <= real <= 4096
        assert sum(len(batch.shown) for batch in few) >= 8
        assert sum(batch.arrays["input_ids"].size for batch in few) < 1.5 * real
        many = sum(batch.real_tokens for batch in build_batches(ours, positions=512, token_types=2, size="large"))
        assert 6 * real <= many <= 10 * real


def test_texts_alone_give_the_rows(small: tuple[Batch, ...], golden_tokenizer: Tokenizer) -> None:
    """A runtime that tokenizes by itself can be fed these batches, and the other kinds carry no texts."""
    for batch in small:
        assert (batch.texts is not None) == (batch.kind in {"single", "padded", "one-token", "full"})
        for text, (ids, mask, _) in zip(batch.texts or (), rows(batch), strict=False):
            real = sum(mask)
            assert golden_tokenizer.encode(text, max_length=10_000).input_ids == tuple(ids[:real])
            assert mask == [1] * real + [0] * (len(ids) - real)


def test_spacy_sees_enough(golden_tokenizer: Tokenizer) -> None:
    with_texts = [b for b in build_batches(golden_tokenizer, positions=512, token_types=2) if b.texts is not None]
    assert sum(batch.real_tokens for batch in with_texts) >= 280
    assert sum(len(batch.shown) for batch in with_texts) >= 8


def test_singles_come_from_every_corpus(golden_tokenizer: Tokenizer) -> None:
    singles = of_kind(build_batches(golden_tokenizer, positions=512, token_types=2), "single")
    shown = [text for batch in singles for text in batch.shown]
    assert len(shown) == 16
    for name, texts in corpora().items():
        assert any(any(text.startswith(part) for text in texts) for part in shown), name
    lengths = [batch.arrays["attention_mask"].sum(axis=1) for batch in singles]
    assert lengths[0].max() <= lengths[1].min()


def test_mask_shapes(small: tuple[Batch, ...], positions: int) -> None:
    for batch in of_kind(small, "left-padded"):
        for _, mask, _ in rows(batch):
            assert mask == sorted(mask)
            assert mask[0] == 0
    for batch in of_kind(small, "holed"):
        for _, mask, _ in rows(batch):
            last = max(np.flatnonzero(mask))
            assert mask[0] == 1
            assert 0 in mask[:last]
    for batch in of_kind(small, "padded"):
        real = batch.arrays["attention_mask"].sum(axis=1)
        assert real.max() >= 2 * real.min()
        assert (batch.arrays["attention_mask"][:, -1] == 0).any()
    (full,) = of_kind(small, "full")
    assert full.arrays["attention_mask"].shape == (1, positions)
    assert full.real_tokens == positions


def test_pairs_and_tiny_rows(small: tuple[Batch, ...], golden_tokenizer: Tokenizer) -> None:
    first, between = (golden_tokenizer.vocab.ids[token] for token in ("[CLS]", "[SEP]"))
    for batch in of_kind(small, "paired"):
        for ids, mask, types in rows(batch):
            real = sum(mask)
            assert ids[0] == first
            assert [ids[:real].count(between), sum(types) > 1, types[0]] == [2, True, 0]
    ends = [ids[: sum(mask)][-2:] for batch in of_kind(small, "empty-second") for ids, mask, _ in rows(batch)]
    assert ends == [[between, between]] * 4
    assert [2 + 1] in [[sum(mask)] for batch in of_kind(small, "empty-second") for _, mask, _ in rows(batch)]
    (one,) = of_kind(small, "one-token")
    assert one.arrays["input_ids"].shape == (8, 3)
    (bare,) = of_kind(small, "bare")
    assert bare.arrays["input_ids"].shape == (4, 1)


def test_a_model_with_one_token_type(golden_tokenizer: Tokenizer) -> None:
    for batch in build_batches(golden_tokenizer, positions=40, token_types=1):
        assert not batch.arrays["token_type_ids"].any()


def test_the_same_every_time(golden_tokenizer: Tokenizer) -> None:
    state = np.random.get_state()[1].copy()
    first, second = (build_batches(golden_tokenizer, positions=64, token_types=2) for _ in range(2))
    assert digest(first) == digest(second)
    assert digest(first) != digest(build_batches(golden_tokenizer, positions=63, token_types=2))
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize(
    ("texts", "pairs"),
    [
        (["и"], ["и [SEP] и"]),
        (["и", "но"], ["и [SEP] но"]),
        (["и", "но", "а"], ["и [SEP] но", "а [SEP] и"]),
        (["и", "но", "а", "от"], ["и [SEP] но", "а [SEP] от"]),
    ],
)
def test_a_users_own_texts(golden_tokenizer: Tokenizer, texts: list[str], pairs: list[str]) -> None:
    """Each alone, neighbours as pairs, the mask shapes from them as well."""
    batches = build_batches(golden_tokenizer, positions=64, token_types=2, texts=texts)
    assert [text for batch in of_kind(batches, "single") for text in batch.texts or ()] == texts
    assert sorted(text for batch in of_kind(batches, "paired") for text in batch.shown) == sorted(pairs)
    assert {batch.kind for batch in batches} == KINDS
    assert all(set(" ".join(texts)) | set(" .[SEP]") >= set("".join(batch.shown)) for batch in batches)


def test_many_texts_of_a_user_are_all_there(golden_tokenizer: Tokenizer) -> None:
    texts = [f"Текст номер {number}, {'и ' * number}".strip() for number in range(41)]
    batches = build_batches(golden_tokenizer, positions=512, token_types=2, texts=texts)
    assert sorted(text for batch in of_kind(batches, "single") for text in batch.shown) == sorted(texts)
    assert sum(len(batch.shown) for batch in of_kind(batches, "paired")) == 21


def test_long_texts_stay_in_bounds(golden_tokenizer: Tokenizer) -> None:
    texts = ["слово " * 100_000, "ы" * 100_000, "国" * 5000, "\u200b", "коротко"]
    batches = build_batches(golden_tokenizer, positions=512, token_types=2, texts=texts)
    for batch in batches:
        assert batch.arrays["input_ids"].shape[1] <= 512
        assert batch.arrays["input_ids"].size <= 2048


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"positions": 7}, "too few positions"), ({"positions": 40, "texts": []}, "no texts")],
)
def test_refused(golden_tokenizer: Tokenizer, asked: dict, message: str) -> None:
    with pytest.raises(ParityError, match=message):
        build_batches(golden_tokenizer, token_types=2, **asked)


def test_a_source_that_pads_on_the_left_is_fed_so_with_its_own_type_of_padding(golden_tokenizer: Tokenizer) -> None:
    feeds = Feeds(left=True, padding_type=4)
    for batch in build_batches(golden_tokenizer, positions=64, token_types=5, feeds=feeds):
        mask, types = batch.arrays["attention_mask"], batch.arrays["token_type_ids"]
        assert mask[:, -1].all(), batch.name
        padding = np.cumsum(mask, axis=1) == 0
        assert (types[padding] == 4).all()
        assert (types[~padding] < 2).all()
