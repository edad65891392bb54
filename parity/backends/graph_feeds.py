"""What an exported graph is fed: which inputs each architecture's graph has, and a batch as it takes it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.backends.protocol import BatchSkipped
from parity.errors import ParityError, Problems
from parity.tensorfile import Array

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
POSITIONS = "logit_positions"
Shapes = Mapping[str, Sequence[int | None]]
"""A graph's inputs with their declared sizes; None for a free one."""


@dataclass(frozen=True)
class _Feeds:
    plain: tuple[str, ...] = INPUTS[:1]
    states: tuple[str, ...] = ()
    """Templates of what one segment hands on to the next, for every layer {k}."""


_FAMILIES: Mapping[str, _Feeds] = {
    "bert": _Feeds(INPUTS),
    "gpt2": _Feeds(states=("past.{k}.key", "past.{k}.value")),
    "openai-gpt": _Feeds(),
    "transfo-xl": _Feeds(states=("mems.{k}",)),
    "xlnet": _Feeds(INPUTS, ("mems.{k}",)),
}
_TWO_STREAMS = ("perm_mask", "target_mapping")


def check_inputs(given: Collection[str], *, family: str = "bert", where: str) -> None:
    """Check a graph's input names.

    Raises:
        ParityError: one is missing (a model that never sees the segments), or one is not known.
    """
    if family not in _FAMILIES:
        raise ParityError(f"no graphs are known of {family}", expected=f"one of {', '.join(_FAMILIES)}")
    feeds = _FAMILIES[family]
    layers = {int(found[1]) for name in given if (found := _state(name))} if feeds.states else set()
    states = [template.format(k=k) for k in range(len(layers) or 1) for template in feeds.states]
    if set(given) != {*feeds.plain, *states}:
        raise ParityError(
            "the graph has other inputs",
            where=where,
            got=", ".join(sorted(given)),
            expected=", ".join((*feeds.plain, *states)),
            remedy="convert the checkpoint again",
        )


def feeds(inputs: Mapping[str, Array], shapes: Shapes, *, positions: bool) -> dict[str, Array]:
    """A batch as a graph takes it.

    Every position is real and of segment 0 unless the batch says otherwise, and what is before the first segment is
    nothing: states of length 0.

    Args:
        inputs: the batch.
        shapes: the graph's inputs.
        positions: feed `logit_positions` too.

    Raises:
        ParityError: the batch lacks `input_ids`, or the positions, or its arrays fit neither each other nor the graph.
        BatchSkipped: the graph has no input for what the batch says.
    """
    _check_batch(inputs, shapes)
    ids = inputs["input_ids"]
    whole = {"attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids), **inputs}
    fed = {name: np.ascontiguousarray(whole[name], np.int64) for name in INPUTS if name in shapes}
    fed |= _states(inputs, {name: shape for name, shape in shapes.items() if _state(name)}, rows=len(ids))
    return {**fed, POSITIONS: at_positions(inputs)} if positions else fed


def at_positions(inputs: Mapping[str, Array]) -> Array:
    """The positions at which a batch wants what is as wide as the vocabulary, int64 [B,Q].

    Raises:
        ParityError: it has none.
    """
    if POSITIONS not in inputs:
        raise ParityError(f"the batch has no {POSITIONS}", remedy="write it with `parity.inputs`")
    return np.ascontiguousarray(inputs[POSITIONS], np.int64)


def _check_batch(inputs: Mapping[str, Array], shapes: Shapes) -> None:
    """What is wrong is said before it runs: on one thread OpenVINO answers shapes that clash with old numbers."""
    if "input_ids" not in inputs:
        raise ParityError("the batch has no input_ids", remedy="write it with `parity.inputs`")
    if any(name in inputs for name in _TWO_STREAMS):
        raise BatchSkipped("exported graphs have one stream of attention: neither perm_mask nor target_mapping")
    mask = inputs.get("attention_mask")
    if mask is not None and "attention_mask" not in shapes and (np.diff(mask.astype(np.int8), axis=1) > 0).any():
        raise BatchSkipped("the graph has no attention mask: left padding or holes would be read as tokens")
    if "token_type_ids" not in shapes and np.any(inputs.get("token_type_ids", 0)):
        raise BatchSkipped("the graph has no token types")
    problems = Problems("the batch's arrays do not fit each other")
    rows, length = inputs["input_ids"].shape
    for name, known in (("attention_mask", (rows, length)), ("token_type_ids", (rows, length)), (POSITIONS, (rows,))):
        if name in inputs and inputs[name].shape[: len(known)] != known:
            problems.add(f"{name} does not fit input_ids", got=list(inputs[name].shape), expected=list(known))
    problems.raise_if_any()


def _states(inputs: Mapping[str, Array], shapes: Shapes, *, rows: int) -> dict[str, Array]:
    """The batch's states, float32, or empty ones."""
    given = {name for name in inputs if _state(name)}
    empty = {name: [0 if size is None else size for size in shape] for name, shape in shapes.items()}
    if not given:
        return {name: np.zeros((rows, *shape[1:]), np.float32) for name, shape in empty.items()}
    problems = Problems("the batch has other states than the graph takes")
    for name in sorted(given ^ set(shapes)):
        problems.add(f"the graph has no input {name}" if name in given else f"the batch has no {name}")
    lengths = {_length(inputs[name], shape) for name, shape in shapes.items() if name in given}
    for name in sorted(given & set(shapes)):
        sizes = zip(inputs[name].shape, (rows, *shapes[name][1:]), strict=False)
        if inputs[name].ndim != len(shapes[name]) or any(known not in (None, size) for size, known in sizes):
            expected = [rows, *("free" if size is None else size for size in shapes[name][1:])]
            problems.add(
                f"{name} has another shape than the graph takes", got=list(inputs[name].shape), expected=expected
            )
    if len(lengths) > 1:
        problems.add("the batch has states of several lengths", got=sorted(lengths))
    problems.raise_if_any()
    return {name: np.ascontiguousarray(inputs[name], np.float32) for name in shapes}


def _length(state: Array, shape: Sequence[int | None]) -> int:
    """Size of its free axis but the batch."""
    axis = next((axis for axis, size in enumerate(shape) if axis and size is None), 0)
    return state.shape[axis] if axis < state.ndim else 0


def _state(name: str) -> re.Match[str] | None:
    return re.fullmatch(r"(?:past|mems)\.(\d+)(?:\.key|\.value)?", name)
