from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.checkpoints.slices import WHOLE, _signed, _string, _unsigned, check_tiling, resolve, slice_key
from parity.errors import ParityError

from .support import DATA, pairs_of

LAW = settings(max_examples=200, deadline=None, derandomize=True)


def test_keys_are_those_tensorflow_wrote() -> None:
    keys = {key for key, _ in pairs_of(DATA / "slices" / "model.ckpt.index") if key.startswith(b"\0")}
    ours = {slice_key("rows", ((start, n), (0, 3))) for start, n in ((0, 3), (3, 2), (5, 2))}
    ours |= {slice_key("columns", ((0, 3), (start, 100))) for start in (0, 100)}
    ours |= {slice_key("cube", ((0, 2), (start, n), (0, 3))) for start, n in ((0, 2), (2, 1), (3, 1), (4, 1))}
    ours |= {slice_key("long", ((start, 8250),)) for start in (0, 8250)}
    assert keys == ours


def test_whole_extent_and_escapes() -> None:
    assert slice_key("a", ((0, WHOLE),)) == b"\0a\0\1\1\1\x80\x7f"
    assert _string(b"\0\xff") == b"\0\xff\xff\0\0\1"


@LAW
@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_signed_codes_sort_as_their_numbers(one: int, other: int) -> None:
    assert (one < other) == (_signed(one) < _signed(other))
    assert len(_signed(one)) <= 10


@LAW
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=5), st.binary(max_size=5))
def test_unsigned_and_string_codes_sort_as_their_values(one: int, other: int, left: bytes, right: bytes) -> None:
    assert (one < other) == (_unsigned(one) < _unsigned(other))
    assert (left < right) == (_string(left) < _string(right))


@st.composite
def partitions(draw: st.DrawFn) -> tuple[list[tuple[tuple[int, int], ...]], tuple[int, ...]]:
    """Boxes from cutting a grid again and again, now and then with one dropped, doubled or moved."""
    shape = tuple(draw(st.lists(st.integers(0, 5), min_size=1, max_size=3)))
    boxes = [tuple((0, size) for size in shape)]
    for _ in range(draw(st.integers(0, 5))):
        box = boxes.pop(draw(st.integers(0, len(boxes) - 1)))
        axis = draw(st.integers(0, len(shape) - 1))
        start, length = box[axis]
        cut = draw(st.integers(0, length))
        boxes += [(*box[:axis], part, *box[axis + 1 :]) for part in ((start, cut), (start + cut, length - cut))]
    chosen = draw(st.integers(0, len(boxes) - 1))
    damage = draw(st.sampled_from(["none", "none", "drop", "double", "other"]))
    if damage == "drop":
        boxes.pop(chosen)
    elif damage == "double":
        boxes.append(boxes[chosen])
    elif damage == "other":
        starts = [draw(st.integers(0, size)) for size in shape]
        ends = zip(starts, shape, strict=True)
        boxes[chosen] = tuple((start, draw(st.integers(0, size - start))) for start, size in ends)
    return boxes, shape


@LAW
@given(partitions())
def test_tiling_is_judged_as_by_counting_cells(case: tuple[list[tuple[tuple[int, int], ...]], tuple[int, ...]]) -> None:
    boxes, shape = case
    covered = np.zeros(shape, int)
    for box in boxes:
        covered[tuple(slice(start, start + length) for start, length in box)] += 1
    if (covered == 1).all():
        check_tiling(boxes, shape)
    else:
        with pytest.raises(ParityError, match="do not tile"):
            check_tiling(boxes, shape)


def test_cut_along_many_axes_is_refused_at_once() -> None:
    with pytest.raises(ParityError, match="too many axes"):
        check_tiling([((0, 1),) * 64], (2,) * 64)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (((0, 2),), "another rank"),
        (((0, 2), (2, 2)), "reaches out"),
        (((-1, 2), (0, 3)), "reaches out"),
        (((0, 2), (0, -2)), "reaches out"),
        (((0, 2), (2**62, 2**62)), "reaches out"),
    ],
)
def test_box_outside_its_tensor_is_refused(box: tuple[tuple[int, int], ...], message: str) -> None:
    with pytest.raises(ParityError, match=message):
        resolve(box, (2, 3))
    assert resolve(((1, 1), (0, WHOLE)), (2, 3)) == ((1, 1), (0, 3))
