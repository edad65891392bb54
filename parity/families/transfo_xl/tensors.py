"""What the tensors of a checkpoint tell of the flags, and where they contradict them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import accumulate, count
from typing import Any, TypeAlias

from parity.families.transfo_xl.heads import EMBEDDING, SOFTMAX
from parity.families.transfo_xl.numbers import TransfoXLConfig, embedding_projected, numbers, width
from parity.families.values import Config

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
_LAYER = re.compile(r"transformer/layer_(\d{1,6})/")
_BIAS = "transformer/r_w_bias"
_FIRST = "transformer/layer_0"
# Which axis of which variable each size is read off.
_FIT = (
    ("n_head", _BIAS, -2),
    ("d_head", _BIAS, -1),
    ("d_model", f"{_FIRST}/rel_attn/qkv/kernel", 0),
    ("d_inner", f"{_FIRST}/ff/layer_1/kernel", 1),
)
_FIELDS = {"n_head": "heads", "d_head": "d_head", "d_model": "hidden_size", "d_inner": "intermediate_size"}


def layers(names: Collection[str]) -> int:
    """Number of layers that these variable names speak of."""
    return max((int(match[1]) for match in map(_LAYER.match, names) if match), default=-1) + 1


def infer(shapes: Shapes) -> dict[str, Any]:
    """Flags that the variables tell, under the original's names.

    `mem_len`, `clamp_len`, `same_length` and `tgt_len` leave no trace. Several values of `div_val` can round to the
    same widths; they make the same model, and the least is taken.
    """
    found: dict[str, Any] = {"n_layer": layers(shapes)} if layers(shapes) else {}
    found |= {key: shapes[name][axis] for key, name, axis in _FIT if _has(shapes, name, axis)}
    if len(shapes.get(_BIAS, ())) in (2, 3):
        found["untie_r"] = len(shapes[_BIAS]) == 3
    found |= _embedding(shapes)
    if "cutoffs" in found and "d_model" in found and "d_embed" in found:
        found |= _projections(shapes, found)
    return found


def _embedding(shapes: Shapes) -> dict[str, Any]:
    single = shapes.get(f"{EMBEDDING}lookup_table", ())
    biases = list(_clusters(shapes, f"{SOFTMAX}cutoff_{{}}/b"))
    if len(single) == 2:
        rows = [rows for (rows,) in biases if rows] if all(len(shape) == 1 for shape in biases) else []
        fits = len(rows) == len(biases) and (not rows or sum(rows) == single[0])
        cutoffs = {"cutoffs": list(accumulate(rows[:-1]))} if fits else {}
        return {"n_token": single[0], "d_embed": single[1], "div_val": 1, **cutoffs}
    tables = list(_clusters(shapes, f"{EMBEDDING}cutoff_{{}}/lookup_table"))
    if not tables or any(len(shape) != 2 or not all(shape) for shape in tables):
        return {}
    ends = list(accumulate(rows for rows, _ in tables))
    found: dict[str, Any] = {"n_token": ends[-1], "d_embed": tables[0][1], "cutoffs": ends[:-1]}
    widths = [columns for _, columns in tables]
    div_val = _div_val(widths)
    return {**found, "div_val": div_val} if div_val is not None else found


def _div_val(widths: list[int]) -> int | None:
    """The least number above 1 that divides the first width down to each of the others."""
    if len(widths) < 2:
        return None
    # x // v == y for v from x // (y + 1) + 1 on.
    least = max(widths[0] // (widths[1] + 1) + 1, 2)
    most = widths[0] // widths[1]
    fitting = (v for v in range(least, min(most, least + 4096) + 1))
    return next((v for v in fitting if all(width(widths[0], v, k) == got for k, got in enumerate(widths))), None)


def _projections(shapes: Shapes, found: Mapping[str, Any]) -> dict[str, Any]:
    div_val = found.get("div_val", 2)
    same = [
        f"{EMBEDDING}cutoff_{k}/proj_W" in shapes
        for k in range(len(found["cutoffs"]) + 1)
        if div_val > 1 and width(found["d_embed"], div_val, k) == found["d_model"]
    ]
    proj_same_dim = all(same)
    told: dict[str, Any] = {"proj_same_dim": proj_same_dim} if same else {}
    if not any(name.startswith(SOFTMAX) for name in shapes):
        return told
    told["tie_projs"] = [
        embedding_projected(
            d_model=found["d_model"],
            width=width(found["d_embed"], div_val, k),
            div_val=div_val,
            proj_same_dim=proj_same_dim,
        )
        and f"{SOFTMAX}cutoff_{k}/proj" not in shapes
        for k in range(len(found["cutoffs"]) + 1)
    ]
    return told


def misfits(config: Config, shapes: Shapes) -> list[tuple[str, int, int, str]]:
    """Numbers that the flags give and the tensors contradict: (flag, its value, the tensors', variable)."""
    given = numbers(config)
    found = [
        (key, getattr(given, _FIELDS[key]), shapes[name][axis], name)
        for key, name, axis in _FIT
        if _has(shapes, name, axis) and shapes[name][axis] != getattr(given, _FIELDS[key])
    ]
    if layers(shapes) != given.layers:
        found.append(("n_layer", given.layers, layers(shapes), "transformer/layer_*"))
    rank = len(shapes.get(_BIAS, ()))
    if rank in (2, 3) and (rank == 3) != given.untie_r:
        found.append(("untie_r", int(given.untie_r), int(rank == 3), _BIAS))
    return [*found, *_cluster_misfits(given, shapes)]


def _cluster_misfits(config: TransfoXLConfig, shapes: Shapes) -> Iterator[tuple[str, int, int, str]]:
    single = f"{EMBEDDING}lookup_table"
    if (config.div_val == 1) != (single in shapes):
        held = infer(shapes).get("div_val", 1)
        yield "div_val", config.div_val, held, single if single in shapes else f"{EMBEDDING}cutoff_*/lookup_table"
        return
    tables = [single] if config.div_val == 1 else _held(shapes, f"{EMBEDDING}cutoff_{{}}/lookup_table")
    biases = _held(shapes, f"{SOFTMAX}cutoff_{{}}/b")
    softmax = any(name.startswith(SOFTMAX) for name in shapes)
    for names, parts, wanted in ((tables, config.tables, True), (biases, config.clusters, softmax)):
        expected = len(parts) if names is tables or config.cutoffs else 0
        if wanted and len(names) != expected:
            scope = EMBEDDING if names is tables else SOFTMAX
            yield f"clusters by cutoffs {list(config.cutoffs)}", expected, len(names), f"{scope}cutoff_*"
        for k, (name, (first, end)) in enumerate(zip(names, parts, strict=False)):
            rows = shapes[name][0] if shapes[name] else 0
            if rows != end - first:
                one = config.div_val == 1 and names is tables
                key = "n_token" if one else f"rows of cluster {k} by cutoffs {list(config.cutoffs)}"
                yield key, end - first, rows, name
            if names is tables and len(shapes[name]) == 2 and shapes[name][1] != config.width(k):
                key = "d_embed" if k == 0 else f"columns of cluster {k} by d_embed and div_val"
                yield key, config.width(k), shapes[name][1], name
    for k in range(len(config.clusters)) if softmax and config.cutoffs else ():
        name = f"{SOFTMAX}cutoff_{k}/proj"
        if config.embedding_projected(k) and (name in shapes) != (config.softmax_projection(k) == "own"):
            yield f"tie_projs[{k}]", int(config.tie_projs[k]), int(name not in shapes), name


def _clusters(shapes: Shapes, template: str) -> Iterator[tuple[int, ...]]:
    yield from (shapes[name] for name in _held(shapes, template))


def _held(shapes: Shapes, template: str) -> list[str]:
    names: list[str] = []
    for k in count():
        if template.format(k) not in shapes:
            return names
        names.append(template.format(k))
    return names


def _has(shapes: Shapes, name: str, axis: int) -> bool:
    return len(shapes.get(name, ())) >= (axis + 1 if axis >= 0 else -axis)
