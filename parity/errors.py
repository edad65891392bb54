"""The one family of errors a user may see: what, where, got, expected, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike


class ParityError(Exception):
    """A user's mistake or an unreadable input; the command line prints it on one line and exits with `exit_code`."""

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: str | PathLike[str] | None = None,
        got: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.got, self.expected, self.remedy = what, where, got, expected, remedy

    def __str__(self) -> str:
        named = (("got", self.got), ("expected", self.expected))
        facts = [f"{name} {_on_one_line(value)}" for name, value in named if value is not None]
        text = f"{_on_one_line(self.where)}: {self.what}" if self.where is not None else self.what
        text += f" ({', '.join(facts)})" if facts else ""
        return _harmless(f"{text}; {self.remedy}" if self.remedy else text)


def _on_one_line(value: object) -> str:
    return str(value).replace("\n", "\\n")


def _harmless(text: str) -> str:
    """Names come from files of others: what would command a terminal is spelt out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class BrokenParity(ParityError):
    """A proof or comparison that does not hold."""

    exit_code = 1


class MissingRuntime(ParityError):
    """A runtime that the request needs is not installed."""

    exit_code = 3


class Problems:
    """Collects what is wrong, so that a user reads everything at once.

    A single problem is raised as it is; several become one error whose lines name each.
    """

    def __init__(self, what: str, *, where: str | PathLike[str] | None = None, limit: int = 20) -> None:
        self.what, self.where, self.limit = what, where, limit
        self._found: list[ParityError] = []

    def add(self, what: str, *, got: object = None, expected: object = None, remedy: str | None = None) -> None:
        """Note one problem at this collector's place."""
        self._found.append(ParityError(what, where=self.where, got=got, expected=expected, remedy=remedy))

    def extend(self, problems: Iterable[ParityError]) -> None:
        """Take over problems that were found elsewhere."""
        self._found.extend(problems)

    def __len__(self) -> int:
        return len(self._found)

    def raise_if_any(self, kind: type[ParityError] = ParityError) -> None:
        """Raise what was collected.

        Raises:
            ParityError: of the given kind, if there was any problem.
        """
        if not self._found:
            return
        if len(self._found) == 1:
            only = self._found[0]
            raise kind(only.what, where=only.where, got=only.got, expected=only.expected, remedy=only.remedy)
        shown = [f"  - {_without_place(problem, self.where)}" for problem in self._found[: self.limit]]
        if len(self._found) > self.limit:
            shown.append(f"  - and {len(self._found) - self.limit} more")
        raise kind("\n".join([f"{self.what}: {len(self._found)} problems", *shown]), where=self.where)


def _without_place(problem: ParityError, place: str | PathLike[str] | None) -> str:
    text = str(problem)
    return text.removeprefix(_harmless(f"{_on_one_line(place)}: ")) if place is not None else text
