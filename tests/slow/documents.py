"""What the documents claim that can be tried: commands, options, links, file names, extras."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slow.environments import ROOT

PROGRAMS = ("parity", "pytest", "make", "pip", ".venv/bin/python")
_FENCE = re.compile(r"^\s*(```|~~~)")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Command:
    """One command line as it stands in a document, without its comment."""

    line: int
    words: tuple[str, ...]
    comment: str

    def __str__(self) -> str:
        return f"line {self.line}: {shlex.join(self.words)}"


def documents() -> list[Path]:
    """Every document of the repository."""
    found = [path for pattern in ("*.md", "docs/**/*.md", "fixtures/**/*.md") for path in sorted(ROOT.glob(pattern))]
    return [*found, ROOT / "reports" / "README.md"]


def commands(path: Path) -> list[Command]:
    """The commands of a document's code blocks, and those that a comment there offers instead: `# or: parity ...`."""
    found = []
    for number, line in _code(path):
        text, _, comment = line.partition(" #")
        for offered in (text, *re.findall(r"^ or: (.+)", comment)):
            words = tuple(shlex.split(offered))
            if words and words[0] in PROGRAMS:
                found.append(Command(number, words, comment.strip()))
    return found


def spans(path: Path) -> list[str]:
    """Code in running text."""
    code = {number for number, _ in _code(path)}
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return [span for number, line in lines if number not in code for _, span in _SPAN.findall(line)]


def links(path: Path) -> list[str]:
    """Targets of links and pictures that lie in the repository."""
    found = _LINK.findall(path.read_text(encoding="utf-8"))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(path: Path) -> set[str]:
    """What a link may name after `#`: headings in small letters, with dashes for spaces."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _code(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of code blocks, fenced or indented, by number; a line that ends in a backslash goes on."""
    fenced, begun = False, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if _FENCE.match(line):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            begun += line.strip()
            if begun.endswith("\\"):
                begun = begun[:-1]
            else:
                yield number, begun
                begun = ""
