"""The flags: what is read, asked for, refused, and written again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_transfo_xl import GOLDEN, LM, NONE, VARIANTS, XL, config, flags, golden_config

from parity.errors import ParityError

HERE = Path("model_flags.json")


def read(raw: dict[str, Any]) -> Any:
    return XL.read_config(raw, where=HERE)


def test_the_goldens_flags_are_its_numbers() -> None:
    given = golden_config()
    assert (given.vocab_size, given.hidden_size, given.layers, given.heads) == (450, 64, 3, 4)
    assert (given.intermediate_size, given.d_embed, given.d_head, given.positions) == (128, 64, 16, 24)
    assert given.clusters == ((0, 60), (60, 150), (150, 300), (300, 450))
    assert [given.width(k) for k in range(4)] == [64, 16, 4, 1]
    assert given.tie_projs == (False, True, True, True)
    assert (given.mem_len, given.clamp_len, given.same_length, given.epsilon) == (16, -1, False, 1e-12)


def test_cutoffs_may_stand_as_in_corpus_info() -> None:
    ends = json.loads((GOLDEN / "corpus-info.json").read_text())["cutoffs"]
    assert golden_config(cutoffs=ends).clusters == golden_config().clusters
    assert config(flags() | {"cutoffs": [], "div_val": 1}).cutoffs == ()


def test_flags_may_be_spelt_as_on_the_command_line() -> None:
    assert read(flags() | {"same_length": "True", "untie_r": "False"}).same_length is True


@pytest.mark.parametrize("key", ["mem_len", "clamp_len", "same_length"])
def test_what_no_tensor_tells_is_asked_for(key: str) -> None:
    raw = {name: value for name, value in flags().items() if name != key}
    with pytest.raises(ParityError, match=rf"{key} is missing, and no tensor tells it.*--set {key}="):
        read(raw)


def test_flags_with_a_default_that_tensors_confirm_may_be_left_out() -> None:
    left_out = ("untie_r", "proj_share_all_but_first", "proj_same_dim", "tie_weight", "tgt_len")
    given = read({key: value for key, value in flags().items() if key not in left_out})
    assert (given.untie_r, given.proj_same_dim, given.tie_projs) == (False, True, (False,) * 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_token": 0}, "n_token is not a whole number from 1"),
        ({"d_model": "16"}, "d_model is not a whole number"),
        ({"mem_len": -1}, "mem_len is not a whole number from 0"),
        ({"same_length": 1}, "same_length is neither true nor false"),
        ({"cutoffs": [10, 10]}, r"cutoffs do not rise from 1 to below n_token \(got \[10, 10\] of 60"),
        ({"cutoffs": [10, 60]}, "cutoffs do not rise"),
        ({"cutoffs": [0, 10]}, "cutoffs do not rise"),
        ({"cutoffs": "10"}, "cutoffs is no list"),
        ({"cutoffs": list(range(1, 70))}, "cutoffs is no list"),
        ({"div_val": 4, "d_embed": 16}, r"no column for the last cluster \(got 16 // 4 \*\* 3 = 0"),
        ({"cutoffs": []}, "the original cannot build that graph"),
        ({"tie_projs": [True]}, "cutoffs and tie_projs.*different numbers of clusters.*got 3 cutoffs, expected 0"),
        ({"tie_projs": "yes"}, "tie_projs is no list of true and false"),
        ({"tie_projs": [True] * 4}, "proj_share_all_but_first contradicts tie_projs"),
        ({"model_type": "transfo-xl", "pre_lnorm": True}, "pre_lnorm is none the original has"),
        ({"model_type": "transfo-xl", "attn_type": 1}, "attn_type"),
        ({"model_type": "transfo-xl", "tie_word_embeddings": False}, "tie_word_embeddings"),
        ({"layer_norm_epsilon": 2.0}, "layer_norm_epsilon"),
        ({"d_model": 1 << 40}, "d_model"),
    ],
    ids=str,
)
def test_what_describes_no_transformer_xl_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParityError, match=message):
        read(flags() | changes)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ParityError) as caught:
        read({"n_layer": 2})
    for key in ("n_token", "d_model", "d_embed", "n_head", "d_head", "d_inner", "cutoffs", "mem_len", "same_length"):
        assert f"{key} is missing" in str(caught.value)


def test_there_is_no_activation_to_choose() -> None:
    with pytest.raises(ParityError, match="computes ReLU"):
        XL.read_config(flags(), where=HERE, activation="erf")


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_configs_that_are_written_say_the_same_numbers(variant: str) -> None:
    given = config(flags(variant))
    for written in (XL.target_config(given, LM, labels=0, special={}), XL.source_config(given)):
        again = read(json.loads(json.dumps(written)))
        assert {**vars(again), "raw": None} == {**vars(given), "raw": None}


def test_config_json_has_the_old_classs_keys() -> None:
    written = XL.target_config(golden_config(), LM, labels=0, special={"<eos>": 0})
    expected = {
        "architectures": ["TransfoXLLMHeadModel"],
        "model_type": "transfo-xl",
        "vocab_size": 450,
        "cutoffs": [60, 150, 300],
        "d_model": 64,
        "d_embed": 64,
        "n_head": 4,
        "d_head": 16,
        "d_inner": 128,
        "div_val": 4,
        "n_layer": 3,
        "mem_len": 16,
        "clamp_len": -1,
        "same_length": False,
        "untie_r": True,
        "proj_share_all_but_first": True,
        "tie_weight": True,
        "tie_word_embeddings": True,
        "tie_projs": [False, True, True, True],
        "layer_norm_epsilon": 1e-12,
        "attn_type": 0,
        "pre_lnorm": False,
        "eos_token_id": 0,
        "torch_dtype": "float32",
    }
    assert {key: written[key] for key in expected} == expected
    assert XL.target_config(golden_config(), NONE, labels=0, special={})["architectures"] == ["TransfoXLModel"]


def test_a_softmax_without_clusters_is_told_to_share_its_projection() -> None:
    """The old class would take it for a parameter of its own, which no checkpoint has."""
    given = config(flags("no cutoffs, narrow"))
    assert XL.target_config(given, LM, labels=0, special={})["tie_projs"] == [True]


def test_transformers_own_directories_mean_its_own_epsilon() -> None:
    assert read({**flags(), "model_type": "transfo-xl"}).epsilon == 1e-5
    assert read({**flags(), "model_type": "transfo-xl", "layer_norm_epsilon": 1e-12}).epsilon == 1e-12


def test_what_the_original_never_reads_is_told() -> None:
    raw = flags() | {"tie_weight": False, "init_std": 0.02, "dropout": 0.1}
    assert XL.unread_keys(raw) == ["init_std", "tie_weight"]
    assert any("tie_weight false is without effect" in note for note in XL.notes(read(raw), LM))
    assert XL.unread_keys(flags()) == []
