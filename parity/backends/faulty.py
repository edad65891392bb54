"""PyTorch that does something else than it was asked to: the runtime side of `parity.faults`.

A job names this module and, in its settings, a `misdeed`. Whatever it does, it answers as the plain runtime would:
same taps, same claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from parity.backends import torch as plain
from parity.backends.faulty_models import at, layers_of, parts, put
from parity.backends.harmless import Function, filled
from parity.backends.job import Job
from parity.backends.protocol import BatchSkipped
from parity.errors import ParityError
from parity.tensorfile import Array

Fed = Mapping[str, Array]


@dataclass(frozen=True)
class Misdeed:
    """What is done: to the arrays fed, to the loaded model, while it runs, to the answer."""

    feed: Callable[[Fed], Fed] = lambda fed: fed
    spoil: Callable[[Any], None] = lambda model: None
    around: Callable[[Any], AbstractContextManager[Any]] = lambda model: nullcontext()
    variant: str = ""
    """Of the plain runtime, which hands its answers on as float32 all the same."""
    tells: bool = False
    """It answers with the ids it fed, as a runtime does that tokenizes by itself."""


def _mask(change: Callable[[Array], Array]) -> Callable[[Fed], Fed]:
    return lambda fed: {**fed, "attention_mask": change(fed["attention_mask"]).astype(np.int32)}


def _as_length(mask: Array) -> Array:
    """Ones from the left, as many as there are: what a mask becomes that is reduced to a length."""
    found: Array = np.arange(mask.shape[1])[None] < mask.sum(axis=1, keepdims=True)
    return found


def _beyond(limit: int) -> Callable[[Array], Array]:
    def change(mask: Array) -> Array:
        return np.where(np.arange(mask.shape[1])[None] >= limit, 1, mask)

    return change


def _positions(change: Callable[[Array], Array]) -> Callable[[Fed], Fed]:
    def feed(fed: Fed) -> Fed:
        return {**fed, "position_ids": np.maximum(change(fed["attention_mask"]), 0)}

    return feed


def _counted(start: int) -> Callable[[Array], Array]:
    def change(mask: Array) -> Array:
        return np.broadcast_to(np.arange(mask.shape[1]) + start, mask.shape).copy()

    return change


def _ids(change: Callable[[Array], Array]) -> Callable[[Fed], Fed]:
    return lambda fed: {**fed, "input_ids": change(fed["input_ids"].copy())}


def _shifted_ids(after: int) -> Callable[[Array], Array]:
    return lambda ids: np.where(ids > after, ids - 1, ids)


def _first_and_last(first: int, last: int) -> Callable[[Array], Array]:
    """Special ids as English BERT has them, wherever [CLS] stands and the row ends."""

    def change(ids: Array) -> Array:
        ids[:, 0] = np.where(ids[:, 0] == first, first + 1, first)
        return ids

    return change


def _training(select: Callable[[str], bool]) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Dropout) and select(name):
                module.train()
        torch.manual_seed(5)

    return spoil


def _activation(given: Callable[[Any], Any] | None, layers: Callable[[int, int], bool]) -> Callable[[Any], None]:
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


def _one_epsilon(value: float) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        at(_middle(model), parts(model).norm).eps = value

    return spoil


def _score_scale(factor: float) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        parts(model).unscale(_middle(model), factor)

    return spoil


def _middle(model: Any) -> Any:
    layers = layers_of(model)
    return layers[len(layers) // 2]


def _embedded(factor: float) -> Callable[[Any], None]:
    """What the embedding hands on is multiplied."""

    def spoil(model: Any) -> None:
        module = at(model.base_model, parts(model).embedding)
        module.register_forward_hook(lambda module, given, output: output * factor)

    return spoil


def _from_zero(model: Any) -> None:
    """Positions of every segment are counted from 0, whatever came before."""

    def fed(module: Any, given: Any, named: dict[str, Any]) -> Any:
        ids = named["input_ids"] if "input_ids" in named else given[0]
        return given, {**named, "position_ids": torch.arange(ids.shape[1])[None].expand(ids.shape)}

    model.base_model.register_forward_pre_hook(fed, with_kwargs=True)


def _one_more_seen(model: Any) -> None:
    """`same_length` as transformers had it: every position sees one token more."""
    base = model.base_model
    usual = base._mask

    def mask(length: int, memory: int, like: Any) -> Any:
        found = usual(length, memory, like)
        return found - torch.ones_like(found).tril(-1) + torch.ones_like(found).tril(-2)

    base._mask = mask


def _distances_late(model: Any) -> None:
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


def _states(change: Callable[[Array], Array]) -> Callable[[Fed], Fed]:
    """What the segment before handed on is another."""
    return lambda fed: {name: change(x) if name.startswith(_STATES) else x for name, x in fed.items()}


def _without_states(fed: Fed) -> Fed:
    return {name: x for name, x in fed.items() if not name.startswith(_STATES)}


_STATES = ("mems.", "past.")


class _Coarse(TorchDispatchMode):  # type: ignore[misc]
    """Products whose inputs are rounded first; sums and results stay float32."""

    def __init__(self, rounding: Callable[[Any], Any]) -> None:
        super().__init__()
        self._round = rounding

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Every operation passes here; in inference mode products come whole, not as their parts."""
        name = func.overloadpacket.__name__
        if name in ("mm", "bmm", "matmul", "linear"):
            args = (self._round(args[0]), self._round(args[1]), *args[2:])
        elif name in ("addmm", "baddbmm"):
            args = (args[0], self._round(args[1]), self._round(args[2]))
        return func(*args, **(kwargs or {}))


