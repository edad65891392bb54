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

from parity.backends import torch as plain
from parity.backends.faulty_modes import Coarse, Filled, bf16, tf32
from parity.backends.faulty_spoils import (
    activation,
    distances_late,
    embedded,
    everywhere,
    from_zero,
    half,
    in_the_middle,
    one_epsilon,
    one_more_seen,
    quick_gelu,
    score_scale,
    training,
)
from parity.backends.harmless import filled
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


def _states(change: Callable[[Array], Array]) -> Callable[[Fed], Fed]:
    """What the segment before handed on is another."""
    return lambda fed: {name: change(x) if name.startswith(_STATES) else x for name, x in fed.items()}


def _without_states(fed: Fed) -> Fed:
    return {name: x for name, x in fed.items() if not name.startswith(_STATES)}


_STATES = ("mems.", "past.")


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
    "positions-from-zero": Misdeed(spoil=from_zero),
    "states-absent": Misdeed(feed=_without_states),
    "states-zero": Misdeed(feed=_states(np.zeros_like)),
    "states-of-another-row": Misdeed(feed=_states(lambda x: np.ascontiguousarray(x[::-1]))),
    "states-short": Misdeed(feed=_states(lambda x: np.ascontiguousarray(x[..., 1:, :]))),
    "states-late": Misdeed(feed=_states(lambda x: np.ascontiguousarray(np.roll(x, 1, axis=-2)))),
    "embedding-unscaled": Misdeed(spoil=embedded(1 / 8)),
    "embedding-scaled-twice": Misdeed(spoil=embedded(8.0)),
    "one-more-seen": Misdeed(spoil=one_more_seen),
    "distances-late": Misdeed(spoil=distances_late),
    "ids-after-344": Misdeed(feed=_ids(_shifted_ids(344))),
    "ids-after-344-told": Misdeed(feed=_ids(_shifted_ids(344)), tells=True),
    "first-id-101-told": Misdeed(feed=_ids(_first_and_last(101, 102)), tells=True),
    "no-special-ids-told": Misdeed(feed=_ids(lambda ids: np.roll(ids, -1, axis=1)), tells=True),
    "dropout": Misdeed(spoil=training(lambda name: True)),
    "attention-dropout": Misdeed(spoil=training(lambda name: "attention.self" in name)),
    "other-gelu": Misdeed(spoil=activation(None, everywhere)),
    "other-gelu-one": Misdeed(spoil=activation(None, in_the_middle)),
    "quick-gelu": Misdeed(spoil=activation(quick_gelu, everywhere)),
    "eps-one": Misdeed(spoil=one_epsilon(1e-5)),
    "eps-one-1e-12": Misdeed(spoil=one_epsilon(1e-12)),
    "scores-unscaled": Misdeed(spoil=score_scale(32**0.5)),
    "fill-1e4": Misdeed(spoil=filled(-10000.0)),
    "fill-2e4": Misdeed(spoil=filled(-20000.0)),
    "fill-infinite": Misdeed(spoil=filled(-torch.inf)),
    "fill-10": Misdeed(spoil=filled(-10.0)),
    "hidden-1e4": Misdeed(around=lambda model: Filled(-10000.0)),
    "hidden-infinite": Misdeed(around=lambda model: Filled(-torch.inf)),
    "hidden-10": Misdeed(around=lambda model: Filled(-10.0)),
    "tf32": Misdeed(around=lambda model: Coarse(tf32)),
    "bf16-products": Misdeed(around=lambda model: Coarse(bf16)),
    "autocast": Misdeed(variant="autocast"),
    "bf16": Misdeed(spoil=half(torch.bfloat16)),
    "fp16": Misdeed(spoil=half(torch.float16)),
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
