"""Goldens of the two families that remember: Transformer-XL and XLNet.

Which calls a golden has is read off its keys, sizes and flags off its meta.json: any depth, memory and head will do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _golden_case import Case, Run, layers, listed, turned

from parity.artifacts import Choices
from parity.tensorfile import Array


def transfo_xl(folder: Path, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Case:
    """Segments `seg1`, `seg2`, ... each with the memory of the one before; `nomem`, and `samelen` on the last."""
    flags = meta["flags"]
    segments = [name for name in (f"seg{k}" for k in range(1, len(arrays))) if f"{name}_input" in arrays]
    rows = arrays["seg1_input"].shape[1]
    zeros = np.zeros((rows, flags["mem_len"], flags["d_model"]), np.float32)
    before = {"seg1": {f"mems.{k}": zeros for k in range(flags["n_layer"])}}
    before |= {name: _handed_on(arrays, last) for last, name in pairwise(segments)}

    def run(name: str, segment: str, memory: Mapping[str, Array], set_for_it: Mapping[str, str]) -> Run:
        taps = {"embeddings": turned(arrays[f"{name}_embedding_output"]), **_turned_layers(arrays, name)}
        taps |= _handed_on(arrays, name)
        if f"{name}_log_probs" in arrays:
            taps["log_probs"] = turned(arrays[f"{name}_log_probs"])
        # Without room for a memory there is none to feed, and none comes back.
        fed = {key: array for key, array in memory.items() if array.size}
        return Run(
            name,
            {"input_ids": turned(arrays[f"{segment}_input"]), **fed},
            {tap: array for tap, array in taps.items() if array.size},
            set_for_it,
        )

    runs = [run(name, name, before[name], {}) for name in segments]
    if "nomem_new_mem_0" in arrays:
        # Without a memory to begin with, the original kept all of the segment.
        runs.append(run("nomem", "seg1", {}, {"mem_len": str(len(arrays["nomem_new_mem_0"]))}))
    if "samelen_embedding_output" in arrays:
        runs.append(run("samelen", segments[-1], before[segments[-1]], {"same_length": "true"}))
    return Case(folder.name, "transfo-xl", folder / meta["checkpoint"], Choices(), tuple(runs))


def _handed_on(arrays: Mapping[str, Array], call: str) -> dict[str, Array]:
    return {f"mems.{k}": turned(array) for k, array in enumerate(listed(arrays, f"{call}_new_mem_"))}


def _turned_layers(arrays: Mapping[str, Array], call: str) -> dict[str, Array]:
    return {tap: turned(array) for tap, array in layers(arrays, f"{call}_").items()}


@dataclass(frozen=True)
class _Call:
    """What a call of XLNet's goldens was fed besides its ids."""

    of: str = ""
    after: str | None = None
    segments: bool = True
    masked: bool = False
    remembers: bool = False
    two_streams: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)


_CALLS = {
    "ft": _Call(masked=True),
    "seg1": _Call("seg1_", remembers=True),
    "seg2": _Call("seg2_", "seg1", remembers=True),
    "reuse": _Call("seg1_", remembers=True, flags={"reuse_len": "12"}),
    "clamp": _Call("seg2_", "seg1", remembers=True, flags={"clamp_len": "9"}),
    "noseg": _Call("seg1_", segments=False),
    "plm": _Call("seg1_", two_streams=True),
    "plmmem": _Call("seg2_", "seg1", remembers=True, two_streams=True),
}
# Values of a head, with the shape that the tap of that name has.
_HEADS = {
    "lm_logits": ("logits.lm", lambda array, rows: turned(array)),
    "summary": ("summary", lambda array, rows: array),
    "logits": ("logits.classifier", lambda array, rows: array.reshape(rows, -1)),
    "start_logits": ("logits.start", lambda array, rows: array.reshape(rows, -1, 1)),
    "end_logits": ("logits.end", lambda array, rows: array.reshape(rows, -1, 1)),
    "cls_logits": ("logits.answer", lambda array, rows: array.reshape(rows, 1)),
}
# What a golden's meta.json may say beside the config, with what is taken for granted.
_SETTINGS = {
    "bi_data": False,
    "attn_type": "bi",
    "same_length": False,
    "clamp_len": -1,
    "summary_type": "last",
    "use_summ_proj": True,
}


def xlnet(folder: Path, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Case:
    """The calls of `_CALLS` that the golden has; `call_flags` in its meta.json says other flags than those there."""
    flags = meta["run_config"]
    runs = []
    for name, call in _CALLS.items():
        if f"{name}_embedding_output" not in arrays:
            continue
        set_for_it = {"mem_len": str(flags["mem_len"])} if call.remembers else {}
        own = meta.get("call_flags", {}).get(name, call.flags)
        runs.append(_xlnet_run(name, call, arrays, {**set_for_it, **own}))
    said = {key: {**flags, **meta}.get(key, usual) for key, usual in _SETTINGS.items()}
    settings = {key: json.dumps(value).strip('"') for key, value in said.items() if value != _SETTINGS[key]}
    return Case(folder.name, "xlnet", folder / meta["checkpoint"], Choices(settings=settings), tuple(runs))


def _xlnet_run(name: str, call: _Call, arrays: Mapping[str, Array], flags: Mapping[str, str]) -> Run:
    ids = arrays[f"{call.of}input_ids"]
    fed = {"input_ids": ids}
    if call.segments:
        fed["token_type_ids"] = arrays[f"{call.of}segment_ids"]
    if call.masked:
        fed["attention_mask"] = 1 - arrays["input_mask"].astype(np.int32)
    if call.two_streams:
        for key in ("perm_mask", "target_mapping"):
            fed[key] = np.ascontiguousarray(np.transpose(arrays[f"plm_{key}"], (2, 0, 1)))
    if call.after is not None:
        fed |= _handed_on(arrays, call.after)
    taps = {"embeddings": turned(arrays[f"{name}_embedding_output"]), **_turned_layers(arrays, name)}
    taps |= _handed_on(arrays, name)
    taps |= {f"query.{k}": turned(array) for k, array in enumerate(listed(arrays, f"{name}_g_layer_"))}
    for key, (tap, shaped) in _HEADS.items():
        if f"{name}_{key}" in arrays:
            taps[tap] = shaped(arrays[f"{name}_{key}"], len(ids))
    return Run(name, fed, taps, flags)
