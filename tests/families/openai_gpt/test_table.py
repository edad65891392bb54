"""GPT's table against a list of names written by hand, its laws, and the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_gpt import OPTIONS, TRAINED, arrays

from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families import detect, family
from parity.families.openai_gpt import FAMILY as GPT
from parity.families.openai_gpt.config import GptConfig
from parity.families.openai_gpt.heads import ALL_HEADS, CHOICE, LM, NONE
from parity.weights import Part, plan

# As written in formats.md: source, target without its prefix, leading axis dropped.
BLOCK = [
    ("attn/c_attn/w", "attn.c_attn.weight", True),
    ("attn/c_attn/b", "attn.c_attn.bias", False),
    ("attn/c_proj/w", "attn.c_proj.weight", True),
    ("attn/c_proj/b", "attn.c_proj.bias", False),
    ("ln_1/g", "ln_1.weight", False),
    ("ln_1/b", "ln_1.bias", False),
    ("mlp/c_fc/w", "mlp.c_fc.weight", True),
    ("mlp/c_fc/b", "mlp.c_fc.bias", False),
    ("mlp/c_proj/w", "mlp.c_proj.weight", True),
    ("mlp/c_proj/b", "mlp.c_proj.bias", False),
    ("ln_2/g", "ln_2.weight", False),
    ("ln_2/b", "ln_2.bias", False),
]


def config(**more: object) -> GptConfig:
    return GPT.read_config({**OPTIONS, **more}, where=Path("config.json"))


def by_hand(layers: int, prefix: str) -> dict[str, tuple[str, str]]:
    found = {
        "positions": (f"{prefix}positions_embed.weight", "copy"),
        "tokens": (f"{prefix}tokens_embed.weight", "copy"),
    }
    for i in range(layers):
        for source, target, squeezed in BLOCK:
            found[f"model/h{i}/{source}"] = (f"{prefix}h.{i}.{target}", "squeeze" if squeezed else "copy")
    return found


@pytest.mark.parametrize("head", ALL_HEADS, ids=lambda head: head.name)
def test_names_and_operations_are_those_of_the_list(head: object) -> None:
    found = {rule.source: (rule.target, rule.operation.name) for rule in GPT.table(config(), head).expanded()}
    expected = by_hand(2, "" if head == NONE else "transformer.")
    if head == CHOICE:
        expected["model/clf/w"] = ("multiple_choice_head.summary.weight", "transpose")
        expected["model/clf/b"] = ("multiple_choice_head.summary.bias", "copy")
    assert found == expected
    tied = () if head == NONE else (("lm_head.weight", "transformer.tokens_embed.weight"),)
    assert GPT.table(config(), head).tied == tied


def test_the_published_model_has_146_rules_and_so_many_variables() -> None:
    big = config(n_layer=12, n_embd=768, n_head=12, n_vocab=40478, n_ctx=512)
    variables = GPT.variables(big, LM)
    assert len(variables) == len(GPT.table(big, LM).expanded()) == 146
    assert sum(int(np.prod(v.shape)) for v in variables) == 116_534_784
    assert [v.name for v in variables] == list(by_hand(12, ""))


@pytest.mark.parametrize("head", ALL_HEADS, ids=lambda head: head.name)
def test_variables_are_the_tables_sources_in_the_files_order(head: object) -> None:
    for settings in (config(), config(n_rows=52)):
        variables = [variable.name for variable in GPT.variables(settings, head)]
        assert set(variables) == {rule.source for rule in GPT.table(settings, head).expanded()}
        assert len(set(variables)) == len(variables)
    held = arrays(classifier=head == CHOICE)
    assert [(v.name, v.shape) for v in GPT.variables(config(), head)] == [(n, a.shape) for n, a in held.items()]


def test_there_and_back_again_is_bit_identical() -> None:
    held = arrays(classifier=True)
    table = GPT.table(config(), CHOICE)
    there = plan(table, {name: array.shape for name, array in held.items()}, where="c")
    made = {move.target: np.ascontiguousarray(move.operation.forward(held[move.source])) for move in there.moves}
    back = plan(table.inverted(), {name: array.shape for name, array in made.items()}, where="c")
    again = {move.target: move.operation.forward(made[move.source]) for move in back.moves}
    assert again.keys() == held.keys()
    for name, array in held.items():
        np.testing.assert_array_equal(again[name], array)


def test_the_trained_table_is_cut_in_two_and_joined_again() -> None:
    settings = config(n_rows=52)
    assert (settings.vocab_size, settings.special, settings.positions) == (40, 3, 12)
    rules = {r.target: r.operation for r in GPT.table(settings, CHOICE).expanded() if r.source == "model/we"}
    table = np.arange(52 * 8, dtype=np.float32).reshape(52, 8)
    tokens = rules["transformer.tokens_embed.weight"]
    positions = rules["transformer.positions_embed.weight"]
    np.testing.assert_array_equal(tokens.forward(table), table[:40])
    np.testing.assert_array_equal(positions.forward(table), table[40:])
    assert (tokens.inverse(), positions.inverse()) == (Part(0, 40, 52), Part(40, 52, 52))


def test_a_classifier_that_the_class_has_no_place_for_is_dropped_by_name() -> None:
    shapes = {name: array.shape for name, array in arrays(classifier=True).items()}
    for head in (LM, NONE):
        dropped = dict(plan(GPT.table(config(), head), shapes, where="c").dropped)
        assert dropped.keys() == {"model/clf/w", "model/clf/b"}
        assert all(f"--head {head.name} leaves out" in reason for reason in dropped.values())


def test_a_missing_or_unknown_variable_is_named() -> None:
    shapes = {name: array.shape for name, array in arrays().items()}
    del shapes["model/h1/ln_2/g"]
    shapes["model/h1/ln_2/gain"] = (8,)
    with pytest.raises(
        ParityError, match=r"unknown variable model/h1/ln_2/gain[\s\S]*missing variable model/h1/ln_2/g"
    ):
        plan(GPT.table(config(), LM), shapes, where="c")


def test_heads_are_told_by_the_classifiers_variables() -> None:
    with open_checkpoint(TRAINED) as trained:
        assert [head.name for head in GPT.heads(trained.entries)] == ["multiple-choice", "lm", "none"]
        assert detect(trained.entries).name == "openai-gpt"
    assert [head.name for head in GPT.heads(arrays())] == ["lm", "none"]
    assert GPT.heads([*arrays(), "model/clf/w"])[0] == CHOICE
    assert not any(GPT.has_labels(head) for head in ALL_HEADS)
    assert [GPT.labels(head, {}) for head in ALL_HEADS] == [2, 1, 2]


def test_the_other_gpts_variables_are_not_taken_for_these() -> None:
    gpt2 = ["model/wte", "model/wpe", "model/h0/attn/c_attn/w", "model/h0/attn/c_attn/b", "model/ln_f/g"]
    assert not GPT.recognises(gpt2)
    assert not family("gpt2").recognises(arrays())
    assert GPT.recognises(arrays())
    assert GPT.recognises(["model/we", "model/h0/attn/c_attn/w"])


@pytest.mark.parametrize("head", ALL_HEADS, ids=lambda head: head.name)
def test_every_tap_coarse_or_fine_is_a_stage_of_the_reference_and_each_stage_a_tap(head: object) -> None:
    taps = [tap.name for tap in (*GPT.taps(config(), head), *GPT.fine_taps(config(), head))]
    stages = [stage.name for stage in GPT.stages(config(), head)]
    assert sorted(taps) == sorted(stages)
    assert len(set(taps)) == len(taps)


def test_known_variables_are_every_heads() -> None:
    names, drops = GPT.known(arrays())
    assert set(names) == set(arrays(classifier=True))
    assert not drops
    trained = ["model/we", *(name for name in arrays(classifier=True) if name.startswith("model/"))]
    assert set(GPT.known(trained)[0]) == set(trained)
