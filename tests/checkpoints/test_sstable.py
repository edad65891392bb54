from __future__ import annotations

import struct
import tracemalloc
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.checkpoints import sstable
from parity.checkpoints.sstable import masked, read_table, write_table
from parity.errors import ParityError

from .support import raw_block, raw_entry, raw_table

LAW = settings(max_examples=100, deadline=None, derandomize=True)


@LAW
@given(st.dictionaries(st.binary(max_size=12), st.binary(max_size=30), max_size=60), st.sampled_from([16, 64, 262_144]))
def test_round_trip(content: dict[bytes, bytes], block: int) -> None:
    pairs = sorted(content.items())
    with mock.patch.object(sstable, "_BLOCK", block):
        data = write_table(pairs)
    assert list(read_table(data)) == pairs


@LAW
@given(st.sets(st.binary(min_size=1, max_size=4), min_size=2, max_size=2))
def test_index_keys_separate_blocks(keys: set[bytes]) -> None:
    low, high = sorted(keys)
    assert low <= sstable._between(low, high) < high
    assert sstable._after(high) >= high


def test_crc_is_masked_as_published() -> None:
    # CRC-32C of 32 zero bytes is 0x8a9136aa (RFC 3720, B.4); masked: rotated right by 15, plus 0xa282ead8.
    assert masked(0x8A9136AA) == (((0x8A9136AA >> 15) | (0x8A9136AA << 17 & 0xFFFFFFFF)) + 0xA282EAD8) % 2**32
    assert masked(0) == 0xA282EAD8


def test_every_flipped_bit_is_noticed_or_harmless() -> None:
    pairs = [(b"", b"head"), *((b"layer_%02d/kernel" % i, bytes([i]) * 3) for i in range(20))]
    data = write_table(pairs)
    noticed = 0
    for bit in range(8 * len(data)):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        try:
            assert list(read_table(bytes(broken))) == pairs
        except ParityError:
            noticed += 1
    padding = 8 * 40
    assert noticed >= 8 * len(data) - padding


def test_every_truncation_is_noticed() -> None:
    data = write_table([(b"a", b"1"), (b"b", b"2")])
    for size in range(len(data)):
        with pytest.raises(ParityError):
            list(read_table(data[:size]))


GOOD = raw_entry(0, b"key", b"value")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (b"", "restart points"),
        (b"\1\0\0", "restart points"),
        (raw_block(GOOD, []), "restart points"),
        (GOOD + struct.pack("<II", 0, 2**31), "restart points"),
        (GOOD + struct.pack("<I", 2**32 - 1), "restart points"),
        (raw_block(GOOD + raw_entry(1, b"x", b""), [0, 11]), "not the start"),
        (raw_block(GOOD, [0, 3]), "not the start"),
        (raw_block(raw_entry(1, b"key", b"")), "does not fit"),
        (raw_block(GOOD + raw_entry(4, b"x", b"")), "does not fit"),
        (raw_block(b"\0\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\1key"), "does not fit"),
        (raw_block(b"\0\x7f\1key"), "does not fit"),
        (raw_block(b"\0" + b"\xff" * 11), "longer than 64 bits"),
        (raw_block(b"\0\3"), "does not fit"),
        (raw_block(GOOD + raw_entry(0, b"abc", b"")), "ascending"),
        (raw_block(GOOD + raw_entry(3, b"", b"")), "ascending"),
        (raw_block(b""), "empty block"),
    ],
)
def test_block_that_cannot_be_is_refused(block: bytes, message: str) -> None:
    with pytest.raises(ParityError, match=message):
        list(read_table(raw_table([block])))


def test_hand_made_table_reads() -> None:
    assert list(read_table(raw_table([raw_block(GOOD + raw_entry(3, b"s", b""))]))) == [
        (b"key", b"value"),
        (b"keys", b""),
    ]


def test_compressed_block_is_refused() -> None:
    with pytest.raises(ParityError, match="compressed"):
        list(read_table(raw_table([raw_block(GOOD)], kind=1)))


def test_block_listed_twice_is_refused() -> None:
    with pytest.raises(ParityError, match="ascending"):
        list(read_table(raw_table([raw_block(GOOD)], repeat=2)))


def test_handle_outside_the_file_is_refused() -> None:
    data = bytearray(raw_table([raw_block(GOOD)]))
    data[-48:-38] = b"\0\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
    with pytest.raises(ParityError, match="outside the file"):
        list(read_table(bytes(data)))


def test_shared_prefixes_do_not_unfold_without_bound() -> None:
    # 16 kB that stand for 2000 keys of 10 kB and more.
    bomb = raw_entry(0, b"x" * 10_000, b"") + b"".join(raw_entry(10_000 + i, b"~", b"") for i in range(2_000))
    data = raw_table([raw_block(bomb)])
    tracemalloc.start()
    try:
        with pytest.raises(ParityError, match="does not fit"):
            _ = [key for key, _ in read_table(data)]
        assert tracemalloc.get_traced_memory()[1] < 40 * len(data) + 1_000_000
    finally:
        tracemalloc.stop()
