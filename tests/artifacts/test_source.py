"""What a card, the user's choices and the checkpoint itself decide about a source, before a byte of it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import CONFIG, PREFIX, VOCAB, arrays, write_source

from parity.artifacts.source import Choices, Understood, read_json, understand
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.models import Source, card
from parity.tensorfile import Array

UPPER = (*VOCAB[:-1], "Zz")


def source(folder: Path, *, of: str | None = None, **fields: Any) -> Source:
    files = {"checkpoint": folder / PREFIX, "config": folder / "bert_config.json", "vocab": folder / "vocab.txt"}
    named = card(of) if of else None
    return Source(of or "mine", "bert", **files, card=named, stand_in=False, note="", **fields)


def understood(folder: Path, *, of: str | None = None, **choices: Any) -> Understood:
    return understand(source(folder, of=of), Choices(**choices))


def test_without_a_card_every_decision_is_an_assumption_in_words(tmp_path: Path) -> None:
    found = understood(write_source(tmp_path))
    assert (found.family.name, found.head.name, found.labels) == ("bert", "pretraining", 0)
    assert found.dtypes.keys() == arrays().keys()
    gelu, casing = found.assumptions
    assert "--activation tanh" in gelu
    assert "--lower-case, --cased, --strip-accents or --keep-accents" in casing


@pytest.mark.parametrize(
    ("name", "activation", "lower", "strip", "assumed"),
    [
        ("bert-base-uncased", "gelu_erf", True, True, 0),
        ("bert-base-cased", "gelu_erf", False, False, 0),
        ("rubert", "gelu_erf", False, False, 1),
        ("danish-bert", "gelu_tanh", True, False, 1),
    ],
)
def test_a_card_decides_and_says_where_it_only_assumes(
    tmp_path: Path, name: str, activation: str, lower: bool, strip: bool, assumed: int
) -> None:
    found = understood(write_source(tmp_path, vocab=UPPER), of=name)
    assert found.config.activation == activation
    assert (found.rules.lower_case, found.rules.strip_accents) == (lower, strip)
    assert found.rules.evidence == f"card {name}"
    assert len(found.assumptions) == assumed
    if assumed:
        assert card(name).activation.reason in found.assumptions[0]


def test_choices_go_over_the_card(tmp_path: Path) -> None:
    folder = write_source(tmp_path)
    found = understood(folder, of="rubert", activation="tanh", lower_case=True)
    assert found.config.activation == "gelu_tanh"
    assert (found.rules.lower_case, found.rules.strip_accents, found.rules.evidence) == (True, True, "option")
    assert found.assumptions == ()
    kept = understood(folder, of="bert-base-uncased", strip_accents=False)
    assert (kept.rules.lower_case, kept.rules.strip_accents) == (True, False)
    assert kept.rules.evidence == "card bert-base-uncased, option for accents"


def test_spare_rows_are_accepted_where_the_card_knows_of_them(tmp_path: Path) -> None:
    folder = write_source(tmp_path, vocab=VOCAB[:-2])
    assert card("danish-bert").spare_rows > 0
    assert len(understood(folder, of="danish-bert").rules.vocab.tokens) == len(VOCAB) - 2
    for name in ("rubert", None):
        with pytest.raises(ParityError, match=r"vocab\.txt: vocabulary has the wrong length"):
            understood(folder, of=name)


def without_absent(held: dict[str, Array]) -> None:
    for name in card("rubert").source.absent:
        held.pop(name, None)


def test_a_head_that_a_publication_left_incomplete_is_left_out_only_under_its_card(tmp_path: Path) -> None:
    absent = card("rubert").source.absent
    assert absent
    folder = write_source(tmp_path, change=without_absent)
    found = understood(folder, of="rubert")
    assert found.head.name == "mlm", "only the next-sentence head is not whole"
    assert (
        "cls/seq_relationship/output_weights",
        "part of head nsp, which --head mlm leaves out",
    ) in found.plan.dropped
    with pytest.raises(ParityError, match=f"missing variable {sorted(absent)[0]}"):
        understood(folder)
    assert understood(write_source(tmp_path / "whole"), of="rubert").head.name == "pretraining"


def test_the_users_head_is_taken_as_it_stands(tmp_path: Path) -> None:
    folder = write_source(tmp_path)
    assert understood(folder, head="mlm").head.name == "mlm"
    with pytest.raises(ParityError, match=r"holds no head qa .expected one of pretraining, mlm, lm, nsp, none"):
        understood(folder, head="qa")


def test_unread_keys_of_the_config_are_told(tmp_path: Path) -> None:
    folder = write_source(tmp_path, config=CONFIG | {"directionality": "bidi", "pooler_type": "x"})
    told = understood(folder).assumptions[-1]
    assert told == "config keys without effect in the original code: directionality, pooler_type"


@pytest.mark.parametrize(
    ("setting", "value", "kept"),
    [("hidden_dropout_prob", "0.25", 0.25), ("hidden_act", "relu", "relu"), ("note", '"x"', "x"), ("note", "[1", "[1")],
)
def test_settings_are_json_where_they_can_be_and_words_else(
    tmp_path: Path, setting: str, value: str, kept: object
) -> None:
    found = understood(write_source(tmp_path), settings={setting: value})
    assert found.config.raw[setting] == kept
    assert f"{setting} overridden by --set to {value}" in found.assumptions


def test_all_misfits_between_config_and_tensors_come_at_once(tmp_path: Path) -> None:
    folder = write_source(tmp_path)
    wrong = {"hidden_size": 16, "vocab_size": 60, "type_vocab_size": 3, "max_position_embeddings": 17}
    (folder / "bert_config.json").write_text(json.dumps(CONFIG | wrong))
    with pytest.raises(ParityError) as caught:
        understood(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'bert_config.json'}: the config does not fit the checkpoint: 4 problems")
    assert all(f"{key} does not fit" in message for key in wrong)


def test_nothing_is_read_of_the_data(tmp_path: Path) -> None:
    folder = write_source(tmp_path)
    data = next(folder.glob("*.data-*"))
    data.write_bytes(bytes(data.stat().st_size))
    assert len(understood(folder).plan.moves) == 46
    with open_checkpoint(folder) as checkpoint, pytest.raises(ParityError):
        checkpoint.read("bert/pooler/dense/bias")


def test_read_json_takes_an_object_of_sane_size(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"a": [1, "ж"]}', encoding="utf-8")
    assert read_json(path) == {"a": [1, "ж"]}
    for content in ("", "[]", "3", "{", '{"a": "\\udc80"}', "[" * 100_000, " " * (2 << 20)):
        path.write_text(content)
        with pytest.raises(ParityError, match=rf"{path}: .*--config FILE"):
            read_json(path)
    for bad in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ParityError, match="cannot read the config"):
            read_json(bad)


def test_variables_of_another_shape_are_all_named(tmp_path: Path) -> None:
    def change(held: dict[str, Array]) -> None:
        held["bert/pooler/dense/kernel"] = np.zeros((8, 9), np.float32)
        held["cls/seq_relationship/output_weights"] = np.zeros((3, 8), np.float32)

    with pytest.raises(ParityError) as caught:
        understood(write_source(tmp_path, change=change))
    assert "bert/pooler/dense/kernel has another shape than bert_config.json says (got [8, 9], expected [8, 8])" in str(
        caught.value
    )
    assert "cls/seq_relationship/output_weights has another shape" in str(caught.value)
