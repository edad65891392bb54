"""Converts transformer checkpoints and proves that every runtime computes the same thing."""

from __future__ import annotations

__version__ = "0.1.0"
