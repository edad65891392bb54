"""The architectures this house knows, loaded by name."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection

from parity.errors import ParityError
from parity.families.base import Family

FAMILIES: dict[str, str] = {
    "bert": "parity.families.bert",
    "gpt2": "parity.families.gpt2",
    "openai-gpt": "parity.families.openai_gpt",
    "transfo-xl": "parity.families.transfo_xl",
    "xlnet": "parity.families.xlnet",
}


def family(name: str) -> Family:
    """The architecture of that name.

    Raises:
        ParityError: there is none.
    """
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=1)
        raise ParityError(
            f"unknown family {name}",
            expected=f"one of {', '.join(FAMILIES)}",
            remedy=f"did you mean {near[0]}?" if near else "leave it out: the variables' names tell it",
        )
    found: Family = importlib.import_module(FAMILIES[name]).FAMILY
    return found


def chosen(name: str | None, names: Collection[str], *, where: object = None) -> Family:
    """The architecture of that name, or without one the one that the variables' names tell.

    A name is for checkpoints whose own names tell nothing, not for making one into another.

    Raises:
        ParityError: there is none of that name, the variables are plainly another's, or nothing tells.
    """
    if name is None:
        return detect(names, where=where)
    asked = family(name)
    others = [other for other in map(family, FAMILIES) if other.name != name and other.recognises(names)]
    if asked.recognises(names) or len(others) != 1:
        return asked
    (plain,) = others
    raise ParityError(
        f"this is no {name}: the variables are those of {plain.name}",
        where=str(where) if where is not None else None,
        got=f"{len(names)} variables such as {', '.join(sorted(names)[:3])}",
        remedy=f"leave --family out, or say --family {plain.name}",
    )


def detect(names: Collection[str], *, where: object = None) -> Family:
    """The architecture whose original graph has variables of these names.

    Raises:
        ParityError: none or several recognise them; the message shows a few of the names.
    """
    found = [candidate for candidate in map(family, FAMILIES) if candidate.recognises(names)]
    if len(found) != 1:
        shown = ", ".join(sorted(names)[:3])
        raise ParityError(
            "the variables belong to no known family" if not found else "the variables fit several families",
            where=str(where) if where is not None else None,
            got=f"{len(names)} variables such as {shown}" if names else "no variables",
            expected=f"one of {', '.join(f.name for f in found) or ', '.join(FAMILIES)}",
            remedy="name it with --family",
        )
    return found[0]
