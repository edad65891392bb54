"""xlnet_config.json with the run's flags, Hugging Face's config.json, and what either may say wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_xlnet import CONFIG, GOLDEN, read, shapes

from parity.errors import ParityError
from parity.families.xlnet import FAMILY as XLNET
from parity.families.xlnet.heads import named
from parity.families.xlnet.numbers import numbers

HERE = Path("config.json")


def target(head: str = "lm", labels: int = 0, **flags: Any) -> dict[str, Any]:
    return XLNET.target_config(read(CONFIG, **flags), named(head), labels=labels, special={"<pad>": 5})


def test_the_goldens_config_is_read() -> None:
    path = GOLDEN / "xlnet_config.json"
    config = numbers(XLNET.read_config(json.loads(path.read_text()), where=path))
    assert (config.vocab_size, config.hidden_size, config.layers, config.heads) == (400, 64, 3, 4)
    assert (config.intermediate_size, config.untied, config.activation, config.epsilon) == (
        160,
        True,
        "gelu_tanh",
        1e-12,
    )
    assert (config.mem_len, config.reuse_len, config.clamp_len, config.attn_type) == (0, 0, -1, "bi")


@pytest.mark.parametrize(("said", "written"), [("gelu", "gelu_new"), ("relu", "relu")])
def test_the_target_computes_the_originals_activation(said: str, written: str) -> None:
    assert target(ff_activation=said)["ff_activation"] == written
    assert any("gelu_new" in note for note in XLNET.notes(read(CONFIG, ff_activation=said), named("lm"))) == (
        said == "gelu"
    )


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, {"mem_len": None, "use_mems_eval": False, "reuse_len": None, "clamp_len": -1}),
        ({"mem_len": 0}, {"mem_len": None, "use_mems_eval": False}),
        ({"mem_len": 9, "reuse_len": 4}, {"mem_len": 9, "use_mems_eval": True, "reuse_len": 4}),
        ({"clamp_len": 7, "same_length": True}, {"clamp_len": 7, "same_length": True}),
        ({"summary_type": "mean", "use_summ_proj": False}, {"summary_type": "mean", "summary_activation": None}),
    ],
)
def test_flags_of_the_run_are_the_targets(flags: dict[str, Any], expected: dict[str, Any]) -> None:
    written = target(**flags)
    assert {key: written[key] for key in expected} == expected


def test_outputs_are_counted_in_the_target() -> None:
    assert len(target("classifier-x", labels=4)["id2label"]) == 4
    assert len(target("regression-sts-b")["id2label"]) == 1
    assert "id2label" not in target("lm")


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"mem_len": 9, "reuse_len": 4, "clamp_len": 3},
        {"untie_r": False, "ff_activation": "relu"},
        {"bi_data": True},
    ],
)
@pytest.mark.parametrize("head", ["lm", "classifier-x"])
def test_the_targets_config_says_the_same_and_leads_back(flags: dict[str, Any], head: str) -> None:
    config = read(CONFIG, **flags)
    again = XLNET.read_config(XLNET.target_config(config, named(head), labels=2, special={}), where=HERE)
    assert XLNET.source_config(again) == XLNET.source_config(config)
    assert XLNET.source_config(config) == {**CONFIG, **flags}


def test_gelu_of_a_hugging_face_config_is_erf_which_has_no_way_back() -> None:
    config = XLNET.read_config(target() | {"ff_activation": "gelu"}, where=HERE)
    assert config.activation == "gelu_erf"
    with pytest.raises(ParityError, match="the original has no gelu_erf"):
        XLNET.source_config(config)


def test_transformers_remembers_everything_where_its_config_says_nothing() -> None:
    plain = target() | {"use_mems_eval": True}
    assert numbers(XLNET.read_config(plain, where=HERE)).mem_len == (1 << 31) - 1
    assert numbers(XLNET.read_config({k: v for k, v in plain.items() if k != "mem_len"}, where=HERE)).mem_len == 512
    assert numbers(XLNET.read_config(target(), where=HERE)).mem_len == 0


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"n_token": None}, "n_token is missing"),
        ({"d_model": "8"}, "d_model is not a positive whole number"),
        ({"d_model": True}, "d_model is not a positive whole number"),
        ({"n_layer": 0}, "n_layer is not a positive whole number"),
        ({"d_head": 5}, r"n_head \* d_head is not d_model"),
        ({"d_model": 7, "d_head": 7, "n_head": 1}, "d_model is odd"),
        ({"ff_activation": None}, "ff_activation is missing"),
        ({"ff_activation": "gelu_new"}, "ff_activation is none the original knows"),
        ({"untie_r": 1}, "untie_r is not true or false"),
        ({"mem_len": "long"}, "mem_len is not a whole number"),
        ({"clamp_len": -7}, "clamp_len is not a whole number"),
        ({"same_length": "yes"}, "same_length is not true or false"),
        ({"attn_type": "tri"}, "attn_type is none that has a class"),
        ({"summary_type": "attn"}, "summary_type is none that has a class"),
        ({"max_seq_length": 0}, "max_seq_length is not a positive whole number"),
        ({"layer_norm_eps": 1}, "layer_norm_eps is not a number between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes: dict[str, Any], what: str) -> None:
    raw = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    with pytest.raises(ParityError, match=what):
        read(raw)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(ParityError) as caught:
        read({})
    assert all(f"{key} is missing" in str(caught.value) for key in CONFIG if key != "untie_r")


def test_the_erf_form_is_contradicted() -> None:
    with pytest.raises(ParityError, match="--activation erf contradicts ff_activation"):
        XLNET.read_config(CONFIG, where=HERE, activation="erf")
    assert XLNET.read_config(CONFIG, where=HERE, activation="tanh").activation == "gelu_tanh"


@pytest.mark.parametrize("untied", [True, False])
def test_tensors_tell_all_but_the_activation(untied: bool) -> None:
    config = CONFIG | {"untie_r": untied}
    assert XLNET.infer is not None
    told = XLNET.infer(shapes("lm", config=config))
    assert told == {key: value for key, value in config.items() if key != "ff_activation"}


@pytest.mark.parametrize(
    "changes",
    [{"n_token": 401}, {"n_layer": 1}, {"n_layer": 3}, {"n_head": 4, "d_head": 2}, {"d_inner": 13}, {"untie_r": False}],
)
def test_a_config_of_another_model_is_found_out(changes: dict[str, Any]) -> None:
    found = XLNET.misfits(read(CONFIG | changes), shapes("lm"))
    assert {key: said for key, said, _, _ in found} == changes
    assert XLNET.misfits(read(CONFIG), shapes("lm")) == []


def test_keys_without_effect_are_told() -> None:
    assert list(XLNET.unread_keys({**CONFIG, "mem_len": 3, "dropout": 0.1, "num_labels": 3})) == ["num_labels"]
