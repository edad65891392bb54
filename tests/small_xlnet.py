"""Small XLNet checkpoints as the original code leaves them, and the golden; names written by hand from formats.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.checkpoints import write_bundle
from parity.families.values import Config
from parity.families.xlnet import FAMILY as XLNET
from parity.tensorfile import Array, TensorSpec

GOLDEN = Path(__file__).parents[1] / "fixtures" / "goldens" / "xlnet_pretrain"
LAYERS = 3
EPSILON = float(np.finfo(np.float32).eps)
CONFIG: dict[str, Any] = {
    "d_head": 4,
    "d_inner": 12,
    "d_model": 8,
    "ff_activation": "gelu",
    "n_head": 2,
    "n_layer": 2,
    "n_token": 400,
    "untie_r": True,
}

Line = tuple[str, str, str, str]
"""Source, axes, target, operation."""


def body(layers: int, *, untied: bool = True) -> Iterator[Line]:
    """The bare model's variables; D model, N heads, S size of a head, I inner, V vocabulary, L layers."""
    scope = "model/transformer"
    yield f"{scope}/word_embedding/lookup_table", "VD", "transformer.word_embedding.weight", "copy"
    yield f"{scope}/mask_emb/mask_emb", "11D", "transformer.mask_emb", "copy"
    for i in range(layers):
        for name in ("r_w_bias", "r_r_bias", "r_s_bias"):
            how = f"row {i} of {layers}" if untied else f"same {i} of {layers}"
            yield f"{scope}/{name}", "LNS" if untied else "NS", f"transformer.layer.{i}.rel_attn.{name}", how
        yield f"{scope}/seg_embed", "L2NS", f"transformer.layer.{i}.rel_attn.seg_embed", f"row {i} of {layers}"
        for part in "qkvro":
            source = f"{scope}/layer_{i}/rel_attn/{part}/kernel"
            yield source, "DNS", f"transformer.layer.{i}.rel_attn.{part}", "copy"
        for part in ("rel_attn", "ff"):
            target = f"transformer.layer.{i}.{part}.layer_norm"
            yield f"{scope}/layer_{i}/{part}/LayerNorm/gamma", "D", f"{target}.weight", "copy"
            yield f"{scope}/layer_{i}/{part}/LayerNorm/beta", "D", f"{target}.bias", "copy"
        for number, axes in ((1, "DI"), (2, "ID")):
            source, target = f"{scope}/layer_{i}/ff/layer_{number}", f"transformer.layer.{i}.ff.layer_{number}"
            yield f"{source}/kernel", axes, f"{target}.weight", "transpose"
            yield f"{source}/bias", axes[1], f"{target}.bias", "copy"


SUMMARY: tuple[Line, ...] = (
    ("model/sequnece_summary/summary/kernel", "DD", "sequence_summary.summary.weight", "transpose"),
    ("model/sequnece_summary/summary/bias", "D", "sequence_summary.summary.bias", "copy"),
)


def head_lines(head: str) -> tuple[Line, ...]:
    """What a head adds; C classes, T twice the model."""
    kind, _, task = head.partition("-")
    if kind in ("classifier", "regression"):
        scope = {"classifier": "classification", "regression": "regression"}[kind]
        axes = "DC" if kind == "classifier" else "D1"
        name = f"model/{scope}_{task or 'task'}/logit"
        return (
            *SUMMARY,
            (f"{name}/kernel", axes, "logits_proj.weight", "transpose"),
            (f"{name}/bias", axes[1], "logits_proj.bias", "copy"),
        )
    root = "model/" if head.endswith("-model") else ""
    if head.startswith("multiple-choice"):
        return (
            *SUMMARY,
            (f"{root}logits/dense/kernel", "D1", "logits_proj.weight", "transpose"),
            (f"{root}logits/dense/bias", "1", "logits_proj.bias", "copy"),
        )
    if kind == "qa":
        return (
            (f"{root}start_logits/dense/kernel", "D1", "start_logits.dense.weight", "transpose"),
            (f"{root}start_logits/dense/bias", "1", "start_logits.dense.bias", "copy"),
            (f"{root}end_logits/dense_0/kernel", "TD", "end_logits.dense_0.weight", "transpose"),
            (f"{root}end_logits/dense_0/bias", "D", "end_logits.dense_0.bias", "copy"),
            (f"{root}end_logits/LayerNorm/gamma", "D", "end_logits.LayerNorm.weight", "copy"),
            (f"{root}end_logits/LayerNorm/beta", "D", "end_logits.LayerNorm.bias", "copy"),
            (f"{root}end_logits/dense_1/kernel", "D1", "end_logits.dense_1.weight", "transpose"),
            (f"{root}end_logits/dense_1/bias", "1", "end_logits.dense_1.bias", "copy"),
            (f"{root}answer_class/dense_0/kernel", "TD", "answer_class.dense_0.weight", "transpose"),
            (f"{root}answer_class/dense_0/bias", "D", "answer_class.dense_0.bias", "copy"),
            (f"{root}answer_class/dense_1/kernel", "D1", "answer_class.dense_1.weight", "transpose"),
        )
    return (("model/lm_loss/bias", "V", "lm_loss.bias", "copy"),) if head == "lm" else ()


