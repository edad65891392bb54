"""What is done to a loaded model: other activations, epsilons, scales, positions, masks, roundings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from parity.backends.faulty_models import at, layers_of, parts, put
from parity.backends.harmless import Function


def training(select: Callable[[str], bool]) -> Callable[[Any], None]:
    """Dropout is left on where `select(name)`."""

    def spoil(model: Any) -> None:
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Dropout) and select(name):
                module.train()
        torch.manual_seed(5)

    return spoil


def activation(given: Callable[[Any], Any] | None, layers: Callable[[int, int], bool]) -> Callable[[Any], None]:
    """Another activation where `layers(number, how many)`; without one the GELU that the config does not say."""

    def spoil(model: Any) -> None:
        # Only BERT's own is erf's, where its config says so; the others' original is the tanh formula, or no GELU.
        erf = getattr(model.config, "hidden_act", "") == "gelu"
        function = given or (_tanh_gelu if erf else torch.nn.functional.gelu)
        found = layers_of(model)
        for number, layer in enumerate(found):
            if layers(number, len(found)):
                put(layer, parts(model).activation, Function(function))

    return spoil


def one_epsilon(value: float) -> Callable[[Any], None]:
    """One norm of the middle layer has another epsilon."""

    def spoil(model: Any) -> None:
        at(_middle(model), parts(model).norm).eps = value

    return spoil


def score_scale(factor: float) -> Callable[[Any], None]:
    """The scores of the middle layer are multiplied."""

    def spoil(model: Any) -> None:
        parts(model).unscale(_middle(model), factor)

    return spoil


def _middle(model: Any) -> Any:
    layers = layers_of(model)
    return layers[len(layers) // 2]


def embedded(factor: float) -> Callable[[Any], None]:
    """What the embedding hands on is multiplied."""

    def spoil(model: Any) -> None:
        module = at(model.base_model, parts(model).embedding)
        module.register_forward_hook(lambda module, given, output: output * factor)

    return spoil


def from_zero(model: Any) -> None:
    """Positions of every segment are counted from 0, whatever came before."""

    def fed(module: Any, given: Any, named: dict[str, Any]) -> Any:
        ids = named["input_ids"] if "input_ids" in named else given[0]
        return given, {**named, "position_ids": torch.arange(ids.shape[1])[None].expand(ids.shape)}

    model.base_model.register_forward_pre_hook(fed, with_kwargs=True)


def one_more_seen(model: Any) -> None:
    """`same_length` as transformers had it: every position sees one token more."""
    base = model.base_model
    usual = base._mask

    def mask(length: int, memory: int, like: Any) -> Any:
        found = usual(length, memory, like)
        return found - torch.ones_like(found).tril(-1) + torch.ones_like(found).tril(-2)

    base._mask = mask


def distances_late(model: Any) -> None:
    """Scores of distances in one layer, shifted by one too few."""
    layer = _middle(model)
    if model.config.model_type == "xlnet":
        right = layer.rel_attn.rel_shift_bnij
        layer.rel_attn.rel_shift_bnij = lambda x, klen=-1: torch.roll(right(x, klen=klen), 1, -1)
        return
    from parity.torch import transfo_xl_parts

    usual = layer.dec_attn.forward

    def forward(*given: Any) -> Any:
        shift = transfo_xl_parts._shift
        transfo_xl_parts._shift = lambda x: torch.roll(shift(x), 1, -1)
        try:
            return usual(*given)
        finally:
            transfo_xl_parts._shift = shift

    layer.dec_attn.forward = forward


def half(dtype: torch.dtype) -> Callable[[Any], None]:
    """Every module computes in `dtype` and hands on float32."""

    def spoil(model: Any) -> None:
        def out(module: Any, given: Any, output: Any) -> Any:
            return output.to(dtype).to(torch.float32) if isinstance(output, torch.Tensor) else output

        for module in model.modules():
            if type(module).__name__ in _ROUNDED:
                module.register_forward_hook(out)

    return spoil


_ROUNDED = ("Linear", "LayerNorm", "Embedding", "Conv1D", "XLNetRelativeAttention")


def quick_gelu(x: Any) -> Any:
    """X sigmoid(1.702 x)."""
    return x * torch.sigmoid(1.702 * x)


def _tanh_gelu(x: Any) -> Any:
    return torch.nn.functional.gelu(x, approximate="tanh")


def everywhere(layer: int, layers: int) -> bool:
    """In every layer."""
    return True


def in_the_middle(layer: int, layers: int) -> bool:
    """In the layer in the middle."""
    return layer == layers // 2
