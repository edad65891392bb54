"""Generated inputs: texts of all scripts, texts made of a model's own pieces, and raw batches. Needs hypothesis.

Nothing here imports hypothesis before a strategy is asked for; `parity[test]` brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.errors import MissingRuntime
from parity.inputs.batch import Batch
from parity.inputs.tokenizers import Rules
from parity.inputs.vocabulary import Vocabulary

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["batches", "require", "texts", "vocabulary_texts"]


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


def batches(
    tokenizer: Rules, *, vocab_size: int, positions: int, token_types: int, masked: bool = True, rows: int = 3
) -> tuple[tuple[int, SearchStrategy[Batch]], ...]:
    """Batches of every kind, each with its share of a search.

    What people can read comes first: texts, padded on the right, as every runtime is fed them, spaCy too; pairs of
    texts; then rows of ids nobody's tokenizer would make (any id, segment and mask), those of the most positions last.

    Args:
        tokenizer: the source's.
        vocab_size: rows of the embedding table.
        positions: rows of the position table.
        token_types: rows of the token type table; 0 = there is none.
        masked: has the architecture an attention mask?
        rows: most rows of a batch.

    Raises:
        MissingRuntime: hypothesis is not installed.
    """
    require()
    from parity.inputs.strategies.arrays import longest, of_texts, raw, shortest, usual

    vocabulary = tokenizer.vocab
    edges = (len(vocabulary.tokens) - 1, *(vocabulary.ids[name] for name in _OFTEN if name in vocabulary.ids))

    def ids(lengths: SearchStrategy[int], most: int) -> SearchStrategy[Batch]:
        return raw(lengths, vocab_size=vocab_size, token_types=token_types, edges=edges, rows=most, masked=masked)

    def texts(*, pairs: bool) -> SearchStrategy[Batch]:
        return of_texts(tokenizer, positions=positions, token_types=token_types, rows=rows, pairs=pairs)

    return (
        (6, texts(pairs=False)),
        *(((2, texts(pairs=True)),) if tokenizer.pairs else ()),
        (1, ids(shortest(positions), rows)),
        (2, ids(usual(positions), rows)),
        (1, ids(longest(positions), 1)),
    )


_OFTEN = ("[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]")
