"""XLNet's table against a list of names written by hand, and what other heads and training leave beside them."""

from __future__ import annotations

import numpy as np
import pytest
from small_xlnet import CONFIG, GOLDEN, arrays, body, head_lines, read, shapes

from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families import detect
from parity.families.values import Head
from parity.families.xlnet import FAMILY as XLNET
from parity.families.xlnet.heads import named
from parity.weights import Merged, Plan, plan

NAMES = (
    "lm",
    "none",
    "classifier-imdb",
    "regression-sts-b",
    "multiple-choice",
    "multiple-choice-model",
    "qa",
    "qa-model",
)
HEADS = pytest.mark.parametrize("name", NAMES)
UNTIED = pytest.mark.parametrize("untied", [True, False], ids=["untied", "tied"])


def planned(name: str, untied: bool = True, **changes: object) -> Plan:
    config = CONFIG | {"untie_r": untied} | changes
    table = XLNET.table(read(config), named(name))
    return plan(table, shapes(name, config=config) | {"global_step": ()}, where="here")


@HEADS
@UNTIED
def test_every_name_and_operation_is_as_published(name: str, untied: bool) -> None:
    rules = XLNET.table(read(CONFIG | {"n_layer": 11, "untie_r": untied}), named(name)).expanded()
    bare = (lambda target: target.removeprefix("transformer.")) if name == "none" else str
    expected = {(source, bare(target), how) for source, _, target, how in (*body(11, untied=untied), *head_lines(name))}
    assert {(rule.source, rule.target, rule.operation.name) for rule in rules} == expected


@HEADS
@UNTIED
def test_the_original_graphs_variables_have_these_names_and_shapes(name: str, untied: bool) -> None:
    config = CONFIG | {"untie_r": untied}
    held = {v.name: v.shape for v in XLNET.variables(read(config), named(name), labels=3)}
    assert held == shapes(name, config=config)


def test_what_a_variable_is_follows_from_its_name() -> None:
    roles = {"kernel": "kernel", "bias": "bias", "gamma": "gamma", "beta": "beta"}
    for variable in XLNET.variables(read(CONFIG), named("lm")):
        last = variable.name.rpartition("/")[2]
        expected = roles.get(last, "bias" if last.endswith("_bias") else "embedding")
        assert variable.role == expected, variable.name


def test_the_golden_has_all_of_it_and_nothing_else() -> None:
    with open_checkpoint(GOLDEN) as checkpoint:
        held = {name: entry.shape for name, entry in checkpoint.entries.items()}
    assert detect(held) is XLNET
    assert XLNET.layers(held) == 3
    made = plan(
        XLNET.table(read(CONFIG | {"n_layer": 3, "d_model": 64, "d_head": 32}), named("lm")), held, where="here"
    )
    assert made.dropped == (("global_step", "training state, not part of the model"),)
    assert XLNET.heads(held) == (named("lm"), named("none"))
    assert set(held) - {"global_step"} == XLNET.known(held)[0] - {name for name, *_ in head_lines("classifier")}


@HEADS
@UNTIED
def test_the_way_there_and_back_is_bit_identical(name: str, untied: bool) -> None:
    config = CONFIG | {"untie_r": untied}
    table, held = XLNET.table(read(config), named(name)), arrays(name, config=config)
    moves = plan(table, {key: array.shape for key, array in held.items()}, where="here").moves
    made = {move.target: move.operation.forward(held[move.source]) for move in moves if move.source in held}
    assert all(made[move.target].shape == move.target_shape for move in moves if move.source in held)
    parts: dict[str, list[np.ndarray]] = {}
    back = [rule for rule in table.inverted().expanded() if rule.source in made]
    for rule in back:
        parts.setdefault(rule.target, []).append(rule.operation.forward(made[rule.source]))
    for target, arrays_ in parts.items():
        hows = [rule.operation for rule in back if rule.target == target]
        whole = np.stack(arrays_) if held[target].ndim > arrays_[0].ndim else arrays_[0]
        assert untied or len(hows) == 1 or isinstance(hows[0], Merged) == (target.endswith("_bias")), target
        np.testing.assert_array_equal(whole, held[target])
    assert parts.keys() == held.keys()


