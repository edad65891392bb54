"""The protobuf wire format: what is written is read, and arbitrary bytes are either fields or a clean refusal."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.graphfile.wire import Malformed, fields, head, varint


@given(st.integers(0, (1 << 63) - 1))
def test_a_number_is_read_as_it_was_written(number):
    (field,) = fields(memoryview(varint(3 << 3) + varint(number)))
    assert (field.number, field.value, field.numbers) == (3, number, [number])


@given(st.lists(st.tuples(st.integers(1, 1 << 20), st.binary(max_size=300)), max_size=8))
def test_fields_are_read_as_they_were_written(written):
    message = memoryview(b"".join(head(number, len(value)) + value for number, value in written))
    found = list(fields(message))
    assert [(field.number, bytes(field.message)) for field in found] == written
    assert b"".join(field.encoded for field in found) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_refused(data):
    try:
        found = list(fields(memoryview(data)))
    except Malformed:
        return
    assert b"".join(field.encoded for field in found) == data


def test_it_reads_what_protobuf_writes():
    tensor = onnx.TensorProto(name="täble", dims=[300, 0, 7], data_type=1, raw_data=b"\0\1\2")
    found = {field.number: field for field in fields(memoryview(tensor.SerializeToString())) if field.number != 1}
    dims = [field.value for field in fields(memoryview(tensor.SerializeToString())) if field.number == 1]
    assert dims == [300, 0, 7]
    assert (found[8].text, found[2].value, bytes(found[9].message)) == ("täble", 1, b"\0\1\2")


def test_packed_numbers_are_read():
    (field,) = fields(memoryview(head(1, 3) + varint(300) + varint(5)))
    assert field.numbers == [300, 5]


@pytest.mark.parametrize("data", [b"\x80" * 11, b"\x0a\x05ab", b"\x0b", b"\x0d\0\0", b"\xff"])
def test_broken_messages_are_refused(data):
    with pytest.raises(Malformed):
        list(fields(memoryview(data)))


def test_a_number_is_no_message():
    (field,) = fields(memoryview(b"\x08\x01"))
    with pytest.raises(Malformed, match="is a number"):
        _ = field.message
