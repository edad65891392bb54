"""XLNet's classes in transformers.

Inside they lay everything out [T,B,...], as the original does, and hand on both streams as a pair. Beams are cut to one
where answers are searched, and `p_mask` leaves only the last position, <cls>, as the start (`families.xlnet.outputs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.backends.torch_taps import Place
from parity.errors import ParityError

_LAYER = "layer.{k}"
TAPS: Mapping[str, Place] = {
    "embeddings": Place("word_embedding", turned=True),
    "layer.{k}": Place(_LAYER, turned=True),
    "query.{k}": Place(_LAYER, part=1, turned=True),
    "mems.{k}": Place(),
    "summary": Place("sequence_summary", of_head=True),
    "lm.input": Place("lm_loss", of_head=True, narrowed="lm_loss", input=True),
    "logits.lm": Place("lm_loss", of_head=True, narrowed="lm_loss"),
    "logits.classifier": Place("logits_proj", of_head=True),
    "logits.start": Place("start_logits.dense", of_head=True),
    "logits.end": Place("end_logits.dense_1", of_head=True, without=2),
    "logits.answer": Place("answer_class.dense_1", of_head=True),
    "layer.{k}.attention.probs": Place(field="attentions", only="eager"),
    "layer.{k}.attention.norm": Place(f"{_LAYER}.rel_attn", turned=True),
    "layer.{k}.intermediate": Place(f"{_LAYER}.ff.activation_function", turned=True),
    "layer.{k}.output": Place(f"{_LAYER}.ff.layer_2", turned=True),
}


def feed(inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """A batch as the class wants it.

    Args:
        inputs: input_ids [B,T], and what there is of attention_mask and token_type_ids [B,T], perm_mask [B,T,T],
            target_mapping [B,Q,T], mems.k [B,M,D].
        model: the bare one or one with a head; its config says whether it remembers.

    Raises:
        ParityError: masks beside causal attention, which the class cannot add to its own.
    """
    dtype = next(model.parameters()).dtype
    fed: dict[str, Any] = {"input_ids": inputs["input_ids"], "use_mems": bool(model.config.mem_len)}
    fed |= {name: inputs[name] for name in ("attention_mask", "token_type_ids") if name in inputs}
    fed |= {name: inputs[name].to(dtype) for name in ("perm_mask", "target_mapping") if name in inputs}
    if model.config.attn_type == "uni":
        if "perm_mask" in fed or not bool((fed.pop("attention_mask", inputs["input_ids"] * 0 + 1) == 1).all()):
            what = "transformers' XLNet cannot mask rows where attention is causal"
            raise ParityError(what, got="attn_type uni and a mask", remedy="give rows of one length")
        fed.pop("attention_mask", None)
    if "mems.0" in inputs:
        layers = range(model.config.n_layer)
        fed["mems"] = [inputs[f"mems.{k}"].to(dtype).transpose(0, 1).contiguous() for k in layers]
    if hasattr(model, "answer_class"):
        model.start_n_top = model.end_n_top = 1
        fed["p_mask"] = inputs["input_ids"].new_ones(inputs["input_ids"].shape).to(dtype)
        fed["p_mask"][:, -1] = 0.0
    if type(model).__name__ == "XLNetForMultipleChoice":
        # One choice a row.
        plain = ("input_ids", "attention_mask", "token_type_ids")
        fed |= {name: fed[name].unsqueeze(1) for name in plain if name in fed}
    return fed


def answer(tap: str, answer: Any, k: int, inputs: Mapping[str, Any]) -> Any:
    """The memory of layer k for the next segment, [B,M,D]; None where the model remembers nothing."""
    memory = answer.get("mems")
    return None if memory is None else memory[k].transpose(0, 1)
