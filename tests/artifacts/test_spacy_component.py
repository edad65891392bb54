"""Windows and vectors, as pure functions and on spaCy's own documents."""

from __future__ import annotations

import os
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

os.environ.setdefault("USE_TF", "0")


@pytest.fixture(scope="module")
def component():
    pytest.importorskip("spacy_transformers", reason='pip install "parity[spacy]"')
    from parity.artifacts.spacy import component

    return component


steps = st.lists(st.integers(0, 9), min_size=1, max_size=60)


@given(steps, st.integers(1, 20), st.data())
def test_windows_cover_everything_within_bounds(component, lengths, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    pieces = [0, *np.cumsum(lengths).tolist()]
    places = list(enumerate(pieces))
    ranges = list(component.windows(places, window, overlap))
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(lengths)
    for start, end in ranges:
        assert start < end
        assert pieces[end] - pieces[start] <= window or end == start + 1
    for (_, before), (start, end) in pairwise(ranges):
        assert start <= before < end
        assert pieces[before] - pieces[start] <= overlap


def test_windows_overlap_by_as_much_as_asked_for(component):
    places = [(i, i) for i in range(101)]
    assert list(component.windows(places, 40, 10)) == [(0, 40), (30, 70), (60, 100)]


def test_a_token_longer_than_a_window_stands_alone(component):
    places = list(enumerate([0, 3, 50, 53]))
    assert list(component.windows(places, 10, 4)) == [(0, 1), (1, 2), (2, 3)]


def test_cuts_lie_between_words_only(component):
    # "it's ok" as tokens it|'s|ok and pieces it ' s o ##k, where ' and s are words of their own
    offsets, words = [(0, 2), (2, 3), (3, 4), (5, 6), (6, 7)], [0, 1, 2, 3, 3]
    assert component.cuts([0, 2, 5], offsets, words) == [(0, 0), (1, 1), (2, 3), (3, 5)]
    # the same with a token boundary inside ok: between its pieces, and inside one piece
    assert component.cuts([0, 2, 6], offsets, words) == [(0, 0), (1, 1), (3, 5)]
    assert component.cuts([0, 2, 5], [(0, 2), (2, 4), (5, 7)], [0, 1, 2]) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert component.cuts([0, 3, 5], [(0, 2), (2, 4), (5, 7)], [0, 1, 2]) == [(0, 0), (2, 2), (3, 3)]


def test_windows_refuse_an_overlap_that_would_not_advance(component, tmp_path):
    with pytest.raises(ValueError, match="cannot overlap"):
        component.Windows(tmp_path, 10, 10)


def _data(component, hidden, lengths, indices, strings=()):
    from thinc.types import Ragged

    align = Ragged(np.asarray(indices, "i"), np.asarray(lengths, "i"))
    answer, pieces = SimpleNamespace(last_hidden_state=hidden), SimpleNamespace(strings=[list(strings)])
    return SimpleNamespace(align=align, model_output=answer, wordpieces=pieces)


def test_a_token_vector_is_the_mean_over_its_pieces(component):
    hidden = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    rows = hidden.reshape(6, 4)
    got = component.token_vectors(_data(component, hidden, [1, 0, 3, 0], [1, 2, 3, 5]), 4)
    expected = [rows[1], np.zeros(4), rows[[2, 3, 5]].mean(axis=0), np.zeros(4)]
    np.testing.assert_array_equal(got, np.asarray(expected, np.float32))
    assert got.dtype == np.float32


def test_a_piece_that_is_marked_with_a_space_is_the_next_tokens_alone(component):
    hidden = np.arange(20, dtype=np.float32).reshape(1, 5, 4)
    strings = ["\u2581a", "b", "\u2581c", "d", "<sep>"]
    # To spaCy the space before "c" is part of the token "ab"; "d" is shared by two tokens that no space parts.
    got = component.token_vectors(_data(component, hidden, [3, 2, 1], [0, 1, 2, 2, 3, 3], strings), 4)
    rows = hidden[0]
    expected = [rows[:2].mean(axis=0), rows[2:4].mean(axis=0), rows[3]]
    np.testing.assert_array_equal(got, np.asarray(expected, np.float32))


def test_without_pieces_there_are_zeros(component):
    assert component.token_vectors(_data(component, None, [], []), 4).shape == (0, 4)
    assert not component.token_vectors(_data(component, None, [0, 0], []), 4).any()


@pytest.fixture
def doc(component):
    import spacy

    doc = spacy.blank("en").make_doc("the bank \n of the bank")
    vectors = np.random.default_rng(3).standard_normal((len(doc), 5)).astype(np.float32)
    vectors[2] = 0
    doc.tensor = vectors
    return component.attach(doc)


def test_documents_and_spans_are_means_of_their_tokens(doc):
    np.testing.assert_array_equal(doc.vector, doc.tensor.mean(axis=0))
    np.testing.assert_array_equal(doc[1:4].vector, doc.tensor[1:4].mean(axis=0))
    np.testing.assert_array_equal(doc[3].vector, doc.tensor[3])
    assert doc[1:1].vector.shape == (5,)
    for thing in (doc, doc[1:4], doc[3]):
        assert thing.vector_norm == pytest.approx(np.linalg.norm(thing.vector), rel=1e-6)
        assert np.ndim(thing.vector_norm) == 0


def test_what_has_no_piece_has_no_vector(doc):
    assert [token.has_vector for token in doc] == [True, True, False, True, True, True]
    assert (doc.has_vector, doc[2:3].has_vector, doc[1:3].has_vector) == (True, False, True)


@pytest.mark.filterwarnings("error")
def test_similarity_is_the_cosine_in_context(doc):
    bank, other = doc[1], doc[5]
    assert bank.text == other.text
    cosine = bank.vector @ other.vector / np.linalg.norm(bank.vector) / np.linalg.norm(other.vector)
    assert bank.similarity(other) == pytest.approx(float(cosine), abs=1e-6)
    assert bank.similarity(other) < 0.99  # spaCy's own says 1 for two occurrences of a word
    assert doc.similarity(doc) == pytest.approx(1.0, abs=1e-12)
    assert doc[1:3].similarity(doc) == pytest.approx(doc.similarity(doc[1:3]), abs=1e-12)
    assert doc[2].similarity(doc) == doc.similarity(doc[2]) == 0.0


def test_merged_tokens_keep_the_table_aligned(doc):
    last = doc[5].vector.copy()
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    np.testing.assert_array_equal(doc[4].vector, last)


def test_without_its_transformer_the_component_leaves_a_document_alone(component):
    import spacy

    doc = component.Vectors(5)(spacy.blank("en").make_doc("a b"))
    assert not doc.user_hooks
    assert doc.tensor.size == 0


def test_a_space_begins_a_word_where_the_tokenizer_knows_none(component):
    """As sentencepiece has it: the space belongs to the piece behind it, and all pieces to one word."""
    text = "ab c  d."
    offsets = [(0, 2), (2, 4), (5, 7), (7, 8)]
    shown = component.without_spaces(text, offsets)
    assert shown == [(0, 2), (3, 4), (6, 7), (7, 8)]
    assert component.numbered([0, 0, 0, 0], offsets, shown) == [0, 1, 2, 2]
    assert component.numbered([0, 1, 1, 2], offsets, offsets) == [0, 1, 2, 3]
    words = component.numbered([0, 0, 0, 0], offsets, shown)
    assert component.cuts([0, 3, 6, 7], offsets, words) == [(0, 0), (4, 4)]
    assert component.cuts([0, 3, 6, 7], shown, words) == [(0, 0), (1, 1), (2, 2), (4, 4)]
    assert component.without_spaces("a  b\n c", [(0, 1), (1, 2), (4, 5), (5, 7)]) == [(0, 1), (2, 2), (5, 5), (6, 7)]
