"""Are the chunks of a cut vector in their order? Told by what they hold, where their sizes say nothing.

A norm's gain starts at 1 and stays around it: its numbers have a mean near their root mean square. The matrices around
it have a mean near 0. Where the shapes put a gain and the numbers are none, something lies elsewhere than it should.
Every published chunk but the first two holds a gain; two chunks that hold none are not told apart by this, nor by
anything else in the format.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from parity.checkpoints.openai import Shape
from parity.errors import Problems
from parity.tensorfile import Array

TRUST = "PARITY_TRUST_ORDER"
"""Environment variable: set to 1, the order of chunks is not judged."""
_GAIN = "/g"
_LEAST = 0.5
"""Of mean over root mean square. A gain with less would scatter by more than 1.7 times its mean; numbers around 0, as
many as the narrowest real model is wide, stay far below."""
_FEWEST = 16
"""Fewer numbers than this say nothing."""


def check_order(
    folder: Path,
    tensors: Sequence[tuple[str, Shape]],
    read: Callable[[str], Array],
    chunks: Callable[[str], Sequence[str]],
) -> None:
    """See that there are gains where the shapes put them.

    Args:
        folder: for messages.
        tensors: names and shapes in the vector's order.
        read: gives a tensor by name.
        chunks: names of the files that a tensor lies in.

    Raises:
        ParityError: numbers that are no gains; each variable with what it holds, and in which chunk.
    """
    if os.environ.get(TRUST) == "1":
        return
    problems = Problems("chunks appear to be out of order, or the shapes are those of other weights", where=folder)
    for name, shape in tensors:
        if not name.endswith(_GAIN) or shape[0] < _FEWEST:
            continue
        values = read(name).astype(np.float64)
        mean, size = float(values.mean()), float(np.sqrt(np.mean(np.square(values))))
        # Written so that NaN is no gain either.
        if not mean >= _LEAST * size > 0:
            problems.add(
                f"{', '.join(chunks(name))} appears to be out of order: {name} is no gain of a norm",
                got=f"mean {mean:.3g}, root mean square {size:.3g}",
                expected="both near 1",
                remedy=f"name the chunks as published; {TRUST}=1 in the environment takes them as they are",
            )
    problems.raise_if_any()
