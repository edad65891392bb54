"""BERT's table against a list of names written by hand, and what it does with every other head's variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_names import ALIKE, ALIKE_CLASSES, CLASSES, HEADS, Line, lines, rows
from small_bert import CONFIG, arrays

from parity.errors import ParityError
from parity.families import family
from parity.families.values import Config, Head
from parity.weights import Plan, plan

BERT = family("bert")
ALL_HEADS = sorted(HEADS)
LARGE = CONFIG | {"num_hidden_layers": 24}
BASE = CONFIG | {"num_hidden_layers": 12}


def config(raw: Mapping[str, Any] = CONFIG) -> Config:
    return BERT.read_config(raw, where=Path("bert_config.json"))


def head(name: str) -> Head:
    return next(head for head in BERT.all_heads if head.name == name)


def made(name: str, tensors: Mapping[str, Any], raw: Mapping[str, Any] = CONFIG) -> Plan:
    shapes = {key: array.shape for key, array in tensors.items()}
    return plan(BERT.table(config(raw), head(name)), shapes, where="here")


@pytest.mark.parametrize(("raw", "count"), [(BASE, 206), (LARGE, 398)])
def test_the_published_pretraining_checkpoints_have_this_many_variables(raw: dict[str, Any], count: int) -> None:
    assert len(lines(raw["num_hidden_layers"], "pretraining")) == count
    assert len(BERT.table(config(raw), head("pretraining")).expanded()) == count
    assert len(BERT.variables(config(raw), head("pretraining"))) == count


@pytest.mark.parametrize("raw", [BASE, LARGE], ids=["L12", "L24"])
@pytest.mark.parametrize("name", ALL_HEADS)
def test_every_name_and_turn_is_as_published(name: str, raw: dict[str, Any]) -> None:
    rules = BERT.table(config(raw), head(name)).expanded()
    got = {(rule.source, rule.target, rule.operation.name) for rule in rules}
    listed = lines(raw["num_hidden_layers"], name)
    assert got == {(line.source, line.target, "transpose" if line.turned else "copy") for line in listed}
    assert len(rules) == len(listed)


def test_only_kernels_turn_and_every_kernel_does() -> None:
    for line in lines(3, "pretraining"):
        assert line.turned == line.source.endswith("/kernel")


@pytest.mark.parametrize("name", ALL_HEADS)
def test_the_original_graphs_variables_have_these_names_and_shapes(name: str) -> None:
    expected = {key: array.shape for key, array in arrays(name, labels=5).items()}
    variables = BERT.variables(config(), head(name), labels=5)
    assert {v.name: v.shape for v in variables} == expected
    assert len(variables) == len(expected)


def test_what_a_variable_is_follows_from_its_name() -> None:
    roles = {"kernel": "kernel", "output_weights": "kernel", "gamma": "gamma", "beta": "beta"}
    for name in ALL_HEADS:
        for variable in BERT.variables(config(), head(name)):
            last = variable.name.rpartition("/")[2]
            expected = "embedding" if last.endswith("_embeddings") else roles.get(last, "bias")
            assert variable.role == expected, variable.name


@pytest.mark.parametrize("name", ALL_HEADS)
def test_there_and_back_is_bit_identical(name: str) -> None:
    source = arrays(name)
    there = {m.target: m.operation.forward(source[m.source]) for m in made(name, source).moves}
    back = plan(
        BERT.table(config(), head(name)).inverted(), {key: array.shape for key, array in there.items()}, where="here"
    )
    returned = {m.target: m.operation.forward(there[m.source]) for m in back.moves}
    assert returned.keys() == source.keys()
    assert all(np.ascontiguousarray(returned[key]).tobytes() == source[key].tobytes() for key in source)


@pytest.mark.parametrize("name", ALL_HEADS)
def test_the_values_arrive_at_their_published_names(name: str) -> None:
    source = arrays(name)
    by_target: dict[str, Line] = {line.target: line for line in lines(2, name)}
    for move in made(name, source).moves:
        array = source[by_target[move.target].source]
        expected = array.T if by_target[move.target].turned else array
        np.testing.assert_array_equal(move.operation.forward(source[move.source]), expected)


@pytest.mark.parametrize("name", ALL_HEADS)
def test_a_head_is_chosen_by_what_the_checkpoint_holds(name: str) -> None:
    assert BERT.heads([line.source for line in lines(1, name)])[0] == head(name)


def test_each_head_is_held_by_its_published_class() -> None:
    assert {head.name: head.target_class for head in BERT.all_heads} == CLASSES | ALIKE_CLASSES


def test_a_checkpoint_can_be_converted_to_every_head_it_holds() -> None:
    def offered(name: str) -> list[str]:
        return [head.name for head in BERT.heads([line.source for line in lines(1, name)])]

    assert offered("pretraining") == ["pretraining", "mlm", "lm", "nsp", "none"]
    assert offered("classifier") == ["classifier", "token-classifier", "multiple-choice", "none"]
    assert offered("qa") == ["qa", "none"]
    assert offered("none") == ["none"]


@pytest.mark.parametrize(("name", "like"), ALIKE.items())
def test_a_head_with_anothers_variables_has_its_table(name: str, like: str) -> None:
    ours, theirs = BERT.table(config(), head(name)), BERT.table(config(), head(like))
    assert (ours.rules, ours.tied) == (theirs.rules, theirs.tied)
    labels = 1 if name == "multiple-choice" else 5
    source = arrays(like, labels=labels)
    found = made(name, source)
    assert ({move.source for move in found.moves}, found.dropped) == (source.keys(), ())
    assert {v.name: v.shape for v in BERT.variables(config(), head(name), labels=5)} == {
        key: array.shape for key, array in source.items()
    }
    assert BERT.has_labels(head(name)) == (name == "token-classifier")
    pooler = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert BERT.unused_by_class(head(name)) == (set() if name == "multiple-choice" else pooler)


@pytest.mark.parametrize("part", [row.split()[0] for text in HEADS.values() for row in rows(text)])
def test_a_head_with_a_variable_gone_is_refused_and_not_overlooked(part: str) -> None:
    name = next(name for name in ("pretraining", "classifier", "qa") if part in [x.source for x in lines(1, name)])
    source = {key: array for key, array in arrays(name).items() if key != part}
    chosen = BERT.heads(source)[0]
    with pytest.raises(ParityError, match=f"missing variable {part}"):
        made(chosen.name, source)


@pytest.mark.parametrize("name", ["mlm", "nsp", "none"])
def test_what_a_smaller_head_leaves_out_is_left_with_a_reason_slots_too(name: str) -> None:
    source = arrays("pretraining")
    slots = {f"{key}/{slot}": array for key, array in source.items() for slot in ("adam_m", "adam_v")}
    state = {"global_step": np.array(1), "_step": np.array(1), "beta1_power": np.array(1.0), "good_steps": np.array(1)}
    found = made(name, source | slots | state)
    kept = {line.source for line in lines(2, name)}
    assert {move.source for move in found.moves} == kept
    reasons = dict(found.dropped)
    assert reasons.keys() == (source.keys() - kept) | slots.keys() | state.keys()
    assert all(reasons[key] == f"optimizer slot {key.rpartition('/')[2]} of {key.rpartition('/')[0]}" for key in slots)
    assert all(f"--head {name} leaves out" in reasons[key] for key in source.keys() - kept)
    assert all(reasons[key] == "training state, not part of the model" for key in state)


def test_tied_parameters_share_what_is_written_and_are_not_written() -> None:
    for name in ALL_HEADS:
        table = BERT.table(config(), head(name))
        targets = {rule.target for rule in table.expanded()}
        assert all(other in targets and tied not in targets for tied, other in table.tied)
    assert dict(BERT.table(config(), head("pretraining")).tied) == {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    assert BERT.table(config(), head("classifier")).tied == ()


def test_classes_that_have_no_pooler_are_known() -> None:
    pooler = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    unused = {name: set(BERT.unused_by_class(head(name))) for name in ALL_HEADS}
    assert unused == {name: pooler if name in ("mlm", "qa") else set() for name in ALL_HEADS}


def test_labels_are_the_rows_of_the_classifiers_weights() -> None:
    shapes = {key: array.shape for key, array in arrays("classifier", labels=7).items()}
    assert BERT.labels(head("classifier"), shapes) == 7
    assert [BERT.has_labels(head(name)) for name in ALL_HEADS] == [name == "classifier" for name in ALL_HEADS]
    assert BERT.labels(head("pretraining"), {}) == 2


def test_layers_are_counted_by_their_numbers() -> None:
    assert BERT.layers([line.source for line in lines(11, "none")]) == 11
    assert BERT.layers(["bert/encoder/layer_3/output/dense/bias", "other/layer_9/x"]) == 4
    assert BERT.layers([]) == 0


def test_known_variables_are_every_heads() -> None:
    names, drops = BERT.known([line.source for line in lines(2, "none")])
    assert set(names) == {line.source for name in ALL_HEADS for line in lines(2, name)}
    assert "global_step" in [drop.pattern for drop in drops]


def test_taps_are_the_stations_in_the_order_data_flows() -> None:
    def taps(name: str) -> dict[str, str]:
        return {tap.name: tap.axes for tap in BERT.taps(config(), head(name))}

    stem = {"embeddings": "BTC", "layer.0": "BTC", "layer.1": "BTC", "pooler": "BC"}
    assert list(taps("pretraining").items()) == list((stem | {"logits.mlm": "BQC", "logits.nsp": "BC"}).items())
    assert taps("classifier") == stem | {"logits.classifier": "BC"}
    assert taps("token-classifier") == stem | {"logits.tokens": "BTC"}
    assert taps("multiple-choice") == stem | {"logits.classifier": "BC"}
    assert taps("qa") == stem | {"logits.qa": "BTC"}
    assert taps("none") == stem


@pytest.mark.parametrize("name", [*ALL_HEADS, *ALIKE])
def test_every_tap_coarse_or_fine_is_a_stage_of_the_reference_and_each_stage_a_tap(name: str) -> None:
    taps = [tap.name for tap in (*BERT.taps(config(), head(name)), *BERT.fine_taps(config(), head(name)))]
    stages = [stage.name for stage in BERT.stages(config(), head(name))]
    assert sorted(taps) == sorted(stages)
    assert len(set(taps)) == len(taps)
