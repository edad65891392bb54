"""Small Transformer-XL models of every make, and the golden one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from parity.families import family
from parity.families.transfo_xl.numbers import TransfoXLConfig, numbers
from parity.families.values import Head
from parity.tensorfile import Array
from parity.weights import Plan, plan

GOLDEN = Path(__file__).parent.parent / "fixtures" / "goldens" / "transfo_xl_div4_wt103"
XL = family("transfo-xl")
LM, NONE = XL.all_heads
FLAGS: dict[str, Any] = {
    "n_token": 60,
    "cutoffs": [10, 25, 40],
    "div_val": 2,
    "n_layer": 2,
    "d_model": 16,
    "d_embed": 16,
    "n_head": 3,
    "d_head": 4,
    "d_inner": 20,
    "untie_r": True,
    "proj_share_all_but_first": True,
    "proj_same_dim": True,
    "clamp_len": -1,
    "mem_len": 6,
    "tgt_len": 8,
    "same_length": False,
    "tie_weight": True,
}
# What sets each apart from the above; together they reach every way the original can build its graph.
VARIANTS: dict[str, dict[str, Any]] = {
    "as wt103": {},
    "projections of their own": {"proj_share_all_but_first": False},
    "same width unprojected (lm1b)": {"proj_share_all_but_first": False, "proj_same_dim": False},
    "same width unprojected, others shared": {"proj_same_dim": False},
    "second cluster of d_model's width": {"d_embed": 32, "proj_same_dim": False, "proj_share_all_but_first": False},
    "second cluster of d_model's width, shared": {"d_embed": 32, "proj_same_dim": False},
    "narrow embedding": {"d_embed": 8},
    "all tied": {"tie_projs": [True] * 4, "proj_share_all_but_first": None},
    "mixed ties": {"tie_projs": [True, False, True, False], "proj_share_all_but_first": None},
    "one table": {"div_val": 1},
    "one table, narrow": {"div_val": 1, "d_embed": 12},
    "one table, narrow, projections of their own": {"div_val": 1, "d_embed": 12, "proj_share_all_but_first": False},
    "no cutoffs (enwik8)": {"div_val": 1, "cutoffs": []},
    "no cutoffs, narrow": {"div_val": 1, "cutoffs": [], "d_embed": 12, "proj_share_all_but_first": False},
    "shared biases": {"untie_r": False},
    "clamped": {"clamp_len": 4},
    "same length": {"same_length": True},
    "no memory kept": {"mem_len": 0},
    "long memory": {"mem_len": 30, "same_length": True, "clamp_len": 9},
    "odd widths": {"d_model": 15, "d_embed": 9, "d_head": 5, "div_val": 3, "cutoffs": [30]},
}


def flags(variant: str = "as wt103") -> dict[str, Any]:
    return {key: value for key, value in {**FLAGS, **VARIANTS[variant]}.items() if value is not None}


def config(raw: dict[str, Any]) -> TransfoXLConfig:
    return numbers(XL.read_config(raw, where=Path("model_flags.json")))


def golden_config(**changes: Any) -> TransfoXLConfig:
    return config({**json.loads((GOLDEN / "model_flags.json").read_text()), **changes})


def arrays(given: TransfoXLConfig, head: Head = LM) -> dict[str, Array]:
    """Random values for every variable, so large that attention and softmax matter."""
    rng = np.random.default_rng(7)
    return {
        variable.name: (rng.normal(0, 0.3, variable.shape) + (variable.role == "gamma")).astype(np.float32)
        for variable in XL.variables(given, head)
    }


def planned(given: TransfoXLConfig, tensors: dict[str, Array], head: Head = LM) -> Plan:
    return plan(XL.table(given, head), {name: array.shape for name, array in tensors.items()}, where="here")


def converted(given: TransfoXLConfig, tensors: dict[str, Array], head: Head = LM) -> dict[str, Array]:
    """What the conversion writes, by target name; parts of one target joined."""
    found: dict[str, list[Array]] = {}
    for move in planned(given, tensors, head).moves:
        found.setdefault(move.target, []).append(move.operation.forward(tensors[move.source]))
    return {name: np.concatenate(parts) if len(parts) > 1 else parts[0] for name, parts in found.items()}


def segment(given: TransfoXLConfig, *, rows: int = 2, length: int = 7, seed: int = 3) -> dict[str, Array]:
    """Ids from every cluster, and all positions."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, given.vocab_size, (rows, length), np.int32)
    ids[0, : len(given.clusters)] = [first for first, _ in given.clusters][:length]
    ids[1, : len(given.clusters)] = [end - 1 for _, end in given.clusters][:length]
    return {"input_ids": ids, "logit_positions": np.tile(np.arange(length), (rows, 1))}
