from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.checkpoints.wire import (
    bytes_field,
    fixed32_field,
    number_field,
    put_varint,
    read_message,
    read_varint,
)
from parity.errors import ParityError

LAW = settings(max_examples=100, deadline=None, derandomize=True)


@LAW
@given(st.integers(0, 2**64 - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_varint_round_trip(value: int, before: bytes, after: bytes) -> None:
    data = before + put_varint(value) + after
    assert read_varint(data, len(before)) == (value, len(data) - len(after))


@pytest.mark.parametrize(("value", "data"), [(0, "00"), (127, "7f"), (300, "ac02"), (-1, "ff" * 9 + "01")])
def test_varint_bytes(value: int, data: str) -> None:
    assert put_varint(value) == bytes.fromhex(data)


@pytest.mark.parametrize("data", ["", "80", "ff" * 9, "ff" * 9 + "02", "80" * 10 + "00", "80" * 1000])
def test_varint_that_ends_never_or_late_is_refused(data: str) -> None:
    with pytest.raises(ParityError, match="a number"):
        read_varint(bytes.fromhex(data), 0)


@LAW
@given(
    st.integers(-(2**63), 2**63 - 1).filter(bool),
    st.integers(1, 2**32 - 1),
    st.lists(st.binary(max_size=40), max_size=4),
)
def test_message_round_trip(number: int, fixed: int, bodies: list[bytes]) -> None:
    data = number_field(1, number) + fixed32_field(600, fixed) + b"".join(bytes_field(3, body) for body in bodies)
    message = read_message(data)
    assert (message.number(1), message.number(600), message.all(3)) == (number, fixed, bodies)


def test_message_known_bytes() -> None:
    # {1: 150}, {2: "testing"}, {5: {1: 150}} of the format's own documentation, and a 64-bit field to be passed over.
    message = read_message(bytes.fromhex("089601120774657374696e672a0308960131" + "00" * 7 + "01"))
    assert (message.number(1), message.all(2), message.message(5).number(1)) == (150, [b"testing"], 150)
    assert message.number(6) == 1 << 56


def test_zero_is_left_out_and_the_last_number_wins() -> None:
    assert number_field(4, 0) == fixed32_field(4, 0) == b""
    assert read_message(number_field(4, 5) + number_field(4, 6)).number(4) == 6
    assert read_message(b"").number(4) == 0


@pytest.mark.parametrize(
    "data", ["0a05616263", "0a", "0b", "0c", "0d000000", "09" + "00" * 7, "0affffffffffffffffff01"]
)
def test_message_that_is_cut_off_or_of_unknown_wire_type_is_refused(data: str) -> None:
    with pytest.raises(ParityError):
        read_message(bytes.fromhex(data))
