"""Hypothesis strategies for texts. Everything shrinks towards fewer parts and then towards plain letters."""

from __future__ import annotations

import unicodedata
from typing import TypeVar

from hypothesis import strategies as st

from parity.inputs.vocabulary import CONTINUES, SPECIAL, Vocabulary

T = TypeVar("T")

TWINS = ("й", "ё", "å", "ä", "é", "ö", "ü", "ñ", "ệ", "한", "क़", "ϊ")
"""Letters that have two spellings, composed and decomposed."""

ALPHABETS = {
    "latin": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZåäöéøæÅÄÖÉØÆßİıſﬁ",
    "cyrillic": "абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯіїєґ",
    "greek": "αβγδεζηθικλμνξοπρστυφχψωςΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩάέήίόύώϊϋ",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويءآأؤإئىة\u064b\u064e\u0651\u0640؟،",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשתךםןףץ\u05b0\u05b8\u05bc\u05be",
    "devanagari": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह\u093e\u093f\u0940\u0941\u094d\u0902क़।",
    "thai": "กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวศสหอฮ\u0e31\u0e34\u0e35\u0e48\u0e49ะาำเแโใไ",
    "hangul": "가나다라마바사아자차카타파하한국어글자값\u1112\u1161\u11ab",
    "kana": "あいうえおかきくけこさしすせそアイウエオカキクケコガギグパピー゛゜",
    "vietnamese": "ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹĂÂĐÊÔƠƯ",
    "ideographs": "中文漢字你好世界北京大学人工智能豈㐀𠀀𪜀𫠠\U0002b8a0\U0002b91f\U0002f800",
    "digits": "0123456789٠١٢३४५０１２²½Ⅷ①",
    "punctuation": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«»„“”‘’…—–·¿¡§¶†‡•。、！？「」〈〉\u166d\u2e5b\u061d",
    "symbols": "€£¥©®™°±×÷←→∀∂∑√∞≠≤■◆★☺♥✓𝕏𝛼",
}
MARKS = "\u0300\u0301\u0302\u0303\u0306\u0308\u030a\u030c\u0323\u0327\u0328\u0307\u20dd\u093c\u0e47"
SPACES = " \t\n\r\u00a0\u1680\u2003\u2009\u2028\u2029\u202f\u205f\u3000\u0085\x0b\x0c\x1c\x1f"
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202e\ufe0f\U000e0041"
CONTROLS = "\x00\x01\x07\x08\x1b\x7f\x80\x9f\ufffd"
PRIVATE = "\ue000\uf8ff\U000f0000\U0010fffd"
EMOJI = ("😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇰", "1️⃣", "👩🏿‍🚀", "❤️")
MOJIBAKE = ("Ã©", "Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "ä½ å¥½", "â€œ", "Ã¥Ã¤Ã¶", "ï»¿")
PHRASES = (
    "Привет, мир!",
    "Rødgrød med fløde",
    "Åse köpte fem öre",
    "你好 World 世界ABC北京",
    "naïve café",
    "ΟΔΥΣΣΕΥΣ ΣΑΣ.",
    "İstanbul ILIK",
    "سلام دنیا",
    "हिन्दी भाषा",
    "ภาษาไทย",
    "한국어 문장",
    "Tiếng Việt",
    "don't «quote» “me”",
    "e.g. 3,14 - 2.71e-8 …",
    "http://a.b/c?d=e&f#g",
)
MANY = (101, 199, 200, 201, 255)
"""Lengths of very long words: the libraries' and the source's longest, and their neighbours."""


def mixed(vocabulary: Vocabulary, *, longest: int) -> st.SearchStrategy[str]:
    """Texts of all kinds of parts, one after the other, with and without something between them."""
    parts = st.one_of(_words(), _oddities(), _pieces(vocabulary), st.sampled_from(PHRASES), _twins(), _any())
    joined = st.lists(st.one_of(parts, _gaps()), max_size=12).map("".join)
    glue = glued(vocabulary, longest=longest)
    return weighted((5, joined), (1, _monsters()), (2, glue)).map(lambda text: text[:longest])


def weighted(*choices: tuple[int, st.SearchStrategy[T]]) -> st.SearchStrategy[T]:
    """One of the strategies, each so often; shrinks towards the first. `one_of` counts a repeated one once."""
    turns = [number for number, (weight, _) in enumerate(choices) for _ in range(weight)]
    return st.sampled_from(turns).flatmap(lambda number: choices[number][1])


def glued(vocabulary: Vocabulary, *, longest: int) -> st.SearchStrategy[str]:
    """The vocabulary's pieces, side by side or with spaces between them."""
    joint = st.sampled_from(["", " ", "  ", "\n"])
    return st.lists(st.tuples(_pieces(vocabulary), joint), max_size=16).map(
        lambda found: "".join(piece + gap for piece, gap in found)[:longest]
    )


def _words() -> st.SearchStrategy[str]:
    return st.one_of([st.text(alphabet, min_size=1, max_size=8) for alphabet in ALPHABETS.values()])


def _oddities() -> st.SearchStrategy[str]:
    return st.one_of(
        st.text(MARKS, min_size=1, max_size=5),
        st.text(ZERO_WIDTH, min_size=1, max_size=3),
        st.text(CONTROLS, min_size=1, max_size=3),
        st.text(PRIVATE, min_size=1, max_size=2),
        st.sampled_from(EMOJI),
        st.sampled_from(MOJIBAKE),
        st.builds(lambda char, times: char * times, st.sampled_from("!?.-=_*'\"…"), st.integers(2, 12)),
    )


def _twins() -> st.SearchStrategy[str]:
    return st.builds(unicodedata.normalize, st.sampled_from(["NFC", "NFD"]), st.sampled_from(TWINS))


def _any() -> st.SearchStrategy[str]:
    # Surrogates are no characters: neither UTF-8 nor any of the tokenizers knows them.
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


def _gaps() -> st.SearchStrategy[str]:
    return st.one_of(st.just(" "), st.text(SPACES, min_size=1, max_size=3))


def _pieces(vocabulary: Vocabulary) -> st.SearchStrategy[str]:
    """Any piece, as it stands, without its ##, or in capitals; sometimes one of the special tokens, literally."""
    special = [token for token in (*SPECIAL, "[unused1]", "[MASK", "##") if token]
    listed = st.integers(0, len(vocabulary.tokens) - 1).map(vocabulary.tokens.__getitem__)
    bare, loud = listed.map(lambda piece: piece.removeprefix(CONTINUES)), listed.map(str.upper)
    # Where a special token stands literally nothing else can be told from its known difference: not too often.
    return weighted((6, bare), (6, listed), (4, loud), (1, st.sampled_from(special)))


def _monsters() -> st.SearchStrategy[str]:
    """Words longer than any tokenizer takes, just within its limit, or nothing at all."""
    letters = st.sampled_from(["a", "ж", "é", "e\u0301", "一", "한", "\u0301", "##"])
    long = st.builds(lambda letter, size: (letter * size)[:size], letters, st.sampled_from(MANY))
    return st.one_of(st.just(""), st.text(SPACES, max_size=4), long, st.tuples(long, _words()).map(" ".join))
