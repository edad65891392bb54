"""A sentencepiece model for stand-ins, trained on the corpora by the settings of XLNet's authors."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from parity.errors import ParityError
from parity.inputs.sentencepieces import preprocess
from parity.inputs.spiece import Piece, model_bytes, read_model

FILE = "spiece.model"
_UNKNOWN, _BEGIN, _END = "<unk>", "<s>", "</s>"
# The README's: what is never joined with its neighbours. `<eop>` has an id that the code knows, the others have any.
_ALONE = (".", "(", ")", '"', "-", "–", "£", "€")
_OWN_KIND = ("<eop>",)


def write(folder: Path, texts: Iterable[str], *, size: int, special: Mapping[str, int]) -> None:
    """Write a spiece.model of `size` pieces, the same for the same arguments and the same sentencepiece.

    Args:
        folder: where to write.
        texts: what it is trained on, as the model will see it.
        size: number of pieces; those beyond what the texts yield are unused ones.
        special: ids of the pieces that stand first.

    Raises:
        ParityError: `size` is too small for the texts' characters, or `special` is in an order that cannot be had.
    """
    import sentencepiece

    ordered = sorted(special, key=special.__getitem__)
    controls = [name for name in ordered if name not in (_UNKNOWN, _BEGIN, _END, *_OWN_KIND)]
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([preprocess(text) for text in texts]),
            model_writer=written,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=0.9995,
            control_symbols=controls,
            user_defined_symbols=[name for name in _OWN_KIND if name in special] + list(_ALONE),
            unk_id=special[_UNKNOWN],
            bos_id=special[_BEGIN],
            eos_id=special[_END],
            pad_id=-1,
            num_threads=1,
            shuffle_input_sentence=False,
            minloglevel=2,
        )
    except (RuntimeError, KeyError) as error:
        raise ParityError(f"no sentencepiece model of {size} pieces: {error}", remedy="choose a larger size") from error
    path = folder / FILE
    path.write_bytes(written.getvalue())
    held = [piece.text for piece in read_model(path).pieces]
    misplaced = [name for name in ordered if held[special[name] : special[name] + 1] != [name]]
    if misplaced or len(held) > size:
        got = f"{len(held)} pieces, {misplaced[:1]} elsewhere"
        raise ParityError("the model came out otherwise than asked for", got=got, expected=f"{size} pieces")
    # Fields of a message may stand in any order, so that more pieces can be put behind what was trained.
    unused = (Piece(f"<unused{number}>", 0.0, "unused") for number in range(1, size - len(held) + 1))
    path.write_bytes(written.getvalue() + model_bytes(unused))
