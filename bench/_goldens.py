"""The goldens as cases: which checkpoint, what it was fed, and what the original authors' code computed on it.

Everything is turned batch-major and given the public names of taps; nothing else is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from parity.artifacts import Choices
from parity.tensorfile import Array


@dataclass(frozen=True)
class Run:
    """One call of the original: inputs, the values it gave, and flags that were set for it alone.

    Vocabulary-sized values are those of all positions unless `logit_positions` are among the inputs.
    """

    name: str
    inputs: Mapping[str, Array]
    taps: Mapping[str, Array]
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One checkpoint and what was computed on it."""

    name: str
    family: str
    checkpoint: Path
    choices: Choices
    runs: tuple[Run, ...]


def cases(root: Path) -> Iterator[Case]:
    """Every golden below `root`, in a fixed order."""
    for folder in sorted(path for path in root.iterdir() if (path / "meta.json").is_file()):
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        with np.load(folder / "golden.npz") as file:
            arrays = {name: file[name] for name in file.files}
        yield _MAKERS[meta["family"]](folder, meta, arrays)


def _layers(arrays: Mapping[str, Array], prefix: str, *, turned: bool, named: str = "layer") -> dict[str, Array]:
    found = {}
    for k in range(1000):
        name = f"{prefix}{named}_{k}"
        if name not in arrays:
            break
        found[f"layer.{k}"] = _turned(arrays[name]) if turned else arrays[name]
    return found


def _turned(array: Array) -> Array:
    """Time-major as in the original to batch-major."""
    return np.ascontiguousarray(np.swapaxes(array, 0, 1))


def _all_positions(ids: Array) -> Array:
    return np.tile(np.arange(ids.shape[1], dtype=np.int32), (len(ids), 1))


def _bert(folder: Path, meta: Mapping[str, object], arrays: Mapping[str, Array]) -> Case:
    fed = {
        "input_ids": arrays["input_ids"],
        "attention_mask": arrays["input_mask"],
        "token_type_ids": arrays["segment_ids"],
    }
    taps = {
        "embeddings": arrays["embedding_output"],
        **_layers(arrays, "", turned=False),
        "pooler": arrays["pooled_output"],
        "logits.mlm": arrays["mlm_logits"],
        "logits.nsp": arrays["nsp_logits"],
    }
    choices = Choices(activation=str(meta["gelu"]), head="pretraining")
    return Case(folder.name, "bert", folder / "bert_model.ckpt", choices, (Run("", fed, taps),))


def _gpt2(folder: Path, meta: Mapping[str, object], arrays: Mapping[str, Array]) -> Case:
    def run(name: str, ids: Array, prefix: str, present: Array, past: Array | None) -> Run:
        fed = {"input_ids": ids}
        taps = {"embeddings": arrays[f"{prefix}embedding_output"], **_layers(arrays, prefix, turned=False)}
        for k in range(present.shape[1]):
            for at, part in enumerate(("key", "value")):
                taps[f"past.{k}.{part}"] = present[:, k, at]
                if past is not None:
                    fed[f"past.{k}.{part}"] = np.ascontiguousarray(past[:, k, at])
        return Run(name, fed, {**taps, "final_norm": arrays[f"{prefix}ln_f"], "logits.lm": arrays[f"{prefix}logits"]})

    runs = (
        run("", arrays["input_ids"], "", arrays["present"], None),
        run("past", arrays["cont_input_ids"], "cont_", arrays["cont_present"], arrays["past"]),
    )
    return Case(folder.name, "gpt2", folder / "model.ckpt", Choices(), runs)


def _gpt(folder: Path, meta: Mapping[str, object], arrays: Mapping[str, Array]) -> Case:
    numbers = meta["hparams"]
    assert isinstance(numbers, dict)
    ids, words = arrays["input_ids"], int(numbers["n_vocab"]) + int(numbers["n_special"])
    # The special tokens' rows are only in the fine-tuned file; its last position predicts nothing.
    fed = {"input_ids": ids, "logit_positions": _all_positions(ids)[:, :-1]}
    taps = {
        "embeddings": arrays["embedding_output"],
        **_layers(arrays, "", turned=False),
        "logits.lm": arrays["lm_logits_full"][:, :, :words],
    }
    settings = {key: str(numbers[key]) for key in ("n_head", "n_special", "n_ctx", "n_vocab")}
    checkpoint = folder / "finetuned" / "best_params.jl"
    return Case(folder.name, "openai-gpt", checkpoint, Choices(head="lm", settings=settings), (Run("", fed, taps),))


