"""Generated inputs: texts of all scripts, texts made of a model's own pieces, and raw batches. Needs hypothesis.

Nothing here imports hypothesis before a strategy is asked for; `parity[test]` brings it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from parity.errors import MissingRuntime
from parity.inputs.batch import Batch
from parity.inputs.vocabulary import Vocabulary
from parity.inputs.wordpiece import Tokenizer

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["batches", "raw_batches", "require", "text_batches", "texts", "vocabulary_texts"]


def require() -> None:
    """See that hypothesis is there.

    Raises:
        MissingRuntime: it is not.
    """
    try:
        import hypothesis  # noqa: F401
    except ImportError as error:
        raise MissingRuntime("generated text needs hypothesis", remedy='pip install "parity[test]"') from error


def texts(vocabulary: Vocabulary, *, longest: int = 400) -> SearchStrategy[str]:
    """Texts of any script, of the vocabulary's own pieces, and of both; they shrink to the shortest.

    Args:
        vocabulary: the model's.
        longest: characters.

    Raises:
        MissingRuntime: hypothesis is not installed.
    """
    require()
    from parity.inputs.strategies.writing import mixed

    return mixed(vocabulary, longest=longest)


def vocabulary_texts(vocabulary: Vocabulary, *, longest: int = 400) -> SearchStrategy[str]:
    """Texts that are glued from the vocabulary's pieces, continuations and special tokens as they stand in it.

    Raises:
        MissingRuntime: hypothesis is not installed.
    """
    require()
    from parity.inputs.strategies.writing import glued

    return glued(vocabulary, longest=longest)


def text_batches(tokenizer: Tokenizer, *, positions: int, token_types: int, rows: int = 3) -> SearchStrategy[Batch]:
    """Batches of up to `rows` texts, padded on the right, as every runtime is fed them, spaCy too.

    Raises:
        MissingRuntime: hypothesis is not installed.
    """
    require()
    from parity.inputs.strategies.arrays import of_texts

    return of_texts(tokenizer, positions=positions, token_types=token_types, rows=rows)


def raw_batches(
    *, vocab_size: int, positions: int, token_types: int, edges: Sequence[int] = (), rows: int = 3
) -> SearchStrategy[Batch]:
    """Batches of ids nobody's tokenizer would make: any id, segment and mask, all lengths up to the last position.

    Args:
        vocab_size: rows of the embedding table.
        positions: rows of the position table.
        token_types: rows of the token type table.
        edges: ids that are drawn often, beside 0 and the table's last.
        rows: most rows.

    Raises:
        MissingRuntime: hypothesis is not installed.
    """
    require()
    from parity.inputs.strategies.arrays import raw

    return raw(vocab_size=vocab_size, positions=positions, token_types=token_types, edges=edges, rows=rows)


def batches(
    tokenizer: Tokenizer, *, vocab_size: int, positions: int, token_types: int, rows: int = 3
) -> SearchStrategy[Batch]:
    """Text batches and, one time in three, raw ones.

    Raises:
        MissingRuntime: hypothesis is not installed.
    """
    require()
    from parity.inputs.strategies.writing import weighted

    vocabulary = tokenizer.vocab
    edges = (len(vocabulary.tokens) - 1, *(vocabulary.ids[name] for name in _OFTEN if name in vocabulary.ids))
    texts = text_batches(tokenizer, positions=positions, token_types=token_types, rows=rows)
    raw = raw_batches(vocab_size=vocab_size, positions=positions, token_types=token_types, edges=edges, rows=rows)
    return weighted((2, texts), (1, raw))


_OFTEN = ("[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]")
