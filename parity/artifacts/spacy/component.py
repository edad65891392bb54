"""What a converted transformer needs inside spaCy: windows counted in word pieces, vectors from the last hidden state.

This file is copied as it is into every package, and works there with spaCy and spacy-transformers alone.

Vectors. A token's vector is the mean of the last hidden state over the word pieces that touch the token; where windows
overlap, over its pieces in both. A token without pieces (white space, control characters) has zeros. A document's and a
span's vector is the mean over their tokens, spaCy's own definition; an empty one has zeros. They lie in `doc.tensor`,
float32 [tokens, width], which spaCy carries through `to_bytes`, pickling and worker processes. Similarity is the
cosine of two vectors, 0 where one of them is zero. It is a hook, because spaCy's own takes two occurrences of one word
for equal whatever their context; spaCy drops hooks in `to_bytes` and `nlp.pipe(n_process=...)`, `attach` restores them.

Windows. A document that fits the model is one window. A longer one is read in windows of at most `window` word pieces
that share up to `overlap` pieces with the one before; cuts lie between words, where both sides keep their pieces. Where
a space is part of the piece behind it and a stretch without such places is longer than a window, cuts lie at any space,
and the first word behind one is read as at a text's beginning. A single token longer than a window gets one of its own,
of which the model reads the first pieces.
"""

# No `from __future__ import annotations`: spaCy reads the types of registered functions at run time.

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc, Span, Token
from spacy_transformers.util import registry  # creates the registry of span getters
from thinc.api import to_numpy
from tokenizers import Encoding, Tokenizer

Vector = NDArray[np.float32]
Cut = tuple[int, int]

_HOME = os.getpid()
_SPACE = "\u2581"
"""How sentencepiece shows the space that a piece begins with."""


class Windows:
    """Cuts documents into the spans that the transformer reads. Holds no tokenizer, so that it pickles."""

    def __init__(self, tokenizer: Path, window: int, overlap: int) -> None:
        if not 0 <= overlap < window:
            raise ValueError(f"windows of {window} word pieces cannot overlap by {overlap}")
        self.tokenizer, self.window, self.overlap = tokenizer, window, overlap

    def __call__(self, docs: Iterable[Doc]) -> list[list[Span]]:
        """The spans of each document, in order; none for an empty document."""
        if os.getpid() != _HOME:
            torch.set_num_threads(1)  # a forked worker would wait for ever for threads that stayed with its parent
        docs = list(docs)
        read = _read(str(self.tokenizer))
        bare = not read.num_special_tokens_to_add(False)
        encodings = read.encode_batch([doc.text for doc in docs], add_special_tokens=False)
        return [
            # What has no pieces, and gets none around it, cannot be fed.
            [] if bare and not encoding.ids else self._spans(doc, encoding)
            for doc, encoding in zip(docs, encodings, strict=True)
        ]

    def _spans(self, doc: Doc, encoding: Encoding) -> list[Span]:
        if not len(doc):
            return []
        if len(encoding.ids) <= self.window:
            return [_Last(doc, 0, len(doc))]
        starts, shown = [token.idx for token in doc], without_spaces(doc.text, encoding.offsets)
        words = numbered(encoding.word_ids, encoding.offsets, shown)
        places = cuts(starts, encoding.offsets, words)
        if any(after - before > self.window for (_, before), (_, after) in pairwise(places)):
            places = cuts(starts, shown, words)
        *before, (last, end) = windows(places, self.window, self.overlap)
        return [*(doc[start:stop] for start, stop in before), _Last(doc, last, end)]


class _Last(Span):  # type: ignore[misc]
    """The end of a document, with the space that its text may end in: for some tokenizers that is a piece."""

    @property
    def text(self) -> str:
        return str(self.text_with_ws)


@lru_cache(maxsize=2)
def _read(tokenizer: str) -> Tokenizer:
    read = Tokenizer.from_file(tokenizer)
    read.no_truncation()
    read.no_padding()
    return read


def cuts(starts: Sequence[int], offsets: Sequence[tuple[int, int]], words: Sequence[int | None]) -> list[Cut]:
    """Where a text may be cut without changing a word piece: (token, pieces before it), both ends included.

    Args:
        starts: character at which each token starts.
        offsets: first and last + 1 character of each word piece.
        words: number of the word that each piece is part of.
    """
    firsts = [first for first, _ in offsets]
    found = [(0, 0)]
    for token, start in enumerate(starts[1:], 1):
        piece = bisect_left(firsts, start)
        between = piece == len(offsets) or piece == 0 or words[piece] != words[piece - 1]
        if between and (piece == 0 or offsets[piece - 1][1] <= start):
            found.append((token, piece))
    return [*found, (len(starts), len(offsets))]


def numbered(
    words: Sequence[int | None], offsets: Sequence[tuple[int, int]], shown: Sequence[tuple[int, int]]
) -> list[int]:
    """Number of the word that each piece is part of; a space begins another, too, where a tokenizer knows no words.

    Args:
        words: as the tokenizer numbers them.
        offsets: first and last + 1 character of each piece.
        shown: the same less the spaces that pieces begin with.
    """
    found = [0] * len(words)
    for at in range(1, len(words)):
        spaced = shown[at][0] > offsets[at][0] or shown[at][0] > offsets[at - 1][1]
        found[at] = found[at - 1] + (spaced or words[at] != words[at - 1])
    return found


