"""Where each architecture's PyTorch classes keep what `parity.backends.faulty` spoils, by a config's `model_type`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parts:
    """Paths of modules: from the base model to its layers, and from a layer to what is in it."""

    layers: str
    activation: str
    norm: str
    """One of a layer's norms, with its `eps`."""
    unscale: Callable[[Any, float], None]
    """(layer, factor): its scores are multiplied."""
    embedding: str = ""
    """From the base model to what looks tokens up, where that is spoilt."""


def layers_of(model: Any) -> Any:
    """The layers of a loaded model."""
    return at(model.base_model, parts(model).layers)


def parts(model: Any) -> Parts:
    """The table's row for a loaded model."""
    return PARTS[model.config.model_type]


def at(module: Any, path: str) -> Any:
    """The module at a path."""
    for part in path.split("."):
        module = getattr(module, part)
    return module


def put(module: Any, path: str, other: Any) -> None:
    """Another module at a path."""
    parent, _, last = path.rpartition(".")
    setattr(at(module, parent) if parent else module, last, other)


def _query(path: str, share: int) -> Callable[[Any, float], None]:
    """The first of `share` parts of what a projection hands on is the query."""

    def unscale(layer: Any, factor: float) -> None:
        def hook(module: Any, given: Any, output: Any) -> Any:
            scaled = output.clone()
            scaled[..., : output.shape[-1] // share] *= factor
            return scaled

        at(layer, path).register_forward_hook(hook)

    return unscale


def _attribute(path: str, name: str) -> Callable[[Any, float], None]:
    """The scale is a number that a module keeps."""

    def unscale(layer: Any, factor: float) -> None:
        module = at(layer, path)
        setattr(module, name, getattr(module, name) * factor)

    return unscale


PARTS: Mapping[str, Parts] = {
    "bert": Parts(
        "encoder.layer",
        "intermediate.intermediate_act_fn",
        "attention.output.LayerNorm",
        _query("attention.self.query", 1),
    ),
    "gpt2": Parts("h", "mlp.act", "ln_2", _query("attn.c_attn", 3)),
    "openai-gpt": Parts("h", "mlp.act", "ln_1", _query("attn.c_attn", 3)),
    "transfo-xl": Parts(
        "layers", "pos_ff.CoreNet.1", "dec_attn.layer_norm", _query("dec_attn.o_net", 1), embedding="word_emb"
    ),
    "xlnet": Parts("layer", "ff.activation_function", "rel_attn.layer_norm", _attribute("rel_attn", "scale")),
}
"""Transformer-XL has no scale of its own to spoil: what it attends to is what is multiplied there."""
