"""From words to roles: which old command this is, and what it says."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from parity.artifacts.legacy.commands import COMMANDS, Command
from parity.errors import ParityError, Problems

_PYTHON = re.compile(r"(.*/)?python[\d.]*(\.exe)?")
_BY_NAME = {name: command for command in COMMANDS for name in command.names}
_BOOLEANS = {"true": "yes", "1": "yes", "yes": "yes", "false": "", "0": "", "no": ""}


@dataclass(frozen=True)
class Asked:
    """An old command, read."""

    command: Command
    name: str
    values: Mapping[str, str]
    """Value of each role that was given."""
    said: tuple[str, ...]


def read(words: Sequence[str]) -> Asked:
    """Read an old command line.

    Args:
        words: as a shell splits it, or the whole as one string; `python`, `-m`, a path and `.py` may be in front.

    Raises:
        ParityError: no such command, or options that it does not have; all of them at once.
    """
    left = _program(words)
    for length in (2, 1):
        name = tuple(word.lower() for word in left[:length])
        if len(name) == length and name in _BY_NAME:
            return _arguments(_BY_NAME[name], " ".join(left[:length]), left[length:])
    near = [" ".join(known) for known in _BY_NAME if known[0] == left[0].lower()] if left else []
    spelt = {" ".join(known): known for known in _BY_NAME}
    close = difflib.get_close_matches(" ".join(left[:2]), spelt, n=1) or difflib.get_close_matches(
        left[0] if left else "", spelt, n=1
    )
    raise ParityError(
        f"no old command is called {' '.join(left[:2])}" if left else "no command",
        expected=f"one of {', '.join(near)}" if near else None,
        remedy=f"did you mean {close[0]}?" if close else "paste the old command after `parity legacy`",
    )


def _program(words: Sequence[str]) -> list[str]:
    """The words from the program's name on, the name as it is known here."""
    left = _split(words[0]) if len(words) == 1 else list(words)
    while left and (left[0] in ("$", "!", "%") or re.fullmatch(r"\w+=.*", left[0])):
        left.pop(0)
    if left:
        left[0] = left[0].lstrip("!%$")
    if left and _PYTHON.fullmatch(left[0]):
        left.pop(0)
        module = bool(left) and left[0] == "-m"
        left = left[module:]
        if left and module:
            left[0] = left[0].removesuffix(".__main__").rpartition(".")[2]
    if left:
        left[0] = re.split(r"[/\\]", left[0])[-1].removesuffix(".py").replace("-", "_")
    # Line ends of a pasted command, where no shell has read them.
    return [word for word in (word.strip("\r\n") for word in left) if word not in ("", "\\")]


def _split(line: str) -> list[str]:
    try:
        # No shell has read it: variables expand here, and lines end where they would there.
        return shlex.split(re.sub(r"\\\r?(\n|$)", " ", os.path.expandvars(line.strip())))
    except ValueError as error:
        raise ParityError(f"no shell can read this: {error}", got=line, remedy="mend the quotes") from error


def _arguments(command: Command, name: str, words: Sequence[str]) -> Asked:
    problems = Problems(f"{name} cannot be followed")
    values: dict[str, str] = {}
    said: list[str] = []
    loose: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if not re.match(r"-{1,2}[A-Za-z]", word):
            loose.append(word)
            continue
        option = _option(command, word, problems)
        if option is None:
            if "=" not in word and left and not left[0].startswith("-"):
                left.pop(0)
            continue
        value = word.partition("=")[2] if "=" in word else None
        if value is None and option not in command.flags:
            if not left:
                problems.add(f"{word} has no value", remedy="give it one")
                continue
            value = left.pop(0)
        if option in command.refused:
            problems.add(f"{word} is not offered", remedy=command.refused[option])
        elif option in command.ignored:
            said.append(f"{word.partition('=')[0]} is without effect: {command.ignored[option]}")
        elif command.options[option] in values:
            problems.add(f"{word} is given twice", remedy="leave one of them out")
        else:
            values[command.options[option]] = _flag(word, value) if option in command.flags else str(value)
    _positions(command, loose, values, problems)
    for role in command.required:
        if role not in values and not len(problems):
            listed = next((f"--{option}" for option, held in command.options.items() if held == role), role)
            problems.add(f"{name} needs {listed}", remedy="give it")
    problems.raise_if_any()
    return Asked(command, name, values, tuple(said))


def _flag(word: str, value: str | None) -> str:
    if value is None:
        return "yes"
    if value.lower() not in _BOOLEANS:
        raise ParityError(f"{word} is neither true nor false", remedy="leave the value out")
    return _BOOLEANS[value.lower()]


def _option(command: Command, word: str, problems: Problems) -> str | None:
    """The option that a word means: dashes of either number, `_` or `-` inside, or its unmistakable beginning."""
    spelt = word.lstrip("-").partition("=")[0].replace("-", "_")
    known = {*command.options, *command.ignored, *command.refused}
    if spelt in known:
        return spelt
    if spelt in command.short:
        return command.short[spelt]
    begun = [name for name in known if name.startswith(spelt)]
    if len(begun) == 1 and len(spelt) > 1:
        return begun[0]
    problems.add(f"unknown option {word.partition('=')[0]}", remedy=_nearest(spelt, sorted(begun) or known))
    return None


def _positions(command: Command, loose: list[str], values: dict[str, str], problems: Problems) -> None:
    needed = [role for role in command.positional if not role.endswith("?")]
    if len(loose) > len(command.positional):
        extra = loose[len(command.positional)]
        problems.add(f"{extra} is one argument too many", expected=_usage(command) or "options only")
    elif len(loose) < len(needed):
        problems.add(f"{needed[len(loose)].upper()} is missing", expected=_usage(command))
    values |= {role.rstrip("?"): word for role, word in zip(command.positional, loose, strict=False)}


def _usage(command: Command) -> str:
    return " ".join(f"[{role[:-1].upper()}]" if role.endswith("?") else role.upper() for role in command.positional)


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    if close:
        return f"nearest known: {' or '.join(f'--{one}' for one in close)}"
    return f"known: {', '.join(f'--{one}' for one in sorted(known))}" if known else "leave it out"
