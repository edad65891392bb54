"""GPT-2's table against a list of names written by hand, and what fine-tuning leaves beside a model's variables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_gpt2 import CONFIG, arrays, lines, shapes

from parity.errors import ParityError
from parity.families import detect
from parity.families.gpt2 import FAMILY as GPT2
from parity.families.gpt2.heads import ALL_HEADS, LM, NONE
from parity.families.values import Config, Head
from parity.tensorfile import Array
from parity.weights import Plan, plan

SIZES = {"gpt2": (12, 148), "gpt2-medium": (24, 292), "gpt2-large": (36, 436), "gpt2-xl": (48, 580)}
HEADS = pytest.mark.parametrize("head", ALL_HEADS, ids=lambda head: head.name)


def config(**changes: int) -> Config:
    return GPT2.read_config(CONFIG | changes, where=Path("hparams.json"))


def made(tensors: dict[str, Array], head: Head = LM) -> Plan:
    return plan(GPT2.table(config(), head), {name: array.shape for name, array in tensors.items()}, where="here")


@pytest.mark.parametrize(("layers", "count"), SIZES.values(), ids=SIZES)
def test_the_published_checkpoints_have_this_many_variables(layers: int, count: int) -> None:
    assert len(lines(layers)) == count
    assert len(GPT2.table(config(n_layer=layers), LM).expanded()) == count
    assert len(GPT2.variables(config(n_layer=layers), LM)) == count


@HEADS
def test_every_name_and_operation_is_as_published(head: Head) -> None:
    rules = GPT2.table(config(n_layer=11), head).expanded()
    got = {(rule.source, rule.target, rule.operation.name) for rule in rules}
    assert got == {
        (source, target, "squeeze" if axes.startswith("1,") else "copy")
        for source, axes, target in lines(11, head=head.name)
    }


@HEADS
def test_the_original_graphs_variables_have_these_names_and_shapes(head: Head) -> None:
    assert {v.name: v.shape for v in GPT2.variables(config(), head)} == shapes()


def test_what_a_variable_is_follows_from_its_name() -> None:
    for variable in GPT2.variables(config(), LM):
        scope, _, last = variable.name.rpartition("/")
        norm = scope.rpartition("/")[2].startswith("ln_")
        expected = {"g": "gamma", "b": "beta" if norm else "bias", "w": "kernel"}.get(last, "embedding")
        assert variable.role == expected, variable.name


@HEADS
def test_there_and_back_is_bit_identical(head: Head) -> None:
    source = arrays()
    there = {move.target: move.operation.forward(source[move.source]) for move in made(source, head).moves}
    back = plan(
        GPT2.table(config(), head).inverted(), {name: array.shape for name, array in there.items()}, where="here"
    )
    returned = {move.target: move.operation.forward(there[move.source]) for move in back.moves}
    assert returned.keys() == source.keys()
    for name, array in source.items():
        assert returned[name].shape == array.shape
        assert np.ascontiguousarray(returned[name]).tobytes() == array.tobytes()


def test_values_arrive_as_they_are_less_the_leading_axis() -> None:
    source = arrays()
    by_target = {target: name for name, _, target in lines(2)}
    for move in made(source).moves:
        array = source[by_target[move.target]]
        found = move.operation.forward(source[move.source])
        np.testing.assert_array_equal(found, array.reshape(array.shape[-found.ndim :]))


def test_the_output_matrix_is_the_table_of_tokens() -> None:
    assert GPT2.table(config(), LM).tied == (("lm_head.weight", "transformer.wte.weight"),)
    assert GPT2.table(config(), NONE).tied == ()
    assert GPT2.heads(shapes()) == (LM, NONE)
    assert [(head.name, head.target_class) for head in ALL_HEADS] == [("lm", "GPT2LMHeadModel"), ("none", "GPT2Model")]


@pytest.mark.parametrize(
    "scope", ["", "train/", "OptimizeLoss/", "optimizer/deep/scope/"], ids=["beside", "train", "loss", "deep"]
)
@pytest.mark.parametrize(
    "slots", [("Adam", "Adam_1"), ("adam_m", "adam_v"), ("adafactor_v", "adafactor_vc", "adafactor_vr")]
)
def test_what_fine_tuning_leaves_is_dropped_with_a_reason(scope: str, slots: tuple[str, ...]) -> None:
    source = arrays()
    beside = {f"{scope}{name}/{slot}": array for name, array in source.items() for slot in slots}
    totals = {
        f"{scope}{name}": np.zeros(())
        for name in ("global_step", "beta1_power", "beta2_power", "learning_rate", "_step", "model/learning_rate")
    }
    found = made(source | beside | totals)
    assert {move.source for move in found.moves} == source.keys()
    reasons = dict(found.dropped)
    assert reasons.keys() == beside.keys() | totals.keys()
    assert all("optimizer slot" in reasons[name] for name in beside)
    assert all(reasons[name] == "training state, not part of the model" for name in totals)


def test_a_models_own_variable_is_never_taken_for_training_state() -> None:
    found = made(arrays())
    assert not found.dropped
    source = arrays() | {"model/h1/attn/c_attn/extra": np.zeros(3), "model/head/w": np.zeros((8, 2))}
    with pytest.raises(ParityError, match="2 problems") as refused:
        made(source)
    assert "model/h1/attn/c_attn/extra" in str(refused.value)


def test_a_missing_variable_is_named_with_the_nearest() -> None:
    source = arrays()
    source["model/h0/attn/c_attn/weight"] = source.pop("model/h0/attn/c_attn/w")
    with pytest.raises(ParityError, match="missing variable model/h0/attn/c_attn/w"):
        made(source)


def test_the_names_alone_tell_the_family() -> None:
    assert GPT2.recognises(shapes())
    assert detect(shapes()).name == "gpt2"
    gpt = ["model/we", *(name for name in shapes() if name not in ("model/wte", "model/wpe"))]
    assert not GPT2.recognises(gpt)
    assert not GPT2.recognises(["bert/embeddings/word_embeddings", "bert/encoder/layer_0/output/dense/bias"])


def test_layers_are_counted_by_their_numbers() -> None:
    assert GPT2.layers(shapes(CONFIG | {"n_layer": 11})) == 11
    assert GPT2.layers(["model/h3/ln_1/g", "other/h9/x"]) == 4
    assert GPT2.layers([]) == 0
    names, drops = GPT2.known(shapes())
    assert set(names) == set(shapes())
    assert "global_step" in [drop.pattern for drop in drops]


@HEADS
def test_every_tap_coarse_or_fine_is_a_stage_of_the_reference_and_each_stage_a_tap(head: Head) -> None:
    taps = [tap.name for tap in (*GPT2.taps(config(), head), *GPT2.fine_taps(config(), head))]
    assert sorted(taps) == sorted(stage.name for stage in GPT2.stages(config(), head))
    assert len(set(taps)) == len(taps)


def test_the_states_are_optional_inputs_and_taps() -> None:
    feeds = GPT2.feeds
    assert not feeds.masked
    assert not feeds.zeros_first
    assert feeds.states == ("past.{k}.key", "past.{k}.value")
    assert feeds.empty is not None
    assert feeds.empty(config(), 3, 5) == (3, 2, 5, 4)
    named = {state.format(k=k) for state in feeds.states for k in range(2)}
    assert named <= {tap.name for tap in GPT2.taps(config(), NONE)}
    optional = {need for stage in GPT2.stages(config(), NONE) for need in stage.optional}
    assert optional == {f"inputs/{name}" for name in named}
