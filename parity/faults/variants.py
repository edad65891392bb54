"""What must not matter: harmless variants of a runtime, of what it is fed, and of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from parity.faults.bert.symmetries import heads, neurons, restored_units, units
from parity.faults.gpt.symmetries import neurons as gpt_neurons
from parity.faults.values import Edit
from parity.inputs.batch import Batch
from parity.inputs.transforms import Piece, alone, backwards, padded
from parity.tensorfile import Array

Feed: TypeAlias = Callable[[Batch], tuple[Piece, ...]]


@dataclass(frozen=True)
class Variant:
    """Something that must not matter."""

    name: str
    runtime: str = "torch:eager"
    threads: int | None = None
    feed: Feed | None = None
    rewriting: str = ""
    edit: Edit | None = None
    restore: Callable[[Mapping[str, Array]], Mapping[str, Array]] = field(default=lambda taps: taps)


def _halves(batch: Batch) -> tuple[Piece, ...]:
    """Two rows at a time."""
    rows = len(batch.arrays["input_ids"])
    found = []
    for start in range(0, rows, 2):
        chosen = tuple(range(start, min(start + 2, rows)))
        arrays = {name: array[list(chosen)] for name, array in batch.arrays.items()}
        texts = None if batch.texts is None else tuple(batch.texts[row] for row in chosen)
        found.append(Piece(replace(batch, name=f"{batch.name} from {start}", arrays=arrays, texts=texts), chosen))
    return tuple(found)


_FED: Mapping[str, Feed] = {
    "rows alone": alone,
    "two rows at a time": _halves,
    "rows backwards": backwards,
    "padded": padded,
}
_RUNTIMES = ("torch:eager", "torch:sdpa", "onnxruntime", "openvino:f32")
_PLAIN = ("no-onednn", "norm-two-pass", "norm-one-pass", "dense-bmm", "dense-einsum", "dense-halves")
_GPT: tuple[str, ...] = (*_PLAIN, "convolution-dense", "gelu-formula")
_REWRITTEN: Mapping[str, tuple[str, ...]] = {
    "bert": (*_PLAIN, "gelu-formula", "qkv-fused", "fill-1e4", "fill-infinite"),
    "gpt2": _GPT,
    "openai-gpt": _GPT,
    "transfo-xl": _PLAIN,
    "xlnet": (*_PLAIN, "gelu-formula"),
}
_SYMMETRIC: Mapping[str, Mapping[str, Edit]] = {
    "bert": {"units permuted": units, "heads permuted": heads, "neurons permuted": neurons},
    "gpt2": {"neurons permuted": gpt_neurons},
    "openai-gpt": {"neurons permuted": gpt_neurons},
}
_MOVES_ON = ("transfo-xl", "xlnet")
"""Their memory moves on with every position that is fed, padding too: it is not fed more of that."""


def variants(family: str) -> tuple[Variant, ...]:
    """Threads, batch sizes and orders, padding, runtimes, optimisation levels, fusions, other orders of summation.

    Args:
        family: the architecture; what it cannot be run with is left out when it comes to it.
    """
    fed = {name: feed for name, feed in _FED.items() if feed is not padded or family not in _MOVES_ON}
    return (
        *(Variant(runtime, runtime) for runtime in (*_RUNTIMES, "onnxruntime:none", "tensorflow", "tensorflow:numpy")),
        *(Variant(f"{runtime} on one thread", runtime, threads=1) for runtime in _RUNTIMES),
        *(
            Variant(f"{runtime} {name}", runtime, feed=feed)
            for runtime in (*_RUNTIMES, "tensorflow:numpy")
            for name, feed in fed.items()
        ),
        *(Variant(f"torch:eager {name}", rewriting=name) for name in _REWRITTEN[family]),
        *(
            Variant(
                f"{runtime} {name}",
                runtime,
                edit=edit,
                restore=restored_units if edit is units else lambda taps: taps,
            )
            for runtime in ("torch:eager", "torch:sdpa")
            for name, edit in _SYMMETRIC.get(family, {}).items()
        ),
    )
