"""K: XLNet's own rules that tokenizers leave out."""

from __future__ import annotations

from typing import Any

from parity.faults.values import Fault, Tokens
from parity.inputs.wordpiece import Casing

_TEXTS = ("Crème brûlée, naïve", "``A 'quoted'' text''", "ещё один  район ", "A plain sentence.")


def _cls_in_the_first_segment(value: dict[str, Any], casing: Casing) -> None:
    for template in ("single", "pair"):
        value["post_processor"][template][-1]["SpecialToken"]["type_id"] = 0


def _cls_first(value: dict[str, Any], casing: Casing) -> None:
    single = value["post_processor"]["single"]
    single.insert(0, single.pop())


def _without(kind: str) -> Any:
    def edit(value: dict[str, Any], casing: Casing) -> None:
        steps = value["normalizer"]["normalizers"]
        value["normalizer"]["normalizers"] = [step for step in steps if step["type"] != kind]

    return edit


def _quotes_kept(value: dict[str, Any], casing: Casing) -> None:
    steps = value["normalizer"]["normalizers"]
    value["normalizer"]["normalizers"] = [step for step in steps if step.get("content") != '"']


def _fault(id: str, variant: str, what: str, edit: Any) -> Fault:  # noqa: A002 - as the field is called
    return Fault(id=id, variant=variant, verdict="token ids", what=what, inject=Tokens(edit, _TEXTS))


FAULTS = (
    _fault("K-09", "segment", "<cls> in the first text's segment", _cls_in_the_first_segment),
    _fault("K-10", "accents", "accents are kept together with their letters", _without("NFKD")),
    _fault("K-10", "space", "no space before the text", _without("Prepend")),
    _fault("K-10", "quotes", "typewriter quotes as they are", _quotes_kept),
    _fault("K-11", "first", "<cls> in front, as BERT has it", _cls_first),
)