def without_spaces(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """First and last + 1 character of each piece, less the spaces that it begins with."""
    return [(last - len(text[first:last].lstrip()), last) for first, last in offsets]


def windows(places: Sequence[Cut], window: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Token ranges that cover everything; each reaches further than the one before."""
    pieces = [piece for _, piece in places]
    end, first = len(places) - 1, 0
    while True:
        last = max(bisect_right(pieces, pieces[first] + window) - 1, first + 1)
        yield places[first][0], places[last][0]
        if last == end:
            return
        # As far back as the overlap allows, but not so far that the next stretch would not fit.
        back = max(pieces[last] - overlap, pieces[last + 1] - window)
        first = max(min(bisect_left(pieces, back), last), first + 1)


class Vectors:
    """Sets `doc.tensor` from the transformer's output, and the hooks that read it."""

    def __init__(self, width: int) -> None:
        self.width = width

    def __call__(self, doc: Doc) -> Doc:
        """The same document; left as it is where the pipeline runs without its transformer."""
        data = doc._.trf_data if Doc.has_extension("trf_data") else None
        if data is not None:
            found = token_vectors(data, self.width)
            doc.tensor = found if len(found) else np.zeros((len(doc), self.width), np.float32)
            attach(doc)
        return doc


def token_vectors(data: Any, width: int) -> Vector:
    """Mean of the last hidden state over each token's word pieces, [tokens, width]; zeros where a token has none.

    Args:
        data: spacy-transformers' `TransformerData` of one document.
        width: the hidden size, for a document that has no output.
    """
    counts, places = _own(data)
    vectors = np.zeros((len(counts), width), np.float32)
    filled = counts > 0
    if filled.any():
        hidden = to_numpy(data.model_output.last_hidden_state).reshape(-1, width)
        first = np.cumsum(counts) - counts
        vectors[filled] = np.add.reduceat(hidden[places], first[filled], axis=0) / counts[filled, None]
    return vectors


def _own(data: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How many pieces each token has, and which.

    To spaCy the space behind a token is the token's, to some tokenizers it is the next piece's, which has a mark for
    it: such a piece is the next token's alone.
    """
    counts, places = to_numpy(data.align.lengths), to_numpy(data.align.dataXd).ravel()
    marked = np.array([string.startswith(_SPACE) for row in data.wordpieces.strings for string in row], bool)
    if not marked.any():
        return counts, places
    rows = [row.tolist() for row in np.split(places, np.cumsum(counts)[:-1])]
    mine = [
        [piece for piece in row if not (marked[piece] and piece in after)]
        for row, after in zip(rows, (*map(set, rows[1:]), set()), strict=True)
    ]
    return np.array([len(row) for row in mine], np.int32), np.array([p for row in mine for p in row], np.int32)


def attach(doc: Doc) -> Doc:
    """Set the hooks of a document whose `doc.tensor` holds token vectors; the same document.

    `vector_norm` needs none: spaCy takes it from the vector, and 3.8 returns the vector itself for a span's hook.
    """
    for hooks in (doc.user_hooks, doc.user_span_hooks, doc.user_token_hooks):
        hooks.update(vector=vector, has_vector=has_vector, similarity=similarity)
    return doc


def vector(thing: Doc | Span | Token) -> Vector:
    """Mean over the token vectors of a document, span or token, float32 [width]; zeros where it has no token."""
    rows = _rows(thing)
    mean: Vector = rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1], np.float32)
    return mean


def has_vector(thing: Doc | Span | Token) -> bool:
    """Whether any word piece stands behind it."""
    return bool(_rows(thing).any())


def similarity(one: Doc | Span | Token, other: Any) -> float:
    """Cosine of the two vectors, in [-1, 1]; 0 where one of them is zero."""
    a, b = (np.asarray(to_numpy(thing.vector), np.float64) for thing in (one, other))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return min(1.0, max(-1.0, float(a @ b) / norms)) if norms else 0.0


def _rows(thing: Doc | Span | Token) -> Vector:
    if isinstance(thing, Doc):
        return np.asarray(thing.tensor)
    first, last = (thing.i, thing.i + 1) if isinstance(thing, Token) else (thing.start, thing.end)
    return np.asarray(thing.doc.tensor[first:last])


def register(package: str) -> None:
    """Make the two functions below known to spaCy, under names that no other converted package uses."""
    registry.span_getters.register(f"{package}.windows.v1", func=make_windows)
    Language.factory(f"{package}_vectors", assigns=["doc.tensor"], requires=["doc._.trf_data"], func=make_vectors)


def make_windows(window: int, overlap: int) -> Windows:
    """Span getter for a `transformer` component; sizes in word pieces, without the special tokens."""
    return Windows(Path(__file__).with_name("tokenizer.json"), window, overlap)


def make_vectors(nlp: Language, name: str, width: int) -> Vectors:
    """Pipeline component to follow a `transformer`; `width` is the model's hidden size."""
    return Vectors(width)
