"""The weight table against names written by hand, from the original's model.py and the old Hugging Face class."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_transfo_xl import GOLDEN, LM, NONE, VARIANTS, XL, arrays, config, converted, flags, golden_config, planned

from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.weights import plan

# Variables of one layer, its parameters, and whether they turn.
LAYER = {
    "rel_attn/qkv/kernel": ("dec_attn.qkv_net.weight", True),
    "rel_attn/r/kernel": ("dec_attn.r_net.weight", True),
    "rel_attn/o/kernel": ("dec_attn.o_net.weight", True),
    "rel_attn/LayerNorm/gamma": ("dec_attn.layer_norm.weight", False),
    "rel_attn/LayerNorm/beta": ("dec_attn.layer_norm.bias", False),
    "ff/layer_1/kernel": ("pos_ff.CoreNet.0.weight", True),
    "ff/layer_1/bias": ("pos_ff.CoreNet.0.bias", False),
    "ff/layer_2/kernel": ("pos_ff.CoreNet.3.weight", True),
    "ff/layer_2/bias": ("pos_ff.CoreNet.3.bias", False),
    "ff/LayerNorm/gamma": ("pos_ff.layer_norm.weight", False),
    "ff/LayerNorm/beta": ("pos_ff.layer_norm.bias", False),
}
_E, _S = "transformer/adaptive_embed/", "transformer/adaptive_softmax/"
FOUR = range(4)
TABLES = {f"{_E}cutoff_{k}/lookup_table": f"transformer.word_emb.emb_layers.{k}.weight" for k in FOUR}
BIASES = {f"{_S}cutoff_{k}/b": f"crit.out_layers.{k}.bias" for k in FOUR}
CLUSTERS = {f"{_S}cutoff_0/cluster_W": "crit.cluster_weight", f"{_S}cutoff_0/cluster_b": "crit.cluster_bias"}


def embedded(*clusters: int) -> dict[str, str]:
    return {f"{_E}cutoff_{k}/proj_W": f"transformer.word_emb.emb_projs.{k}" for k in clusters}


def projected(*clusters: int) -> dict[str, str]:
    return {f"{_S}cutoff_{k}/proj": f"crit.out_projs.{k}" for k in clusters}


ONE = {f"{_E}lookup_table": "transformer.word_emb.emb_layers.0.weight"}
ONE_PROJECTED = ONE | {f"{_E}proj_W": "transformer.word_emb.emb_projs.0"}
JOINED = {f"{_S}cutoff_{k}/b": "crit.out_layers.0.bias" for k in FOUR}
PLAIN = {f"{_S}bias": "crit.out_layers.0.bias"}
ENDS = {
    "as wt103": TABLES | embedded(*FOUR) | BIASES | CLUSTERS | projected(0),
    "projections of their own": TABLES | embedded(*FOUR) | BIASES | CLUSTERS | projected(*FOUR),
    "same width unprojected (lm1b)": TABLES | embedded(1, 2, 3) | BIASES | CLUSTERS | projected(1, 2, 3),
    "same width unprojected, others shared": TABLES | embedded(1, 2, 3) | BIASES | CLUSTERS,
    "second cluster of d_model's width": TABLES | embedded(0, 2, 3) | BIASES | CLUSTERS | projected(0, 2, 3),
    "second cluster of d_model's width, shared": TABLES | embedded(0, 2, 3) | BIASES | CLUSTERS | projected(0),
    "narrow embedding": TABLES | embedded(*FOUR) | BIASES | CLUSTERS | projected(0),
    "all tied": TABLES | embedded(*FOUR) | BIASES | CLUSTERS,
    "mixed ties": TABLES | embedded(*FOUR) | BIASES | CLUSTERS | projected(1, 3),
    "one table": ONE | JOINED | CLUSTERS,
    "one table, narrow": ONE_PROJECTED | JOINED | CLUSTERS | projected(0),
    "one table, narrow, projections of their own": ONE_PROJECTED | JOINED | CLUSTERS | projected(*FOUR),
    "no cutoffs (enwik8)": ONE | PLAIN,
    "no cutoffs, narrow": ONE_PROJECTED | PLAIN,
}


@pytest.mark.parametrize("variant", ENDS)
def test_every_name_is_as_in_the_original_and_in_the_old_class(variant: str) -> None:
    given = config(flags(variant))
    expected = {(source, target, "proj" in source) for source, target in ENDS[variant].items()}
    for i in range(2):
        for source, (target, turned) in LAYER.items():
            expected.add((f"transformer/layer_{i}/{source}", f"transformer.layers.{i}.{target}", turned))
        for name in ("r_w_bias", "r_r_bias"):
            expected.add((f"transformer/{name}", f"transformer.layers.{i}.dec_attn.{name}", False))
    rules = XL.table(given, LM).expanded()
    assert {(rule.source, rule.target, rule.operation.name == "transpose") for rule in rules} == expected
    assert len(rules) == len(expected)
    assert {variable.name for variable in XL.variables(given, LM)} == {source for source, _, _ in expected}


def test_stacked_biases_are_rows_and_shared_ones_stay_one() -> None:
    rows = [r.operation.name for r in XL.table(config(flags()), LM).expanded() if r.source == "transformer/r_w_bias"]
    assert rows == ["row 0 of 2", "row 1 of 2"]
    shared = XL.table(config(flags("shared biases")), LM)
    one = [(r.target, r.operation.name) for r in shared.expanded() if r.source == "transformer/r_w_bias"]
    assert one == [("transformer.r_w_bias", "copy")]
    assert ("transformer.layers.1.dec_attn.r_w_bias", "transformer.r_w_bias") in shared.tied


def test_biases_of_clusters_become_one_where_the_table_is_one() -> None:
    parts = [r.operation.name for r in XL.table(config(flags("one table")), LM).expanded() if r.source.endswith("/b")]
    assert parts == ["part 0 to 10 of 60", "part 10 to 25 of 60", "part 25 to 40 of 60", "part 40 to 60 of 60"]


def test_what_is_tied_is_told_and_not_written() -> None:
    tied = dict(XL.table(config(flags()), LM).tied)
    assert tied == {
        **{f"crit.out_layers.{k}.weight": f"transformer.word_emb.emb_layers.{k}.weight" for k in FOUR},
        **{f"crit.out_projs.{k}": f"transformer.word_emb.emb_projs.{k}" for k in (1, 2, 3)},
    }
    narrow = dict(XL.table(config(flags("one table, narrow")), LM).tied)
    assert [narrow[f"crit.out_projs.{k}"] for k in (1, 2, 3)] == ["transformer.word_emb.emb_projs.0"] * 3


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("head", [LM, NONE], ids=lambda head: head.name)
def test_there_and_back_is_bit_identical(variant: str, head: object) -> None:
    chosen = LM if head is LM else NONE
    given = config(flags(variant))
    source = arrays(given, chosen)
    there = converted(given, source, chosen)
    inverse = plan(
        XL.table(given, chosen).inverted(), {name: array.shape for name, array in there.items()}, where="here"
    )
    back: dict[str, list[np.ndarray]] = {}
    for move in inverse.moves:
        back.setdefault(move.target, []).append(move.operation.forward(there[move.source]))
    stacked = {
        n: np.stack(p) if n.endswith(("r_w_bias", "r_r_bias")) and given.untie_r else p[0] for n, p in back.items()
    }
    assert stacked.keys() == source.keys()
    for name, array in source.items():
        np.testing.assert_array_equal(stacked[name], array)


def test_without_a_head_the_softmax_is_left_behind_and_names_lose_their_prefix() -> None:
    given = golden_config()
    with open_checkpoint(GOLDEN) as checkpoint:
        shapes = {name: entry.shape for name, entry in checkpoint.entries.items()}
    bare = plan(XL.table(given, NONE), shapes, where=GOLDEN)
    assert all(not move.target.startswith("transformer.") for move in bare.moves)
    left = {name for name, _ in bare.dropped}
    assert left == {"global_step", *(name for name in shapes if "adaptive_softmax" in name)}


def test_the_golden_checkpoint_is_claimed_whole_and_so_are_its_slots() -> None:
    meta = json.loads((GOLDEN / "meta.json").read_text())["variables"]
    shapes = {name: tuple(line["shape"]) for name, line in meta.items()}
    slots = {f"{name}/{slot}": shape for name, shape in shapes.items() for slot in ("Adam", "Adam_1") if shape}
    found = plan(XL.table(golden_config(), LM), {**shapes, **slots}, where=GOLDEN)
    assert {move.source for move in found.moves} == shapes.keys() - {"global_step"}
    assert len(found.dropped) == 1 + len(slots)
    names = set(shapes)
    assert XL.recognises(names)
    assert [head.name for head in XL.heads(names)] == ["lm", "none"]
    variables, _ = XL.known(names)
    assert names - set(variables) == {"global_step"}


def test_a_missing_and_an_unknown_variable_are_named() -> None:
    given = config(flags())
    tensors = arrays(given)
    tensors["transformer/layer_0/ff/layer_3/kernel"] = tensors.pop("transformer/layer_0/ff/layer_1/kernel")
    with pytest.raises(ParityError) as caught:
        planned(given, tensors)
    assert "unknown variable transformer/layer_0/ff/layer_3/kernel" in str(caught.value)
    assert "missing variable transformer/layer_0/ff/layer_1/kernel" in str(caught.value)
