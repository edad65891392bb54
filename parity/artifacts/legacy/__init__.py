"""Old converters' command lines, as tutorials have them, done with today's core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """What came of an old command."""

    modern: str
    """The command line of today that does the same."""
    said: tuple[str, ...]
    """Options without effect, what was taken otherwise than it was, and every assumption."""
    made: tuple[Path, ...]


def run_legacy(words: Sequence[str], *, force: bool = False) -> Done:
    """Do what an old command line asks for.

    Args:
        words: the old command, program first; or one string with all of it.
        force: replace results that are there already.

    Raises:
        ParityError: the command or one of its options is not known, or the conversion is refused; nothing is left
            half-made.
    """
    from parity.artifacts.legacy.commands import MO
    from parity.artifacts.legacy.parse import read

    asked = read(words)
    if asked.command is MO:
        from parity.artifacts.legacy.optimizer import optimize

        return optimize(asked, force=force)
    from parity.artifacts.legacy.checkpoints import convert_as_asked

    return convert_as_asked(asked, force=force)