def _transfo_xl(folder: Path, meta: Mapping[str, object], arrays: Mapping[str, Array]) -> Case:
    layers, ids = 3, {name: _turned(arrays[f"{name}_input"]) for name in ("seg1", "seg2")}
    zeros = {f"mems.{k}": np.zeros((len(ids["seg1"]), 16, 64), np.float32) for k in range(layers)}
    carried = {f"mems.{k}": _turned(arrays[f"seg1_new_mem_{k}"]) for k in range(layers)}

    def run(name: str, segment: str, memory: Mapping[str, Array], flags: Mapping[str, str]) -> Run:
        taps = {"embeddings": _turned(arrays[f"{name}_embedding_output"]), **_layers(arrays, f"{name}_", turned=True)}
        taps |= {f"mems.{k}": _turned(arrays[f"{name}_new_mem_{k}"]) for k in range(layers)}
        if f"{name}_log_probs" in arrays:
            taps["log_probs"] = _turned(arrays[f"{name}_log_probs"])
        fed = {"input_ids": ids[segment], **memory}
        return Run(name, fed, taps, flags)

    runs = (
        run("seg1", "seg1", zeros, {}),
        run("seg2", "seg2", carried, {}),
        # Without a memory to begin with, the original kept all of the segment.
        run("nomem", "seg1", {}, {"mem_len": str(arrays["nomem_new_mem_0"].shape[0])}),
        run("samelen", "seg2", carried, {"same_length": "true"}),
    )
    return Case(folder.name, "transfo-xl", folder / "model.ckpt-0", Choices(), runs)


def _xlnet(folder: Path, meta: Mapping[str, object], arrays: Mapping[str, Array]) -> Case:
    layers = 3

    def run(name: str, ids: str, segments: str | None, extra: Mapping[str, Array], flags: Mapping[str, str]) -> Run:
        fed = {"input_ids": arrays[ids], **extra}
        if segments is not None:
            fed["token_type_ids"] = arrays[segments]
        taps = {"embeddings": _turned(arrays[f"{name}_embedding_output"]), **_layers(arrays, f"{name}_", turned=True)}
        for k in range(layers):
            if f"{name}_new_mem_{k}" in arrays:
                taps[f"mems.{k}"] = _turned(arrays[f"{name}_new_mem_{k}"])
            if f"{name}_g_layer_{k}" in arrays:
                taps[f"query.{k}"] = _turned(arrays[f"{name}_g_layer_{k}"])
        if f"{name}_lm_logits" in arrays:
            taps["logits.lm"] = _turned(arrays[f"{name}_lm_logits"])
        return Run(name, fed, taps, flags)

    memory = {f"mems.{k}": _turned(arrays[f"seg1_new_mem_{k}"]) for k in range(layers)}
    streams = {
        "perm_mask": np.ascontiguousarray(np.transpose(arrays["plm_perm_mask"], (2, 0, 1))),
        "target_mapping": np.ascontiguousarray(np.transpose(arrays["plm_target_mapping"], (2, 0, 1))),
    }
    mask = {"attention_mask": 1 - arrays["input_mask"].astype(np.int32)}
    kept = {"mem_len": "16"}
    runs = (
        run("ft", "input_ids", "segment_ids", mask, {}),
        run("seg1", "seg1_input_ids", "seg1_segment_ids", {}, kept),
        run("seg2", "seg2_input_ids", "seg2_segment_ids", memory, kept),
        run("reuse", "seg1_input_ids", "seg1_segment_ids", {}, {**kept, "reuse_len": "12"}),
        run("clamp", "seg2_input_ids", "seg2_segment_ids", memory, {**kept, "clamp_len": "9"}),
        run("noseg", "seg1_input_ids", None, {}, {}),
        run("plm", "seg1_input_ids", "seg1_segment_ids", streams, {}),
        run("plmmem", "seg2_input_ids", "seg2_segment_ids", {**streams, **memory}, kept),
    )
    return Case(folder.name, "xlnet", folder / "xlnet_model.ckpt", Choices(), runs)


_MAKERS: Mapping[str, Callable[[Path, Mapping[str, object], Mapping[str, Array]], Case]] = {
    "bert": _bert,
    "gpt2": _gpt2,
    "openai-gpt": _gpt,
    "transfo-xl": _transfo_xl,
    "xlnet": _xlnet,
}