def shapes(head: str, *, config: Mapping[str, Any] = CONFIG, labels: int = 3) -> dict[str, tuple[int, ...]]:
    """Shapes of what the original graph of this head has: fine-tuning has no second stream, hence no `mask_emb`."""
    sizes = {"D": config["d_model"], "N": config["n_head"], "S": config["d_head"], "I": config["d_inner"]}
    sizes |= {"V": config["n_token"], "L": config["n_layer"], "T": 2 * config["d_model"], "C": labels, "1": 1, "2": 2}
    lines = (*body(config["n_layer"], untied=config["untie_r"]), *head_lines(head))
    return {
        source: tuple(sizes[axis] for axis in axes)
        for source, axes, *_ in lines
        if head == "lm" or "mask_emb" not in source
    }


def arrays(head: str, *, config: Mapping[str, Any] = CONFIG, labels: int = 3) -> dict[str, Array]:
    """Variables by name, from a fixed seed."""
    rng = np.random.default_rng(7)
    return {
        name: (rng.normal(0, 0.3, shape) + name.endswith("gamma")).astype(np.float32)
        for name, shape in sorted(shapes(head, config=config, labels=labels).items())
    }


def write_source(
    folder: Path,
    head: str = "lm",
    *,
    config: Mapping[str, Any] = CONFIG,
    labels: int = 3,
    extra: Mapping[str, Array] | None = None,
    without: str | None = None,
) -> Path:
    """A folder with checkpoint, xlnet_config.json and the golden's spiece.model."""
    folder.mkdir(parents=True, exist_ok=True)
    held = arrays(head, config=config, labels=labels) | {"global_step": np.array(7, np.int64)} | dict(extra or {})
    held.pop(without or "", None)
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in sorted(held.items())]
    write_bundle(folder / "xlnet_model.ckpt", specs, (held[spec.name] for spec in specs))
    (folder / "xlnet_config.json").write_text(json.dumps(dict(config)))
    (folder / "spiece.model").write_bytes((GOLDEN / "spiece.model").read_bytes())
    return folder


def read(raw: Mapping[str, Any], **flags: Any) -> Config:
    """A config, with flags of the run."""
    return XLNET.read_config({**raw, **flags}, where=Path("xlnet_config.json"))


def rows_first(array: Array) -> Array:
    """[T,B,...] as the original has it, [B,T,...] as everything here."""
    return np.moveaxis(array, 1, 0)


FLAGS: dict[str, dict[str, Any]] = {
    "ft": {},
    "seg1": {"mem_len": 16},
    "seg2": {"mem_len": 16},
    "reuse": {"mem_len": 16, "reuse_len": 12},
    "clamp": {"mem_len": 16, "clamp_len": 9},
    "noseg": {},
    "plm": {},
    "plmmem": {"mem_len": 16},
}
"""The golden's cases, and what the run's flags were."""


def fed(case: str) -> dict[str, Array]:
    """What the original was fed, with our mask and rows first."""
    kept = np.load(GOLDEN / "golden.npz")
    if case == "ft":
        mask = 1 - kept["input_mask"].astype(np.int32)
        return {"input_ids": kept["input_ids"], "token_type_ids": kept["segment_ids"], "attention_mask": mask}
    segment = "seg2" if case in ("seg2", "clamp", "plmmem") else "seg1"
    inputs = {"input_ids": kept[f"{segment}_input_ids"], "token_type_ids": kept[f"{segment}_segment_ids"]}
    if case == "noseg":
        del inputs["token_type_ids"]
    if segment == "seg2":
        inputs |= {f"mems.{i}": rows_first(kept[f"seg1_new_mem_{i}"]) for i in range(LAYERS)}
    if case.startswith("plm"):
        inputs |= {name: np.moveaxis(kept[f"plm_{name}"], 2, 0) for name in ("perm_mask", "target_mapping")}
    return inputs


def golden(case: str) -> dict[str, Array]:
    """What the original computed, by tap."""
    kept = np.load(GOLDEN / "golden.npz")
    names = {"embeddings": "embedding_output", "logits.lm": "lm_logits"}
    for i in range(LAYERS):
        names |= {f"layer.{i}": f"layer_{i}", f"query.{i}": f"g_layer_{i}", f"mems.{i}": f"new_mem_{i}"}
    return {tap: rows_first(kept[f"{case}_{name}"]) for tap, name in names.items() if f"{case}_{name}" in kept}


def apart(ours: Array, theirs: Array) -> float:
    """The largest deviation."""
    return float(np.abs(ours.astype(np.float64) - theirs).max())
