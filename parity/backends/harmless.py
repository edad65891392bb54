"""PyTorch that computes the same mathematics by other float32 operations: what no judge may object to.

A job names this module and, in its settings, a `rewriting`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch

from parity.backends import torch as plain
from parity.backends.faulty_models import layers_of, parts, put
from parity.backends.job import Job
from parity.errors import ParityError
from parity.tensorfile import Array


def _functional(kind: str, forward: Callable[[Any, Any], Any]) -> Callable[[Any], None]:
    """Modules of one kind compute `forward(module, x)`."""

    def rewrite(model: Any) -> None:
        for module in model.modules():
            if type(module).__name__ == kind:
                module.forward = lambda x, module=module: forward(module, x)

    return rewrite


def _two_pass(module: Any, x: Any) -> Any:
    centred = x - x.mean(-1, keepdim=True)
    scale = torch.rsqrt(centred.square().mean(-1, keepdim=True) + module.eps)
    return centred * scale * module.weight + module.bias


def _one_pass(module: Any, x: Any) -> Any:
    mean = x.mean(-1, keepdim=True)
    variance = x.square().mean(-1, keepdim=True) - mean.square()
    return (x - mean) * torch.rsqrt(variance + module.eps) * module.weight + module.bias


def _by_batches(module: Any, x: Any) -> Any:
    """A batched product in place of one large one."""
    if x.dim() != 3:
        return _as_is(module, x)
    return _biased(torch.bmm(x, module.weight.t().expand(len(x), -1, -1)), module)


def _by_einsum(module: Any, x: Any) -> Any:
    return _biased(torch.einsum("...i,oi->...o", x, module.weight), module)


def _biased(x: Any, module: Any) -> Any:
    """Not every dense layer has a bias."""
    return x if module.bias is None else x + module.bias


def _in_halves(module: Any, x: Any) -> Any:
    """The sum over inputs in two parts."""
    half = x.shape[-1] // 2
    first = torch.nn.functional.linear(x[..., :half], module.weight[:, :half], module.bias)
    return first + torch.nn.functional.linear(x[..., half:], module.weight[:, half:])


def _as_dense(module: Any, x: Any) -> Any:
    """A convolution of width 1, whose kernel lies [in, out], as a dense layer."""
    return torch.nn.functional.linear(x, module.weight.t(), module.bias)


def _as_is(module: Any, x: Any) -> Any:
    return torch.nn.functional.linear(x, module.weight, module.bias)


def _gelu(x: Any) -> Any:
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def _gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


def _by_formula(model: Any) -> None:
    """The config's own GELU, written out; erf's only where a BERT's config says so."""
    erf = getattr(model.config, "hidden_act", "") == "gelu"
    for layer in layers_of(model):
        put(layer, parts(model).activation, Function(_gelu if erf else _gelu_tanh))


class Function(torch.nn.Module):  # type: ignore[misc]
    """A function where a module is expected."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Any) -> Any:
        """The function of x."""
        return self._function(x)


def _fused(model: Any) -> None:
    """Query, key and value by one product."""
    for layer in model.base_model.encoder.layer:
        attention = layer.attention.self
        parts = (attention.query, attention.key, attention.value)
        weight, bias = (torch.cat([getattr(part, name) for part in parts]) for name in ("weight", "bias"))
        for place, part in enumerate(parts):
            part.forward = lambda x, w=weight, b=bias, at=place: torch.nn.functional.linear(x, w, b).chunk(3, -1)[at]


def filled(value: float) -> Callable[[Any], None]:
    """What masked scores are filled with."""

    def rewrite(model: Any) -> None:
        def extended(mask: Any, *_: Any, **__: Any) -> Any:
            hidden = mask[:, None, None, :] == 0
            return torch.zeros(hidden.shape).masked_fill(hidden, value)

        model.base_model.get_extended_attention_mask = extended

    return rewrite


def _nothing(model: Any) -> None:
    """As it is."""


REWRITINGS: Mapping[str, Callable[[Any], None]] = {
    "no-onednn": _nothing,
    "norm-two-pass": _functional("LayerNorm", _two_pass),
    "norm-one-pass": _functional("LayerNorm", _one_pass),
    "dense-bmm": _functional("Linear", _by_batches),
    "dense-einsum": _functional("Linear", _by_einsum),
    "dense-halves": _functional("Linear", _in_halves),
    "convolution-dense": _functional("Conv1D", _as_dense),
    "gelu-formula": _by_formula,
    "qkv-fused": _fused,
    "fill-1e4": filled(-10000.0),
    "fill-infinite": filled(-math.inf),
}
"""By name."""


class Harmless(plain.Torch):
    """The plain runtime, rewritten."""

    def __init__(self, job: Job, name: str) -> None:
        super().__init__(job)
        self._name = name
        with torch.inference_mode():
            REWRITINGS[name](self._model)

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """As the plain runtime."""
        without: AbstractContextManager[Any] = nullcontext()
        if self._name == "no-onednn":
            without = torch.backends.mkldnn.flags(enabled=False)
        with without:
            return super().run(inputs, texts=texts)


def open(job: Job) -> Harmless:  # noqa: A001 - the name every runtime module has
    """Load the artifact and rewrite it as the setting `rewriting` says.

    Raises:
        ParityError: no such rewriting, or what the plain runtime raises.
    """
    name = job.settings.get("rewriting", "")
    if name not in REWRITINGS:
        raise ParityError("no such rewriting", got=name, expected=f"one of {', '.join(REWRITINGS)}")
    rest = {key: value for key, value in job.settings.items() if key != "rewriting"}
    return Harmless(replace(job, settings=rest), name)
