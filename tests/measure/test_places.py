from __future__ import annotations

import numpy as np
import pytest

from parity.errors import ParityError
from parity.measure import guess_axes, places_of

from .support import inputs


@pytest.mark.parametrize(
    ("tap", "shape", "axes"),
    [
        ("pooler", (4, 9), "BC"),
        ("layer.3", (4, 6, 9), "BTC"),
        ("logits.qa", (4, 6, 2), "BTC"),
        ("logits.mlm", (4, 2, 99), "BQC"),
        ("logits.mlm", (4, 6, 99), "BQC"),
        ("layer.0.attention.scores", (4, 2, 6, 6), "BHTC"),
        ("layer.0.attention.query", (4, 6, 2, 5), "BTHC"),
    ],
)
def test_axes_are_guessed_from_name_and_shape(tap: str, shape: tuple[int, ...], axes: str) -> None:
    fed = {**inputs(), "logit_positions": np.zeros((4, shape[1]), np.int32)}
    assert guess_axes(tap, shape, fed) == axes


def test_tokens_count_where_the_mask_is_one() -> None:
    fed = inputs()
    where = places_of("BTC", (4, 6, 8), fed)
    assert where.real is not None
    np.testing.assert_array_equal(where.real, fed["attention_mask"] == 1)
    assert where.positions is None


def test_pooled_taps_count_everywhere() -> None:
    assert places_of("BC", (4, 8), inputs()).real is None


def test_logit_positions_count_where_their_token_is_real_even_with_as_many_as_tokens() -> None:
    positions = np.tile(np.array([0, 5, 1, 4, 3, 3], np.int32), (4, 1))  # 4 and 5 are padding
    where = places_of("BQC", (4, 6, 99), {**inputs(), "logit_positions": positions})
    assert where.real is not None
    assert where.real.tolist() == [[True, False, True, False, True, True]] * 4
    assert where.positions is positions


def test_heads_before_or_after_the_tokens_share_their_mask() -> None:
    mask = inputs()["attention_mask"] == 1
    before, after = places_of("BHTT", (4, 2, 6, 6), inputs()).real, places_of("BTHC", (4, 6, 2, 5), inputs()).real
    assert before is not None
    assert after is not None
    for head in (0, 1):
        np.testing.assert_array_equal(before[:, head], mask)
        np.testing.assert_array_equal(after[:, :, head], mask)


@pytest.mark.parametrize(
    ("axes", "shape", "changes", "words"),
    [
        ("BTC", (4, 5, 8), {}, "does not fit its inputs"),
        ("BTC", (3, 6, 8), {}, "does not fit its inputs"),
        ("BTC", (4, 8), {}, "number of axes"),
        ("BQC", (4, 2, 8), {}, "logit_positions"),
        ("BQC", (4, 2, 8), {"logit_positions": np.full((4, 2), 6)}, "outside the batch"),
        ("BQC", (4, 2, 8), {"logit_positions": np.full((4, 2), -1)}, "outside the batch"),
        ("BQC", (4, 2, 8), {"logit_positions": np.full((4, 3), 1)}, "does not fit its inputs"),
    ],
)
def test_what_does_not_fit_is_refused(axes: str, shape: tuple[int, ...], changes: dict, words: str) -> None:
    with pytest.raises(ParityError, match=words):
        places_of(axes, shape, {**inputs(), **changes})


def test_without_ids_nothing_tells_padding() -> None:
    with pytest.raises(ParityError, match="input_ids"):
        places_of("BTC", (4, 6, 8), {})
