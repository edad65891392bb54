"""The laws of a weight table, on tables of this file's own."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.tensorfile import Array
from parity.weights import Copy, Drop, Plan, Rule, Table, Transpose, plan

TABLE = Table(
    (
        Rule("emb/table", "embed.weight"),
        Rule("layer_{i}/dense/kernel", "layer.{i}.dense.weight", Transpose()),
        Rule("layer_{i}/dense/bias", "layer.{i}.dense.bias"),
    ),
    layers=2,
    drops=(Drop("global_step", "training state"), Drop("*_power*", "training state")),
)
SHAPES: dict[str, tuple[int, ...]] = {
    "emb/table": (7, 3),
    "layer_0/dense/kernel": (3, 5),
    "layer_0/dense/bias": (5,),
    "layer_1/dense/kernel": (3, 5),
    "layer_1/dense/bias": (5,),
}
# Every optimizer that a published BERT or GPT-2 checkpoint was trained with, as each names its slots.
SLOTS = [
    "adam_m",
    "adam_v",
    "Adam",
    "Adam_1",
    "AdamWeightDecayOptimizer",
    "AdamWeightDecayOptimizer_1",
    "LAMB",
    "LAMB_1",
    "LAMBOptimizer",
    "LAMBOptimizer_1",
    "Momentum",
    "RMSProp",
    "adafactor_v",
    "adafactor_vr",
    "adafactor_vc",
    "ExponentialMovingAverage",
]


def planned(shapes: dict[str, tuple[int, ...]] = SHAPES, table: Table = TABLE, **options: object) -> Plan:
    return plan(table, shapes, where="here", **options)  # type: ignore[arg-type]


def refusal(shapes: dict[str, tuple[int, ...]] = SHAPES, table: Table = TABLE, **options: object) -> str:
    with pytest.raises(ParityError) as caught:
        planned(shapes, table, **options)
    assert str(caught.value).startswith("here: ")
    return str(caught.value)


def without(*names: str) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in SHAPES.items() if name not in names}


def test_every_source_is_used_once_and_every_target_made_once_with_shapes_known() -> None:
    moves = planned().moves
    assert [(m.source, m.target) for m in moves] == [
        ("emb/table", "embed.weight"),
        ("layer_0/dense/kernel", "layer.0.dense.weight"),
        ("layer_1/dense/kernel", "layer.1.dense.weight"),
        ("layer_0/dense/bias", "layer.0.dense.bias"),
        ("layer_1/dense/bias", "layer.1.dense.bias"),
    ]
    assert [m.target_shape for m in moves] == [(7, 3), (5, 3), (5, 3), (5,), (5,)]
    assert planned().dropped == ()


def test_layers_are_numbers_and_not_words() -> None:
    table = Table((Rule("layer_{i}", "layer.{i}"),), layers=12)
    moves = planned({f"layer_{i}": (i,) for i in range(12)}, table).moves
    assert [(m.target, m.target_shape) for m in moves] == [(f"layer.{i}", (i,)) for i in range(12)]


@pytest.mark.parametrize("slot", SLOTS)
def test_slots_of_every_optimizer_are_left_behind_with_the_reason(slot: str) -> None:
    slots = {f"{name}/{slot}": shape for name, shape in SHAPES.items()}
    found = planned(SHAPES | slots)
    assert found.moves == planned().moves
    assert dict(found.dropped) == {name: f"optimizer slot {slot} of {name.rpartition('/')[0]}" for name in slots}


@pytest.mark.parametrize("slot", SLOTS)
def test_slots_of_variables_left_behind_go_the_same_way(slot: str) -> None:
    table = Table(TABLE.rules, 2, drops=(Drop("head/bias", "another head's"),))
    found = planned(SHAPES | {"head/bias": (2,), f"head/bias/{slot}": (2,)}, table)
    assert dict(found.dropped) == {
        "head/bias": "another head's",
        f"head/bias/{slot}": f"optimizer slot {slot} of head/bias",
    }


def test_training_state_is_left_behind_by_the_tables_own_globs() -> None:
    found = planned(SHAPES | {"global_step": (), "beta1_power_1": ()})
    assert dict(found.dropped) == {"global_step": "training state", "beta1_power_1": "training state"}


def test_an_unknown_variable_is_refused_with_its_nearest_name() -> None:
    message = refusal({**SHAPES, "layer_1/dense/biass": (5,)})
    assert "unknown variable layer_1/dense/biass (got [5])" in message
    assert "nearest known: layer_1/dense/bias" in message
    assert "--drop or --map" in message


def test_a_layer_too_many_is_no_silent_loss() -> None:
    message = refusal({**SHAPES, "layer_2/dense/kernel": (3, 5), "layer_2/dense/bias": (5,)})
    assert "2 problems" in message
    assert message.count("unknown variable layer_2/") == 2


def test_a_missing_variable_is_refused_with_the_nearest_unclaimed_name() -> None:
    message = refusal({**without("layer_0/dense/kernel"), "layer_0/dense/kernels": (3, 5)})
    assert "missing variable layer_0/dense/kernel; nearest known: layer_0/dense/kernels" in message
    assert "--map OLD=NEW" in message


def test_all_violations_are_told_at_once() -> None:
    message = refusal({**without("emb/table", "layer_1/dense/bias"), "strange": (1,), "layer_0/dense/kernel": (3,)})
    assert "5 problems" in message, "the misshapen kernel counts as missing, too"
    for part in ("unknown variable strange", "missing variable emb/table", "missing variable layer_1/dense/bias"):
        assert part in message
    assert "layer_0/dense/kernel: cannot transpose shape [3]" in message


def test_drop_leaves_variables_behind_by_glob_but_not_what_the_model_needs() -> None:
    found = planned({**SHAPES, "extra/a": (1,), "extra/b": (1,)}, drop=["extra/*"])
    assert dict(found.dropped) == {"extra/a": "dropped by --drop", "extra/b": "dropped by --drop"}
    found = planned({**SHAPES, "extra/a": (1,), "extra/a/Adam": (1,)}, drop=["extra/a"])
    assert dict(found.dropped)["extra/a/Adam"] == "optimizer slot Adam of extra/a"
    assert "missing variable layer_1/dense/bias" in refusal(drop=["layer_1/dense/b*"])


def test_a_drop_that_meets_nothing_is_refused() -> None:
    assert "--drop extra/* meets no variable" in refusal(drop=["extra/*"])


def test_map_gives_a_variable_the_tables_name_and_the_proof_the_checkpoints() -> None:
    shapes = {**without("emb/table"), "my/words": (7, 3), "my/words/Adam": (7, 3)}
    found = planned(shapes, rename={"my/words": "emb/table"})
    assert (found.moves[0].source, found.moves[0].target) == ("my/words", "embed.weight")
    assert dict(found.dropped) == {"my/words/Adam": "optimizer slot Adam of emb/table"}


def test_a_map_that_meets_nothing_or_leads_nowhere_is_refused() -> None:
    assert "--map names my/words, which the checkpoint does not hold" in refusal(rename={"my/words": "emb/table"})
    message = refusal({**SHAPES, "my/words": (7, 3)}, rename={"my/words": "emb/tables"})
    assert "unknown variable my/words" in message


def test_two_variables_for_one_name_are_refused() -> None:
    message = refusal({**SHAPES, "my/words": (7, 3)}, rename={"my/words": "emb/table"})
    assert "both claim emb/table" in message


@pytest.mark.parametrize(
    "rules",
    [
        (Rule("a", "x"), Rule("a", "y")),
        (Rule("a", "x"), Rule("b", "x")),
        (Rule("layer_{i}", "x.{i}"), Rule("layer_0", "y")),
    ],
)
def test_a_table_that_claims_twice_is_refused(rules: tuple[Rule, ...]) -> None:
    shapes = {"a": (1,), "b": (1,), "layer_0": (1,), "layer_1": (1,)}
    assert "two rules claim" in refusal(shapes, Table(rules, layers=2))


def test_a_checkpoint_of_another_make_is_refused_quickly() -> None:
    table = Table(tuple(Rule(f"bert/encoder/layer_{{i}}/part{k}/kernel", f"x.{{i}}.{k}") for k in range(16)), 24)
    shapes = {f"model/encoder/layer_{i}/part{k}/kernel{s}": (1,) for i in range(24) for k in range(16) for s in "abc"}
    began = time.process_time()
    message = refusal(shapes, table)
    assert f"{24 * 16 * 4} problems" in message
    assert time.process_time() - began < 6, "a minute without care"


NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)


@settings(max_examples=60, deadline=None)
@given(names=NAMES, data=st.data())
def test_the_inverse_of_any_table_leads_back_bit_for_bit(names: list[str], data: st.DataObject) -> None:
    layers = data.draw(st.integers(1, 3))
    rules, arrays = [], dict[str, Array]()
    for number, name in enumerate(names):
        operation = data.draw(st.sampled_from([Copy(), Transpose()]))
        per_layer = data.draw(st.booleans())
        rules.append(
            Rule(f"{name}/{{i}}" if per_layer else name, f"{{i}}.{number}" if per_layer else f"t{number}", operation)
        )
        for i in range(layers) if per_layer else [None]:
            shape = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
            bits = np.random.default_rng(number).integers(0, 1 << 32, shape, np.uint32)
            arrays[name if i is None else f"{name}/{i}"] = bits.view(np.float32)
    table = Table(tuple(rules), layers)
    there = apply(table, arrays)
    back = apply(table.inverted(), there)
    assert {name: (a.shape, a.tobytes()) for name, a in back.items()} == {
        name: (a.shape, a.tobytes()) for name, a in arrays.items()
    }
    assert table.inverted().inverted().expanded() == table.expanded()


def apply(table: Table, arrays: dict[str, Array]) -> dict[str, Array]:
    moves = planned({name: array.shape for name, array in arrays.items()}, table).moves
    made = {move.target: move.operation.forward(arrays[move.source]) for move in moves}
    assert {name: array.shape for name, array in made.items()} == {move.target: move.target_shape for move in moves}
    assert len(made) == len(arrays)
    return made
