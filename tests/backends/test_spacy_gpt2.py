"""GPT-2 inside spaCy: the source's ids and numbers, every block, vectors, and long texts in windows."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from small_gpt2 import GOLDEN, apart, read

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families.gpt2 import FAMILY as GPT2
from parity.families.gpt2.heads import NONE
from parity.inputs.byte_bpe import END
from parity.inputs.byte_bpe import read as rules_of
from parity.tensorfile import Array

pytest.importorskip("spacy_transformers", reason='pip install "parity[spacy]"')
os.environ.setdefault("USE_TF", "0")
RULES = rules_of(GOLDEN / "encoder.json", size=355)
CONFIG = read({"n_vocab": 355, "n_ctx": 40, "n_embd": 64, "n_head": 4, "n_layer": 4})
STATES = ("embeddings", "layer.0", "layer.1", "layer.2", "layer.3", "final_norm")
TEXTS = ("The river, and all of it.", "  it's\n\nwet ", f"a{END}b", "й")
SENTENCE = "The well, all of it: then we went on."
UNBROKEN = "all the well then on " * 12


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from parity.artifacts import convert_checkpoint

    folder = tmp_path_factory.mktemp("gpt2") / "spacy"
    convert_checkpoint(str(GOLDEN), folder, to="spacy", name="tiny", lang="en", package=False)
    return folder


@pytest.fixture(scope="module")
def backend(artifact: Path):
    from parity.backends import spacy

    taps = (*STATES, "logits.lm", "past.0.key", "layer.4", "layer.0.norm")
    opened = spacy.open(
        Job(backend="spacy", family="gpt2", head="lm", artifact=artifact, taps=taps, inputs=(), out=artifact)
    )
    yield opened
    opened.close()


def padded() -> tuple[Array, Array]:
    rows = [RULES.ids(text) for text in TEXTS]
    ids = np.full((len(rows), max(map(len, rows))), RULES.pad, np.int32)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    return ids, mask


def test_every_state_is_the_sources(backend) -> None:
    ids, mask = padded()
    found = backend.run({"input_ids": ids, "attention_mask": mask}, texts=TEXTS)
    with open_checkpoint(GOLDEN) as checkpoint:
        ops = NumpyOps(checkpoint.read, np.dtype("float64"))
        exact = walk(GPT2.stages(CONFIG, NONE), ops, {"input_ids": ids}, STATES)
    real = mask == 1
    np.testing.assert_array_equal(found["inputs/input_ids"][real], ids[real])
    np.testing.assert_array_equal(found["inputs/attention_mask"], mask)
    assert "inputs/token_type_ids" not in found
    for tap in STATES:
        assert apart(found[tap][real], exact[tap][real]) < 1e-5, tap


def test_what_it_cannot_show_has_a_reason(backend) -> None:
    assert backend.unavailable() == {
        "logits.lm": "a spaCy pipeline holds no head",
        "past.0.key": "spaCy shows what layers hand on, not more",
        "layer.4": "the model has 4 layers",
        "layer.0.norm": "spaCy shows what layers hand on, not more",
    }


def test_vectors_are_means_of_the_final_norm(backend) -> None:
    doc = backend._nlp("it's wet")
    states = doc._.trf_data.model_output.last_hidden_state[0]
    pieces = RULES.tokenize("it's wet")
    assert [token.text for token in doc] == ["it", "'s", "wet"]
    assert doc[0].vector.shape == (64,)
    assert "".join(pieces) == "it'sĠwet"
    first = [sum(map(len, pieces[:at])) for at in range(len(pieces))]
    for token, (start, stop) in zip(doc, [(0, 2), (2, 4), (4, 8)], strict=True):
        # The space is a piece of its own here, or part of the word's: of the token before it never.
        of_token = [at for at, place in enumerate(first) if start <= place < stop and pieces[at] != "Ġ"]
        np.testing.assert_allclose(token.vector, states[of_token].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(doc.vector, np.mean([token.vector for token in doc], axis=0), atol=1e-6)


@pytest.mark.parametrize("text", [" ".join([SENTENCE] * 8), UNBROKEN, f"{SENTENCE} {UNBROKEN}"])
def test_long_texts_are_read_in_windows_that_cover_every_token(backend, text: str) -> None:
    doc = backend._nlp(text)
    pieces = doc._.trf_data.wordpieces
    assert len(pieces.lengths) > 1
    assert pieces.input_ids.shape[1] <= 40
    assert all(token.vector.any() for token in doc if not token.is_space)
    aligned = doc._.trf_data.align.lengths
    assert all(count for count, token in zip(aligned, doc, strict=True) if not token.is_space)


def test_a_word_does_not_count_for_the_token_before_it(backend) -> None:
    doc = backend._nlp("then the well and on")
    aligned = doc._.trf_data.align
    start, seen = 0, set[int]()
    for count in aligned.lengths:
        mine = {int(piece) for piece in aligned.dataXd[start : start + count].ravel()}
        assert mine
        assert not mine & seen
        start, seen = start + count, seen | mine


def test_windows_begin_where_words_keep_their_pieces(backend) -> None:
    """As long as a text has such places: before a comma, a contraction or a line's end."""
    text = " ".join([SENTENCE] * 8)
    whole = RULES.ids(text)
    windows = backend._nlp(text)._.trf_data.wordpieces
    for ids, mask in zip(windows.input_ids, windows.attention_mask, strict=True):
        row = ids[mask.astype(bool)].tolist()
        assert any(whole[at : at + len(row)] == row for at in range(len(whole)))


def test_an_empty_document_has_zeros(backend) -> None:
    doc = backend._nlp("")
    assert doc.vector.shape == (64,)
    assert not doc.vector.any()
    alone, among = backend._nlp("The well"), list(backend._nlp.pipe(["", "The well", "on and on and on"]))
    np.testing.assert_allclose(alone.vector, among[1].vector, atol=1e-5)


def test_pieces_with_spaces_are_cut_before_the_word(backend) -> None:
    from parity.artifacts.spacy.component import without_spaces

    assert without_spaces("a  b\n c", [(0, 1), (1, 2), (2, 4), (4, 5), (5, 7)]) == [
        (0, 1),
        (2, 2),
        (3, 4),
        (5, 5),
        (6, 7),
    ]
    assert all(a[0] <= b[0] for a, b in pairwise(without_spaces("x y z", [(0, 1), (1, 3), (3, 5)])))


def test_an_architecture_that_spacy_cannot_hold_is_refused(artifact: Path, tmp_path: Path, monkeypatch) -> None:
    from dataclasses import replace

    import parity.artifacts.spacy as package
    from parity.artifacts import convert_checkpoint

    convert_checkpoint(str(GOLDEN), tmp_path / "hf")
    source = package.read_hf_folder(tmp_path / "hf")
    other = replace(source, family=replace(source.family, cannot={"spacy": "for a test"}))
    monkeypatch.setattr(package, "read_hf_folder", lambda folder: other)
    with pytest.raises(ParityError, match="spaCy cannot hold a gpt2: for a test"):
        package.export(tmp_path / "hf", tmp_path / "out", name="x", lang="en", package=False)
    assert not (tmp_path / "out").exists()