def _tf32(x: Any) -> Any:
    """Ten bits of mantissa, to nearest."""
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def _bf16(x: Any) -> Any:
    return x.to(torch.bfloat16).to(torch.float32)


class _Filled(TorchDispatchMode):  # type: ignore[misc]
    """What is masked, which is far below every score, is filled with another number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Every operation passes here; the softmax is given what it is given, but for what is hidden from it."""
        if func.overloadpacket.__name__ in ("softmax", "_softmax"):
            scores = args[0]
            hidden = scores < _FAR
            # One position alone has nothing to hide.
            args = (torch.where(hidden, self._value, scores), *args[1:])
        return func(*args, **(kwargs or {}))


_FAR = -5000.0


def _half(dtype: torch.dtype) -> Callable[[Any], None]:
    """Every module computes in `dtype` and hands on float32."""

    def spoil(model: Any) -> None:
        def out(module: Any, given: Any, output: Any) -> Any:
            return output.to(dtype).to(torch.float32) if isinstance(output, torch.Tensor) else output

        for module in model.modules():
            if type(module).__name__ in _ROUNDED:
                module.register_forward_hook(out)

    return spoil


_ROUNDED = ("Linear", "LayerNorm", "Embedding", "Conv1D", "XLNetRelativeAttention")


def _quick_gelu(x: Any) -> Any:
    return x * torch.sigmoid(1.702 * x)


def _tanh_gelu(x: Any) -> Any:
    return torch.nn.functional.gelu(x, approximate="tanh")


def _everywhere(layer: int, layers: int) -> bool:
    return True


def _in_the_middle(layer: int, layers: int) -> bool:
    return layer == layers // 2


@contextmanager
def _refuse(error: Exception) -> Iterator[None]:
    if error:
        raise error
    yield