@pytest.mark.parametrize("name", NAMES[1:])
def test_fine_tuning_has_no_second_stream_and_its_vector_becomes_zeros(name: str) -> None:
    held = [move for move in planned(name).moves if move.operation.name == "zeros"]
    target = "mask_emb" if name == "none" else "transformer.mask_emb"
    assert [(move.target, move.target_shape) for move in held] == [(target, (1, 1, 8))]


def test_pre_training_without_it_is_refused() -> None:
    held = shapes("lm")
    del held["model/transformer/mask_emb/mask_emb"]
    with pytest.raises(ParityError, match="missing variable model/transformer/mask_emb/mask_emb"):
        plan(XLNET.table(read(CONFIG), named("lm")), held, where="here")


def test_task_names_are_read_off_the_variables() -> None:
    held = [*shapes("classifier-imdb"), *shapes("regression-sts-b"), *shapes("classifier-mnli_matched"), *shapes("lm")]
    names = ["classifier-imdb", "classifier-mnli_matched", "regression-sts-b", "lm", "none"]
    assert [head.name for head in XLNET.heads(held)] == names
    assert all(XLNET.head(name) == named(name) for name in NAMES)
    assert XLNET.head("classifier-") is XLNET.head("summary") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_half_written_head_is_held_and_then_refused(name: str) -> None:
    held = shapes(name)
    lost = next((source for source, *_ in reversed(head_lines(name)) if "summary" not in source), None)
    if lost is None:
        return
    del held[lost]
    head = next(one for one in XLNET.heads(held) if one.name == name) if name != "lm" else named(name)
    with pytest.raises(ParityError, match=f"missing variable {lost}"):
        plan(XLNET.table(read(CONFIG), head), held, where="here")


def test_other_heads_are_dropped_with_a_reason() -> None:
    held = shapes("lm") | shapes("classifier-imdb") | shapes("regression-sts-b") | shapes("qa")
    for name in ("lm", "none", "classifier-imdb", "qa"):
        dropped = dict(plan(XLNET.table(read(CONFIG), named(name)), held, where="here").dropped)
        assert dropped["model/regression_sts-b/logit/kernel"] == f"part of another head, which --head {name} leaves out"
        assert ("model/classification_imdb/logit/bias" in dropped) == (name != "classifier-imdb")
        assert ("model/sequnece_summary/summary/bias" in dropped) == (name != "classifier-imdb")


@pytest.mark.parametrize("name", ["model/sequence_summary/summary/kernel", "model/transformer/layer_2/ff/layer_1/bias"])
def test_an_unknown_variable_is_named_with_the_nearest(name: str) -> None:
    held = shapes("classifier-imdb") | {name: (8, 8)}
    with pytest.raises(ParityError, match=f"unknown variable {name}.*nearest known"):
        plan(XLNET.table(read(CONFIG), named("classifier-imdb")), held, where="here")


def test_every_class_is_the_one_that_has_such_a_head() -> None:
    classes = {
        "lm": "XLNetLMHeadModel",
        "none": "XLNetModel",
        "classifier-imdb": "XLNetForSequenceClassification",
        "regression-sts-b": "XLNetForSequenceClassification",
        "multiple-choice": "XLNetForMultipleChoice",
        "qa": "XLNetForQuestionAnswering",
    }
    assert {name: named(name).target_class for name in classes} == classes


@HEADS
def test_labels_are_the_columns_of_a_classifier(name: str) -> None:
    head: Head = named(name)
    assert XLNET.labels(head, shapes(name, labels=5)) == (5 if name.startswith("classifier") else 2)
    assert XLNET.has_labels(head) == name.startswith("classifier")


@pytest.mark.parametrize(
    ("head", "flags", "said"),
    [("qa", {}, "beam search"), ("qa-model", {}, "beam search"), ("lm", {"bi_data": True}, "backward")],
)
def test_what_no_graph_can_have_is_a_declared_skip(head: str, flags: dict[str, bool], said: str) -> None:
    refused = XLNET.refused(read(CONFIG, **flags), named(head))
    assert all(said in refused[kind] for kind in ("openvino", "onnx"))
    assert not {"pytorch", "tensorflow", "spacy", "torch:eager"} & refused.keys()
    assert not {"openvino", "onnx"} & XLNET.refused(read(CONFIG), named("lm")).keys()


@HEADS
def test_only_what_pretraining_left_has_a_second_stream(name: str) -> None:
    shown = {tap.name for tap in XLNET.taps(read(CONFIG), named(name))}
    assert ("query.0" in shown) == (name in ("lm", "none"))
