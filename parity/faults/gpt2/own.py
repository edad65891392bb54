"""R, N, C, K, U: what GPT-2 alone has: its container, its published sizes, its byte pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from parity.faults.edits import added, drawn, renamed
from parity.faults.gpt.tokens import ANY, CASED, lowered
from parity.faults.values import Artifact, Fault, Runtime, Source, Tensors, Tokens, always
from parity.inputs.wordpiece import Casing
from parity.tensorfile import Array

_KERNEL = "model/h0/attn/c_attn/w"


def _like(name: str) -> Callable[[Tensors], Array]:
    return lambda tensors: np.zeros_like(tensors[name])


def _scalar(tensors: Tensors) -> Array:
    return np.array(7, np.int64)


def _empty(folder: Path) -> None:
    (folder / "hparams.json").write_text(
        '{"n_head": 12, "n_layer": 12, "n_embd": 768, "n_ctx": 1024, "n_vocab": 50257}'
    )


def _whole_numbers(tensors: Tensors, layout: Any) -> None:
    tensors[_KERNEL] = np.rint(tensors[_KERNEL] * 127).astype(np.int8)


def _spaced(tokenizer: dict[str, Any], casing: Casing) -> None:
    """A space before the first word, as byte-level BPE of other models has it."""
    tokenizer["normalizer"] = {"type": "Prepend", "prepend": " "}


FAULTS = (
    Fault(
        id="R-01", variant="slot glued to the name", verdict="refused", place="adam_m",
        what="an Adam slot's name is joined to its variable's without a slash",
        inject=Source(added("model/h0/attn/c_attn/w_adam_m", _like(_KERNEL))),
    ),
    Fault(
        id="R-03", variant="unknown scalar", verdict="refused", place="examples_seen",
        what="a training counter that is no variable of the model", inject=Source(added("examples_seen", _scalar)),
    ),
    Fault(
        id="R-04", variant="Adafactor slot", verdict="refused", place="adafactor_vc",
        what="an Adafactor slot as Grover's training names it",
        inject=Source(added("model/h0/mlp/c_fc/w_adafactor_vc", lambda t: np.ones(4, np.float32))),
    ),
    Fault(
        id="R-11", variant="integers", verdict="refused", place="no floating point",
        what="a kernel is stored as int8", inject=Source(_whole_numbers),
    ),
    Fault(
        id="N-13", variant="final norm lost", place="final_norm",
        what="gamma of the final norm is left at random", inject=Artifact(drawn("transformer.ln_f.weight")),
    ),
    Fault(
        id="N-20", variant="foreign scope", verdict="refused", place="transformer_decoder",
        what="a graph of other scopes", inject=Source(renamed(r"^model/", "transformer_decoder/")),
    ),
    Fault(
        id="N-21", variant="config of another size", verdict="refused", place="n_embd",
        what="the 345M model's config lies beside a checkpoint of another size",
        inject=Source(config={"n_embd": always(1024), "n_head": always(16), "n_layer": always(24)}),
    ),
    Fault(
        id="C-07", variant="default config", verdict="refused", place="n_embd",
        what="the defaults of the 117M model in place of the config", inject=Source(files=_empty),
    ),
    Fault(
        id="C-07", variant="fewer blocks", verdict="refused", place="n_layer",
        what="the config says one block fewer than there are",
        inject=Source(config={"n_layer": lambda layout: layout.config.layers - 1}),
    ),
    Fault(
        id="K-01", variant="lower-cased", verdict="token ids",
        what="text is lower-cased first", inject=Tokens(lowered, CASED),
    ),
    Fault(
        id="K-06", variant="space in front", verdict="token ids",
        what="the first word is read with a space before it", inject=Tokens(_spaced, ANY),
    ),
    Fault(
        id="U-01", variant="left on", place="embeddings",
        what="dropout is left on", inject=Runtime("dropout"),
    ),
    Fault(
        id="U-04", variant="float16", place="embeddings",
        causes=("low-precision-arithmetic: float16", "low-precision-weights"),
        what="every module's result through float16, claiming float32", inject=Runtime("fp16"),
    ),
    Fault(
        id="D-01", variant="scores unscaled", place="layer.{middle}", causes=("scale",),
        what="the scores of one block are not divided by the root of the head's size",
        inject=Runtime("scores-unscaled"),
    ),
)  # fmt: skip
