"""K: from text to ids."""

from __future__ import annotations

from typing import Any

from parity.faults.values import Fault, Runtime, Tokens
from parity.inputs.wordpiece import Casing

_CASED = ("The Quick BROWN Fox met Anna in Paris", "Москва и Санкт-Петербург зимой", "På Fyn bor Søren")
_SHORT_I = ("Мой ёж ест чай и йогурт", "Всё ещё стоит ёлка", "чёрный и синий")
_RINGS = ("en ål på tallerkenen", "vi så Åse på Ærø", "äpple och öl, café à la carte")
_CHINESE = ("我喜欢ABC的味道", "他用USB和DVD工作")
_MARKS = ("e\u0301te\u0301 nai\u0308ve", "Bụt nói với Tấm", "a\u200bb \u00ad c\u2060d", "tab\tand\u00a0space")
_ANY = (*_CASED, *_SHORT_I, *_RINGS)


def _normalizer(*, toggled: str = "", **fixed: bool) -> Any:
    """Normaliser and splitter as other tools write them: the source's switches but for those named."""

    def edit(tokenizer: dict[str, Any], casing: Casing) -> None:
        switches = {
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": casing.strip_accents,
            "lowercase": casing.lower_case,
            **fixed,
        }
        for name in filter(None, toggled.split(" ")):
            switches[name] = not switches[name]
        tokenizer["normalizer"] = {"type": "BertNormalizer", **switches}
        tokenizer["pre_tokenizer"] = {"type": "BertPreTokenizer"}

    return edit


def _shifted(tokenizer: dict[str, Any], casing: Casing) -> None:
    vocab = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {token: number + (number > 344) for token, number in vocab.items()}


def _no_normalizer(tokenizer: dict[str, Any], casing: Casing) -> None:
    tokenizer["normalizer"] = None


def _first_is_101(tokenizer: dict[str, Any], casing: Casing) -> None:
    first = tokenizer["post_processor"]["special_tokens"]["[CLS]"]
    first["ids"] = [102 if first["ids"] == [101] else 101]


def _no_last(tokenizer: dict[str, Any], casing: Casing) -> None:
    for shape in ("single", "pair"):
        tokenizer["post_processor"][shape].pop()


def _one_segment(tokenizer: dict[str, Any], casing: Casing) -> None:
    for (part,) in (piece.values() for piece in tokenizer["post_processor"]["pair"]):
        part["type_id"] = 0


def _short_words(tokenizer: dict[str, Any], casing: Casing) -> None:
    tokenizer["model"]["max_input_chars_per_word"] = 100


FAULTS = (
    Fault(
        id="K-01", variant="casing", verdict="token ids",
        what="lower-casing is the other way round", inject=Tokens(_normalizer(toggled="lowercase"), _CASED),
    ),
    Fault(
        id="K-02", variant="й and ё", verdict="token ids",
        what="marks are stripped where they are kept (or the reverse): й and и",
        inject=Tokens(_normalizer(toggled="strip_accents"), _SHORT_I),
    ),
    Fault(
        id="K-03", variant="å", verdict="token ids",
        what="marks are stripped where they are kept (or the reverse): å and a",
        inject=Tokens(_normalizer(toggled="strip_accents"), _RINGS),
    ),
    Fault(
        id="K-04", variant="capitals in Chinese", verdict="token ids",
        what="lower-casing is the other way round, in Chinese text",
        inject=Tokens(_normalizer(toggled="lowercase"), _CHINESE),
    ),
    Fault(
        id="K-05", variant="off by one", verdict="token ids",
        what="every id above 344 is one too large: a line of the vocabulary counted twice",
        inject=Tokens(_shifted, _ANY),
    ),
    Fault(
        id="K-05", variant="fed", verdict="token ids",
        what="a runtime with a tokenizer of its own feeds ids off by one, and tells",
        inject=Runtime("ids-after-344-told"),
    ),
    Fault(
        id="K-05", variant="fed in silence", place="embeddings", causes=("rows-shifted",),
        what="ids above 344 are one too small on the way in, and nothing tells", inject=Runtime("ids-after-344"),
    ),
    Fault(
        id="K-06", variant="text not cleaned", verdict="token ids",
        what="control and format characters are kept", inject=Tokens(_normalizer(clean_text=False), _MARKS),
    ),
    Fault(
        id="K-06", variant="ideographs not set apart", verdict="token ids",
        what="Chinese characters are not words of their own",
        inject=Tokens(_normalizer(handle_chinese_chars=False), _CHINESE),
    ),
    Fault(
        id="K-06", variant="longest word", verdict="token ids",
        what="words of more than 100 characters, not 200, are unknown", inject=Tokens(_short_words, ("a" * 150,)),
    ),
    Fault(
        id="K-07", variant="101", verdict="token ids",
        what="[CLS] is taken to be 101 (102 where it is 101)", inject=Runtime("first-id-101-told"),
    ),
    Fault(
        id="K-07", variant="101 in the file", verdict="token ids",
        what="tokenizer.json puts 101 before a text (102 where it is 101)", inject=Tokens(_first_is_101, _ANY),
    ),
    Fault(
        id="K-12", variant="not normalised", verdict="token ids",
        what="one way in does not normalise", inject=Tokens(_no_normalizer, (*_ANY, *_MARKS, *_CHINESE)),
    ),
    Fault(
        id="K-13", variant="no [CLS]", verdict="token ids",
        what="[CLS] is not put before the text", inject=Runtime("no-special-ids-told"),
    ),
    Fault(
        id="K-13", variant="no [SEP]", verdict="token ids",
        what="tokenizer.json puts no [SEP] behind a text", inject=Tokens(_no_last, _ANY),
    ),
    Fault(
        id="K-13", variant="one segment", verdict="token ids",
        what="tokenizer.json puts both texts of a pair into the first segment", inject=Tokens(_one_segment, _ANY),
    ),
)  # fmt: skip