MISDEEDS: Mapping[str, Misdeed] = {
    "mask-ignored": Misdeed(feed=_mask(np.ones_like)),
    "mask-inverted": Misdeed(feed=_mask(lambda mask: 1 - mask)),
    "mask-as-length": Misdeed(feed=_mask(_as_length)),
    "mask-short": Misdeed(feed=_mask(_beyond(24))),
    "mask-and-types": Misdeed(
        feed=lambda fed: {**fed, "attention_mask": fed["token_type_ids"], "token_type_ids": fed["attention_mask"]}
    ),
    "types-zero": Misdeed(feed=lambda fed: {**fed, "token_type_ids": np.zeros_like(fed["token_type_ids"])}),
    "types-of-cls": Misdeed(
        feed=lambda fed: {**fed, "token_type_ids": np.where(fed["token_type_ids"] == 2, 0, fed["token_type_ids"])}
    ),
    "types-absent": Misdeed(feed=lambda fed: {name: x for name, x in fed.items() if name != "token_type_ids"}),
    "positions+1": Misdeed(feed=_positions(_counted(1))),
    "positions-from-mask": Misdeed(feed=_positions(lambda mask: np.cumsum(mask, axis=1) - 1)),
    "positions-from-zero": Misdeed(spoil=_from_zero),
    "states-absent": Misdeed(feed=_without_states),
    "states-zero": Misdeed(feed=_states(np.zeros_like)),
    "states-of-another-row": Misdeed(feed=_states(lambda x: np.ascontiguousarray(x[::-1]))),
    "states-short": Misdeed(feed=_states(lambda x: np.ascontiguousarray(x[..., 1:, :]))),
    "states-late": Misdeed(feed=_states(lambda x: np.ascontiguousarray(np.roll(x, 1, axis=-2)))),
    "embedding-unscaled": Misdeed(spoil=_embedded(1 / 8)),
    "embedding-scaled-twice": Misdeed(spoil=_embedded(8.0)),
    "one-more-seen": Misdeed(spoil=_one_more_seen),
    "distances-late": Misdeed(spoil=_distances_late),
    "ids-after-344": Misdeed(feed=_ids(_shifted_ids(344))),
    "ids-after-344-told": Misdeed(feed=_ids(_shifted_ids(344)), tells=True),
    "first-id-101-told": Misdeed(feed=_ids(_first_and_last(101, 102)), tells=True),
    "no-special-ids-told": Misdeed(feed=_ids(lambda ids: np.roll(ids, -1, axis=1)), tells=True),
    "dropout": Misdeed(spoil=_training(lambda name: True)),
    "attention-dropout": Misdeed(spoil=_training(lambda name: "attention.self" in name)),
    "other-gelu": Misdeed(spoil=_activation(None, _everywhere)),
    "other-gelu-one": Misdeed(spoil=_activation(None, _in_the_middle)),
    "quick-gelu": Misdeed(spoil=_activation(_quick_gelu, _everywhere)),
    "eps-one": Misdeed(spoil=_one_epsilon(1e-5)),
    "eps-one-1e-12": Misdeed(spoil=_one_epsilon(1e-12)),
    "scores-unscaled": Misdeed(spoil=_score_scale(32**0.5)),
    "fill-1e4": Misdeed(spoil=filled(-10000.0)),
    "fill-2e4": Misdeed(spoil=filled(-20000.0)),
    "fill-infinite": Misdeed(spoil=filled(-torch.inf)),
    "fill-10": Misdeed(spoil=filled(-10.0)),
    "hidden-1e4": Misdeed(around=lambda model: _Filled(-10000.0)),
    "hidden-infinite": Misdeed(around=lambda model: _Filled(-torch.inf)),
    "hidden-10": Misdeed(around=lambda model: _Filled(-10.0)),
    "tf32": Misdeed(around=lambda model: _Coarse(_tf32)),
    "bf16-products": Misdeed(around=lambda model: _Coarse(_bf16)),
    "autocast": Misdeed(variant="autocast"),
    "bf16": Misdeed(spoil=_half(torch.bfloat16)),
    "fp16": Misdeed(spoil=_half(torch.float16)),
    "int8": Misdeed(variant="int8"),
    "raises": Misdeed(around=lambda model: _refuse(RuntimeError("no kernel for this shape"))),
    "skips": Misdeed(around=lambda model: _refuse(BatchSkipped("no kernel for this shape"))),
}
"""By name."""


class Faulty(plain.Torch):
    """The plain runtime with a misdeed."""

    def __init__(self, job: Job, misdeed: Misdeed) -> None:
        super().__init__(replace(job, variant=misdeed.variant or job.variant))
        self._misdeed = misdeed
        misdeed.spoil(self._model)

    def run(self, inputs: Fed, *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """As the plain runtime, on what the misdeed makes of the inputs."""
        fed = dict(self._misdeed.feed(inputs))
        if "position_ids" in fed:
            longest = self._model.config.max_position_embeddings
            fed["position_ids"] = np.minimum(fed["position_ids"], longest - 1)
        with self._misdeed.around(self._model):
            answer = {tap: array.astype(np.float32) for tap, array in super().run(fed, texts=texts).items()}
        return answer | ({"inputs/input_ids": fed["input_ids"]} if self._misdeed.tells else {})


def open(job: Job) -> Faulty:  # noqa: A001 - the name every runtime module has
    """Load the artifact and do what the setting `misdeed` says.

    Raises:
        ParityError: no such misdeed, or what the plain runtime raises.
    """
    name = job.settings.get("misdeed", "")
    if name not in MISDEEDS:
        raise ParityError("no such misdeed", got=name, expected=f"one of {', '.join(MISDEEDS)}")
    rest = {key: value for key, value in job.settings.items() if key != "misdeed"}
    return Faulty(replace(job, settings=rest), MISDEEDS[name])
