"""Operations of PyTorch, computed otherwise while a model runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_FAR = -5000.0
"""What is masked lies below it, and no score does."""


class Coarse(TorchDispatchMode):  # type: ignore[misc]
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


def tf32(x: Any) -> Any:
    """Ten bits of mantissa, to nearest."""
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def bf16(x: Any) -> Any:
    """Seven bits of mantissa."""
    return x.to(torch.bfloat16).to(torch.float32)


class Filled(TorchDispatchMode):  # type: ignore[misc]
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
