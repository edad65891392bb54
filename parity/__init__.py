"""Converts transformer checkpoints and proves that every runtime computes the same thing.

From Python: `parity.convert`, `parity.trace`, `parity.compare`, `parity.run`. Importing the package loads none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.artifacts import convert_checkpoint as convert
    from parity.measure import compare_traces as compare
    from parity.runs import run
    from parity.runs.tracing import trace

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "convert", "run", "trace"]

_LAZY = {
    "compare": "parity.measure:compare_traces",
    "convert": "parity.artifacts:convert_checkpoint",
    "run": "parity.runs:run",
    "trace": "parity.runs.tracing:trace",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _LAZY[name].partition(":")
    return getattr(import_module(module), attribute)
