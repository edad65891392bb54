from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from parity.artifacts.source import Choices, understand
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families import detect
from parity.inputs.corpora import sentences
from parity.inputs.wordpiece import Tokenizer, check_vocab, guess_casing, read_vocab
from parity.models import Scale, Source, build_stand_in, card, card_names, resolve, standin
from parity.models.standin import blueprint, digest

BERTS = tuple(name for name in card_names() if card(name).family == "bert")
OTHERS = tuple(name for name in card_names() if name not in BERTS)
SLOTS = ("AdamWeightDecayOptimizer", "AdamWeightDecayOptimizer_1")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every card's stand-in at tiny scale."""
    root = tmp_path_factory.mktemp("built")
    for name in card_names():
        build_stand_in(card(name), scale="tiny", folder=root / name)
    return root


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("name", BERTS)
def test_vocabulary_is_the_cards_in_small(built: Path, name: str) -> None:
    of = card(name)
    vocab = read_vocab(built / name / "vocab.txt")
    config = json.loads((built / name / "bert_config.json").read_text())
    check_vocab(vocab, config["vocab_size"], spare_rows=of.spare_rows > 0)
    assert config["vocab_size"] - len(vocab.tokens) == min(of.spare_rows, 16)
    assert {token: vocab.ids[token] for token in of.vocabulary.special} == of.vocabulary.special
    guessed = guess_casing(vocab)
    assert (guessed.lower_case, guessed.strip_accents) == (of.casing.lower_case, of.casing.strip_accents)


@pytest.mark.parametrize("name", OTHERS)
def test_other_architectures_stand_in_whole_and_read_every_sentence(built: Path, name: str) -> None:
    of, plan = card(name), blueprint(card(name), "tiny")
    found = understand(resolve_stand_in(built / name, of.family), Choices())
    with found.checkpoint as checkpoint:
        assert {variable.name for variable in plan.variables} <= set(checkpoint.entries)
        assert all(np.isfinite(checkpoint.read(entry)).all() for entry in checkpoint.entries)
    assert found.config == plan.config
    assert found.rules is not None
    assert len(found.rules.vocab.tokens) == plan.config.vocab_size
    ids = {one for text in sentences() for one in found.rules.ids(text)}
    assert len(ids) > 60, "the vocabulary is not made from the corpora"
    assert max(ids) < plan.config.vocab_size


def resolve_stand_in(folder: Path, family: str) -> Source:
    return resolve(str(folder), family=family)


@pytest.mark.parametrize("name", BERTS)
def test_corpora_need_no_unknown_token_and_some_pieces(built: Path, name: str) -> None:
    casing = card(name).casing
    vocab = read_vocab(built / name / "vocab.txt")
    tokenizer = Tokenizer(vocab, lower_case=casing.lower_case, strip_accents=casing.strip_accents)
    pieces = [piece for text in sentences() for piece in tokenizer.tokenize(text)]
    assert "[UNK]" not in pieces
    assert any(piece.startswith("##") and len(piece) > 3 for piece in pieces)
    assert any(not piece.startswith("##") and len(piece) > 3 for piece in pieces)


def test_danish_keeps_its_letters(built: Path) -> None:
    tokens = read_vocab(built / "danish-bert" / "vocab.txt").tokens
    assert {"æ", "ø", "å", "##å"} <= set(tokens)
    assert "Å" not in tokens


@pytest.mark.parametrize("name", BERTS)
def test_checkpoint_holds_the_published_head(built: Path, name: str) -> None:
    of, plan = card(name), blueprint(card(name), "tiny")
    with open_checkpoint(built / name) as checkpoint:
        shapes = {variable.name: variable.shape for variable in plan.variables}
        slots = {f"{variable}/{slot}": shape for variable, shape in shapes.items() for slot in of.source.slots}
        assert {name: entry.shape for name, entry in checkpoint.entries.items()} == {
            **shapes, **slots, "global_step": (),
        }  # fmt: skip
        assert len(shapes) == 5 + 16 * 2 + 2 + 5 + 2
        assert all(np.isfinite(checkpoint.read(name)).all() for name in checkpoint.entries)
        assert checkpoint.prefix.name == "bert_model.ckpt"
        assert detect(set(shapes)).name == of.family


