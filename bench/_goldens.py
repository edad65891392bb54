"""The goldens as cases: which checkpoint, what it was fed, and what the original authors' code computed on it.

Everything is turned batch-major and given the public names of taps; nothing else is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from _golden_case import Case, Run, layers
from _goldens_xl import transfo_xl, xlnet

from parity.artifacts import Choices
from parity.tensorfile import Array


def cases(root: Path) -> Iterator[Case]:
    """Every golden below `root`, in a fixed order."""
    for folder in sorted(path for path in root.iterdir() if (path / "meta.json").is_file()):
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        with np.load(folder / "golden.npz") as file:
            arrays = {name: file[name] for name in file.files}
        yield _MAKERS[meta["family"]](folder, meta, arrays)


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
        **layers(arrays, ""),
        "pooler": arrays["pooled_output"],
        "logits.mlm": arrays["mlm_logits"],
        "logits.nsp": arrays["nsp_logits"],
    }
    choices = Choices(activation=str(meta["gelu"]), head="pretraining")
    return Case(folder.name, "bert", folder / "bert_model.ckpt", choices, (Run("", fed, taps),))


def _gpt2(folder: Path, meta: Mapping[str, object], arrays: Mapping[str, Array]) -> Case:
    def run(name: str, ids: Array, prefix: str, present: Array, past: Array | None) -> Run:
        fed = {"input_ids": ids}
        taps = {"embeddings": arrays[f"{prefix}embedding_output"], **layers(arrays, prefix)}
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
        **layers(arrays, ""),
        "logits.lm": arrays["lm_logits_full"][:, :, :words],
    }
    settings = {key: str(numbers[key]) for key in ("n_head", "n_special", "n_ctx", "n_vocab")}
    checkpoint = folder / "finetuned" / "best_params.jl"
    return Case(folder.name, "openai-gpt", checkpoint, Choices(head="lm", settings=settings), (Run("", fed, taps),))


__all__ = ["Case", "Run", "cases"]
_MAKERS: Mapping[str, Callable[[Path, Mapping[str, object], Mapping[str, Array]], Case]] = {
    "bert": _bert,
    "gpt2": _gpt2,
    "openai-gpt": _gpt,
    "transfo-xl": transfo_xl,
    "xlnet": xlnet,
}
