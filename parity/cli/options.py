"""Options that several commands read."""

from __future__ import annotations

from collections.abc import Sequence

from parity.errors import ParityError


def pairs(option: str, values: Sequence[str] | None) -> dict[str, str]:
    """KEY=VALUE strings as a dict.

    Raises:
        ParityError: one has no `=`, or a key is given twice.
    """
    found: dict[str, str] = {}
    for value in values or ():
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise ParityError(f"{option} wants NAME=VALUE", got=value)
        if key in found:
            raise ParityError(f"{option} names {key} twice", got=value)
        found[key] = rest
    return found


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned by spaces; the last one is as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