def test_config_is_the_published_one_but_for_sizes(built: Path) -> None:
    written = json.loads((built / "rubert" / "bert_config.json").read_text())
    published = card("rubert").config
    assert {key for key in published if written[key] != published[key]} == {
        "hidden_size",
        "intermediate_size",
        "max_position_embeddings",
        "num_attention_heads",
        "num_hidden_layers",
        "vocab_size",
    }
    assert written.keys() == published.keys()


def test_note_says_what_differs_from_the_publication(built: Path, tmp_path: Path) -> None:
    note = json.loads((built / "rubert" / "stand-in.json").read_text())
    assert note["published slots left out"] == []
    assert note["here though not published"] == ["cls/seq_relationship/output_bias"]
    # A card published at tiny shape: at full scale, slots stay out whatever the shape.
    published, tiny = card("rubert"), blueprint(card("rubert"), "tiny")
    lines = published.vocabulary.model_copy(update={"size": 1200})
    of = published.model_copy(update={"vocabulary": lines, "config": tiny.raw})
    build_stand_in(of, scale="full", folder=tmp_path / "full")
    note = json.loads((tmp_path / "full" / "stand-in.json").read_text())
    assert note["published slots left out"] == list(SLOTS)
    with open_checkpoint(tmp_path / "full") as checkpoint:
        assert not any(name.endswith(SLOTS) for name in checkpoint.entries)


def test_two_builds_are_the_same_to_the_byte(built: Path, tmp_path: Path) -> None:
    build_stand_in(card("rubert"), scale="tiny", folder=tmp_path / "again")
    assert _hashes(tmp_path / "again") == _hashes(built / "rubert")
    assert _hashes(built / "rubert") != _hashes(built / "bert-base-multilingual-cased")


@pytest.mark.parametrize(
    ("name", "scale", "layers", "hidden", "heads", "inner", "positions", "rows", "parameters"),
    [
        ("rubert", "full", 12, 768, 12, 3072, 512, 119547, 178_566_653),
        ("bert-base-uncased", "full", 12, 768, 12, 3072, 512, 30522, 110_106_428),
        ("bert-large-uncased", "full", 24, 1024, 16, 4096, 512, 30522, 336_226_108),
        ("rubert", "small", 12, 128, 4, 512, 512, 4000, None),
        ("danish-bert", "tiny", 2, 32, 2, 64, 64, 1200, None),
    ],
)
def test_shape_at_each_scale(
    name: str,
    scale: Scale,
    layers: int,
    hidden: int,
    heads: int,
    inner: int,
    positions: int,
    rows: int,
    parameters: int | None,
) -> None:
    plan = blueprint(card(name), scale)
    config = plan.config
    assert (config.layers, config.hidden_size, config.heads, config.intermediate_size) == (layers, hidden, heads, inner)
    assert (config.positions, config.vocab_size, config.activation) == (
        positions,
        rows,
        f"gelu_{card(name).activation.function}",
    )
    if parameters is not None:
        assert sum(int(np.prod(variable.shape)) for variable in plan.variables) == parameters


def test_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> tuple[Path, ...]:
        raise KeyboardInterrupt

    monkeypatch.setitem(standin.WRITERS, "bundle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_stand_in(card("rubert"), scale="tiny", folder=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> tuple[Path, ...]:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(standin.WRITERS, "bundle", full)
    with pytest.raises(ParityError, match=r"out: cannot be written: No space left on device; free space") as caught:
        build_stand_in(card("rubert"), scale="tiny", folder=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_existing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="exists already"):
        build_stand_in(card("rubert"), scale="tiny", folder=tmp_path)


def test_digest_covers_recipe_card_scale_and_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    of = card("rubert")
    digests = [digest(of, "tiny"), digest(of, "small"), digest(card("danish-bert"), "tiny")]
    digests.append(digest(of.model_copy(update={"title": "other"}), "tiny"))
    with monkeypatch.context() as patched:
        patched.setattr(standin, "RECIPE", standin.RECIPE + 1)
        digests.append(digest(of, "tiny"))
    with monkeypatch.context() as patched:
        patched.setattr(standin, "corpora", lambda: {"en": ("Other words.",)})
        digests.append(digest(of, "tiny"))
    assert len(set(digests)) == len(digests)
    assert digest(of, "tiny") == digests[0]
