"""Pickles read as data: what Python writes is read back, what would run or swell is refused by name."""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import struct
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.inputs.pickles import Inert, Instance, read_pickle
from parity.inputs.word_lists import _NAMES, read_word_list

ALLOWED = {("vocabulary", "Vocab"): "instance", ("collections", "OrderedDict"): "mapping", ("numpy", "dtype"): "inert"}


def read(tmp_path: Path, data: bytes, allowed: Any = ALLOWED) -> Any:
    path = tmp_path / "file.pkl"
    path.write_bytes(data)
    return read_pickle(path, allowed)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 100), 1 << 100)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(0, 9), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_come_back_from_every_protocol(tmp_path: Path, value: Any, protocol: int) -> None:
    assert read(tmp_path, pickle.dumps(value, protocol)) == value


@pytest.fixture
def classes() -> Iterator[Any]:
    """The original's modules, as pickle finds them when it writes."""
    module = types.ModuleType("vocabulary")
    module.Vocab = type("Vocab", (), {"__module__": "vocabulary"})  # type: ignore[attr-defined]
    corpus = types.ModuleType("data_utils")
    corpus.Corpus = type("Corpus", (), {"__module__": "data_utils"})  # type: ignore[attr-defined]
    sys.modules |= {"vocabulary": module, "data_utils": corpus}
    yield module.Vocab, corpus.Corpus  # type: ignore[attr-defined]
    del sys.modules["vocabulary"], sys.modules["data_utils"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_corpus_comes_back_from_every_protocol_without_its_data(tmp_path: Path, classes: Any, protocol: int) -> None:
    vocab, corpus = (kind() for kind in classes)
    vocab.idx2sym = ["<eos>", "<unk>", "café", "щит"]
    vocab.sym2idx = collections.OrderedDict((word, n) for n, word in enumerate(vocab.idx2sym))
    vocab.counter = collections.Counter(vocab.idx2sym)
    vocab.special, vocab.lower_case, vocab.delimiter, vocab.min_freq = ["<eos>"], True, None, 0
    corpus.vocab, corpus.dataset, corpus.cutoffs = vocab, "ptb", []
    corpus.train = np.arange(50_000, dtype=np.int64)
    corpus.valid = np.arange(3, dtype=np.int64)
    corpus.test = [np.int64(3), np.zeros((2, 2), np.float32)]
    path = tmp_path / "cache.pkl"
    path.write_bytes(pickle.dumps(corpus, protocol))
    found = read_word_list(path)
    assert found.words == tuple(vocab.idx2sym)
    assert (found.lower_case, found.ends, found.unknown) == (True, "eos", None)
    assert found.evidence == "cache.pkl, dataset ptb"


def test_what_python_2_wrote_is_read(tmp_path: Path) -> None:
    """Byte strings, the old name of copyreg, classes by their base: protocol 0, 1 and 2 of Python 2.7."""
    new = b"ccopy_reg\n_reconstructor\n(cvocabulary\nVocab\nc__builtin__\nobject\nNtR"
    words = b"(lp1\nS'<eos>'\np2\naS'caf\\xc3\\xa9'\np3\naS\"it's\"\np4\na"
    found = read(tmp_path, new + b"(dp5\nS'idx2sym'\np6\n" + words + b"sb.", _NAMES)
    assert found == Instance("vocabulary.Vocab", {"idx2sym": ["<eos>", "café", "it's"]})
    binary = b"\x80\x02cvocabulary\nVocab\n)\x81}U\x07idx2sym](U\x03\xe9t\xe9I01\nI42\nL7L\nesb."
    assert read(tmp_path, binary, _NAMES).state["idx2sym"] == ["été", True, 42, 7]
    instance = b"(ivocabulary\nVocab\n(dS'a'\nI1\nsb."
    assert read(tmp_path, instance, _NAMES).state == {"a": 1}
    ordered = b"ccollections\nOrderedDict\n((lp0\n(lp1\nS'a'\naI0\naa(lp2\nS'b'\naI1\naatR."
    assert read(tmp_path, ordered, _NAMES) == {"a": 0, "b": 1}


class Runs:
    """What a hostile pickle is made with: it would make a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


HOSTILE = {
    "GLOBAL": b"cos\nsystem\n(S'true'\ntR.",
    "GLOBAL of builtins": b"c__builtin__\neval\n(S'1'\ntR.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "INST": b"(S'true'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'true'\no.",
    "NEWOBJ": b"\x80\x02cos\nsystem\n)\x81.",
    "NEWOBJ_EX": b"\x80\x04cos\nsystem\n)}\x92.",
    "a dotted name": b"\x80\x04\x8c\x0avocabulary\x8c\x0eVocab.__init__\x93.",
    "a name beside the allowed": b"cnumpy\nload\n.",
    "a getter": b"c__builtin__\ngetattr\n(cvocabulary\nVocab\nS'x'\ntR.",
}
REFUSED = {
    "BUILD on a list": (b"](S'x'\nI1\nub.", "takes none|holds none"),
    "BUILD with a setter's state": (b"\x80\x02cvocabulary\nVocab\n)\x81N}S'a'\nI1\ns\x86b.", "takes none"),
    "attributes without names": (b"\x80\x02cvocabulary\nVocab\n)\x81}I1\nI2\nsb.", "no string"),
    "REDUCE on a value": (b"S'x'\n)R.", "calls what is no class"),
    "REDUCE on an instance": (b"\x80\x02cvocabulary\nVocab\n)\x81)R.", "calls what is no class"),
    "REDUCE with arguments": (b"cvocabulary\nVocab\n(S'x'\ntR.", "from arguments"),
    "a class rebuilt as a class": (
        b"ccopy_reg\n_reconstructor\n(ccopy_reg\n_reconstructor\nc__builtin__\nobject\nNtR.",
        "rebuilds what is no class",
    ),
    "EXT1": (b"\x80\x02\x82\x01.", "extension registry"),
    "EXT2": (b"\x80\x02\x83\x01\x00.", "extension registry"),
    "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "extension registry"),
    "PERSID": (b"Pthing\n.", "persistent id"),
    "BINPERSID": (b"S'thing'\nQ.", "persistent id"),
    "NEXT_BUFFER": (b"\x80\x05\x97.", "buffer from outside"),
    "a set": (b"\x80\x04\x8f.", "which no vocabulary holds"),
    "an unknown opcode": (b"\xff.", "not a pickle"),
    "an unknown protocol": (b"\x80\x09N.", "unknown protocol"),
    "no end": (b"N", "ends too early"),
    "nothing on the stack": (b".", "takes what is not there"),
    "a mark as the value": (b"(.", "takes what is not there"),
    "no mark": (b"Nt.", "takes what is not there"),
    "a memo that is not there": (b"g5\n.", "was not kept"),
    "a string beyond the end": (b"X\xff\xff\xff\xffab.", "ends too early"),
    "a string of negative length": (b"T\xff\xff\xff\xffab.", "ends too early"),
    "a string beyond all memory": (b"\x80\x04\x8d" + b"\xff" * 8 + b".", "ends too early"),
    "a number beyond all sizes": (b"\x80\x02\x8b\xff\xff\xff\x7f.", "beyond all sizes"),
    "a number of many digits": (b"I" + b"9" * 5000 + b"\n.", "no number"),
    "a line without an end": (b"S'abc", "does not end"),
    "a string without quotes": (b"Sabc\n.", "without quotes"),
    "an odd dict": (b"(S'a'\nd.", "key without a value"),
    "a list as a key": (b"}]Ns.", "neither a string nor a number"),
    "a tuple as a key": (b"}(N(Nt" + b"tNs.", "neither a string nor a number"),
    "items into a tuple": (b")N(Ne.", "holds none"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_code_is_never_found_and_told_by_name(tmp_path: Path, case: str) -> None:
    with pytest.raises(ParityError, match="asks for code that no vocabulary needs") as caught:
        read(tmp_path, HOSTILE[case], _NAMES)
    assert any(name in str(caught.value) for name in ("system", "eval", "getattr", "__init__", "load"))
    assert "vocab.txt" in str(caught.value)


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_vocabulary_needs_is_refused(tmp_path: Path, case: str) -> None:
    data, message = REFUSED[case]
    with pytest.raises(ParityError, match=message):
        read(tmp_path, data, _NAMES)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_executed(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "ran"
    for value in (Runs(witness), {"vocab": [Runs(witness)]}):
        with pytest.raises(ParityError, match=r"posix\.system|nt\.system|os\.system"):
            read(tmp_path, pickle.dumps(value, protocol), _NAMES)
    assert not witness.exists()


def test_deep_nesting_and_bombs_cost_no_more_than_the_file(tmp_path: Path) -> None:
    deep = read(tmp_path, b"(" * 200_000 + b"t" * 200_000 + b".")
    assert isinstance(deep, tuple)
    del deep
    # A tuple of itself twice, forty times over: a hash or a comparison would take forever.
    doubled = b"\x80\x02)" + b"2\x86" * 40
    with pytest.raises(ParityError, match="neither a string nor a number"):
        read(tmp_path, b"}" + doubled.replace(b"\x80\x02", b"") + b"Ns.")
    far = io.BytesIO()
    far.write(b"\x80\x02N")
    for index in (0, 1 << 31, (1 << 32) - 1):
        far.write(b"r" + struct.pack("<I", index))
    assert read(tmp_path, far.getvalue() + b".") is None
    pairs = b"((lp0\n" + b"(lN aI0\naa".replace(b" ", b"") * 50 + b"tp1\n0"
    again = b"ccollections\nOrderedDict\np2\n0" + b"g2\ng1\nR0" * 200
    with pytest.raises(ParityError, match="grows beyond its size"):
        read(tmp_path, pairs + again + b"N.", _NAMES)


def test_long_strings_are_skipped_and_a_cycle_is_only_a_cycle(tmp_path: Path) -> None:
    data = pickle.dumps(["word", "x" * 70_000, b"y" * 70_000], 4)
    assert read(tmp_path, data) == ["word", Inert("a long string"), Inert("a long string")]
    old = b"(lS'" + b"\\x00" * 30_000 + b"'\naV" + b"z" * 70_000 + b"\na."
    assert read(tmp_path, old) == [Inert("a long string")] * 2
    found = read(tmp_path, b"]q\x00h\x00a.")
    assert found[0] is found


def test_a_file_of_no_size_or_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="no pickle of a believable size"):
        read(tmp_path, b"")
    with pytest.raises(ParityError, match="cannot be read"):
        read_pickle(tmp_path / "nowhere.pkl", {})


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=60))
def test_any_bytes_are_a_value_or_refused(tmp_path: Path, data: bytes) -> None:
    with contextlib.suppress(ParityError):
        read(tmp_path, data, _NAMES)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_damaged_vocabulary_is_read_or_refused(tmp_path: Path, at: int, byte: int) -> None:
    data = bytearray(pickle.dumps({"idx2sym": [f"w{n}" for n in range(99)], "lower_case": False}, 2))
    data[at % len(data)] = byte
    path = tmp_path / "vocab.pkl"
    path.write_bytes(data)
    with contextlib.suppress(ParityError):
        read_word_list(path)
