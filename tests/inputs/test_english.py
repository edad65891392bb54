"""English words as OpenAI GPT's tokenizer told them apart: against ftfy and spaCy where they are installed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.inputs.corpora import corpora
from parity.inputs.english import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't you KNOW? I can't, it's John's.", "do n't you know ? i ca n't , it 's john 's ."),
        ("I'll've they'd we're who've y'all", "i 'll 've they 'd we 're who 've y' all"),
        ("couldn't've cannot gonna let's", "could n't 've can not gon na let 's"),
        ("dont youre its well were shell", "do nt you re its well were shell"),
        ("DON'T", "don't"),
        ("o'clock rock'n'roll ma'am goin'", "o'clock rock'n'roll ma'am goin'"),
        ("'em 'tis 'quoted'", "'em ' tis ' quoted '"),
        (
            "Mr. Smith of D.C., e.g. at 5 p.m. in the U.S. lost.",
            "mr. smith of d.c. , e.g. at 5 p.m. in the u.s. lost .",
        ),
        ("We miss. It ended.Then", "we miss . it ended . then"),
        ("3.5 2,000 10km 50% $5 5pm 3:30 №7", "3.5 2 , 000 10 km 50 % $ 5 5 pm 3:30 № 7"),
        ('x-ray a/b (c) [d] {e} f_g "h"', 'x - ray a / b ( c ) [ d ] { e } f _ g " h "'),
        ("wait...now… — no!!! ~~ --", "wait ... now ... - no ! ! ! ~~ --"),
        ("a:b 9:c http://www.x.org me@x.org AT&T #1", "a : b 9 : c http : // www.x.org me@x.org at&t # 1"),
        ("“Ｆｕｌｌ” ‘ﬁne’ cafe\u0301 ©2019 20°C", "\" full \" ' fine ' café © 2019 20 ° c"),
        ("  one\u00a0 two\u3000three \t ", "one two three"),
        ("\u0000a\ufeffb\x07", "ab"),
        ("ΟΔΟΣ İ Straße", "οδος i̇ straße"),
        ("", ""),
    ],
)
def test_words_are_told_apart_as_the_source_tells_them(text: str, expected: str) -> None:
    assert words(text) == expected.split()


@pytest.mark.parametrize("text", ["a\nb", "a \n\n  b", " \n a\r\nb \n", "a\u2028b", "a\x85\n\tb"])
def test_a_lines_end_within_a_text_is_one_word(text: str) -> None:
    assert words(text) == ["a", "\n", "b"]


@given(st.text(max_size=40))
def test_no_word_is_empty_or_holds_white_space(text: str) -> None:
    for word in words(text):
        assert word == "\n" or (word and not re.search(r"\s", word))


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABC .,'\n!?-:", max_size=40))
def test_nothing_but_white_space_is_lost(text: str) -> None:
    assert "".join(words(text)).replace("\n", "") == re.sub(r"\s", "", text).lower()


@functools.cache
def spacys() -> Callable[[str], Iterable[Any]]:
    found: Callable[[str], Iterable[Any]] = pytest.importorskip("spacy").blank("en").tokenizer
    return found


def by_the_libraries(text: str) -> list[str]:
    ftfy = pytest.importorskip("ftfy")
    fixed = ftfy.fix_text(text)
    for sign, plain in (("—", "-"), ("–", "-"), ("―", "-"), ("…", "..."), ("´", "'")):
        fixed = fixed.replace(sign, plain)
    runs = r'-+ ~+ !+ "+ ;+ \?+ \++ ,+ \)+ \(+ \\+ /+ \*+ \[+ \]+ }+ {+ \|+ _+'.replace(" ", "|")
    fixed = re.sub(r"[^\S\n]+", " ", re.sub(r"\s*\n\s*", " \n ", re.sub(f"({runs})", r" \1 ", fixed))).strip()
    return ["\n" if "\n" in token.text else token.text.lower() for token in spacys()(fixed)]


@pytest.mark.parametrize("language", ["en", "mixed", "da", "ru", "zh"])
def test_on_the_corpora_ftfy_and_spacy_say_the_same(language: str) -> None:
    pytest.importorskip("ftfy", reason="pip install ftfy")
    pytest.importorskip("spacy", reason='pip install "parity[spacy]"')
    texts = corpora()[language]
    differing = [text for text in texts if words(text) != by_the_libraries(text)]
    assert not differing
