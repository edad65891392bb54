"""XLNet's tokenizer files against the original's rules, by `tokenizers` alone and by transformers."""

from __future__ import annotations

import json
import random
import unicodedata
from contextlib import closing
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from small_xlnet import GOLDEN

from parity.artifacts.tokenizer_ids import LIBRARIES, first_difference, first_other_row
from parity.artifacts.tokenizers.sentencepieces import FILES, write
from parity.errors import ParityError
from parity.inputs.corpora import corpora, sentences
from parity.inputs.sentencepieces import SPECIAL, Tokenizer, read
from parity.models.vocabularies import sentencepieces

pytest.importorskip("tokenizers", reason='pip install "parity[torch]"')
ITEMS = json.loads((GOLDEN / "tokens.json").read_text(encoding="utf-8"))["items"]
TEXTS = [item["text"] for item in ITEMS if not item["lower"]]
ODD = (
    "", " ", "▁", "▁a", "a▁ ▁b ▁", "<sep>", "a<cls>b <unk> </s> <eop> x", "x<pad>", "<<mask>", "가나다",
    "\u1112\u1161\u11ab", "\U00011938", "\U00011935\U00011930", "ㄱ ㈀ ㍿ ㋿", "``q'' `` ''", "...... 000000",
    "a\x07 b", "\ufeffx \u200b y", "กำ ํา", "हिन्दी", "\u0345x", "a\u0300\u0301", "\U000107a2 \U0001fbf3", "x\u0378",
)  # fmt: skip
"""Signs for a space, special names, Hangul apart, decompositions younger than the library's, marks of all classes."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tokenizer, Path]]:
    base = tmp_path_factory.mktemp("spiece")
    sentencepieces.write(base, chain.from_iterable(corpora().values()), size=2000, special=SPECIAL)
    rules = {
        "golden": read(GOLDEN / "spiece.model", size=400),
        "trained": read(base / "spiece.model", size=2000),
    }
    for name, one in rules.items():
        (base / name).mkdir()
        write(base / name, one, positions=512)
    return {name: (one, base / name) for name, one in rules.items()}


@cache
def strange(count: int) -> tuple[str, ...]:
    """Texts of characters from everywhere, and of those of the corpora in disorder; never a digit before a comma."""
    draw = random.Random(1)
    spans = ((32, 127), (0xA0, 0x600), (0x900, 0xD800), (0xE000, 0x11000), (0x1F000, 0x20000))
    pool = [chr(draw.randrange(*draw.choice(spans))) for _ in range(20000)] + [" "] * 2000
    pool += list("".join(sentences()))
    pool = [char for char in pool if "," not in unicodedata.normalize("NFKD", char)]
    return tuple("".join(draw.choice(pool) for _ in range(draw.randrange(1, 25))) for _ in range(count))


@pytest.mark.parametrize("name", ["golden", "trained"])
@pytest.mark.parametrize("library", ["tokenizers", "transformers"])
def test_ids_are_the_originals(made: dict[str, tuple[Tokenizer, Path]], name: str, library: str) -> None:
    rules, folder = made[name]
    texts = [*TEXTS, *sentences(), *ODD, *(strange(3000) if library == "tokenizers" else ())]
    with closing(LIBRARIES[library](folder)) as opened:
        assert first_difference(rules, texts, opened.ids(texts)) == (0, "")
        assert first_other_row(rules, opened, [text for text in TEXTS if text.strip()][:40]) is None


def test_the_goldens_ids_by_the_library(made: dict[str, tuple[Tokenizer, Path]]) -> None:
    with closing(LIBRARIES["tokenizers"](made["golden"][1])) as opened:
        assert opened.ids(TEXTS) == [item["ids"] for item in ITEMS if not item["lower"]]


def test_a_digit_before_a_comma_is_known_to_be_cut_otherwise_at_times(made: dict[str, tuple[Tokenizer, Path]]) -> None:
    rules, folder = made["trained"]
    texts = ["1, 2", "15, 9 and 2000,", "In 1905, 3 of 10,000 came.", "5, 5, 5,"]
    with closing(LIBRARIES["tokenizers"](folder)) as opened:
        joined = {rules.vocab.ids[one] for one in rules.vocab.tokens if one.endswith(",") and one[-2:-1].isdigit()}
        assert joined
        assert not joined & set(chain.from_iterable(opened.ids(texts)))
        # The witness: without "2," the best way takes "▁2", where the source keeps what stood before the piece.
        assert rules.tokenize("2, 24")[:3] == ["▁", "2", ","]
        assert [rules.vocab.tokens[one] for one in opened.ids(["2, 24"])[0]][:2] == ["▁2", ","]


def test_the_files_say_where_padding_stands_and_what_is_special(made: dict[str, tuple[Tokenizer, Path]]) -> None:
    rules, folder = made["golden"]
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert (config["padding_side"], config["model_max_length"]) == ("left", 512)
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    special = json.loads((folder / "special_tokens_map.json").read_text())
    assert special["pad_token"] == "<pad>"
    assert special.items() <= config.items()
    assert [(folder / name).read_bytes() for name in FILES] == [(GOLDEN / "spiece.model").read_bytes()]
    vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert [text for text, _ in vocab] == list(rules.vocab.tokens)


def test_an_uncased_model_has_no_files(tmp_path: Path) -> None:
    rules = read(GOLDEN / "spiece.model", size=400)
    with pytest.raises(ParityError, match="no files for an uncased XLNet"):
        write(tmp_path, Tokenizer(rules.vocab, rules.model, lower_case=True), positions=512)


@pytest.mark.parametrize("library", ["transformers"])
def test_rows_are_padded_on_the_left(made: dict[str, tuple[Tokenizer, Path]], library: str) -> None:
    transformers = pytest.importorskip(library)
    tokenizer = transformers.AutoTokenizer.from_pretrained(made["golden"][1], local_files_only=True)
    rows = tokenizer(["a", "a longer text"], padding=True)
    assert rows["input_ids"][0][0] == SPECIAL["<pad>"]
    assert rows["attention_mask"][0][-2:] == [1, 1]
    assert rows["input_ids"][0][-2:] == [SPECIAL["<sep>"], SPECIAL["<cls>"]]
    assert rows["token_type_ids"][0][-2:] == [0, 2]
