"""A generated input that broke something, as a file that can be run again anywhere: `parity replay CASE`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from parity.backends import RUNTIMES
from parity.errors import ParityError
from parity.inputs.batch import Batch
from parity.inputs.fixtures import fixtures_root
from parity.runs.options import Scale
from parity.runs.outline import TOKENIZERS

FORMAT = 1
Broken = Literal["generated_ids", "generated_states"]


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """What broke, on what, and what was seen."""

    question: Broken
    model: str
    """Card name, folder or checkpoint, as the run was given it."""
    scale: str
    runtime: str
    """A runtime, or a tokenizer."""
    texts: tuple[str, ...] | None
    """What the runtime is fed if it tokenizes by itself; None where no text gives the arrays."""
    arrays: Mapping[str, Any] | None = None
    """The batch as nested lists; None for a question about ids."""
    shown: tuple[str, ...] = ()
    message: str
    tap: str | None = None
    ratio: float | None = None
    limit: float | None = None
    expected: tuple[int, ...] | None = None
    """Ids by the source's rules, for a question about ids."""
    got: tuple[int, ...] | None = None
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, folder: Path) -> Path:
        """Write the case under a name of its own, made from what it holds."""
        text = json.dumps(asdict(self), ensure_ascii=True, indent=1, sort_keys=True) + "\n"
        digest = hashlib.sha256(json.dumps([self.texts, self.arrays, self.model]).encode()).hexdigest()[:8]
        path = folder / f"{self.question}-{self.runtime.replace(':', '-')}-{digest}.json"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def batch(self) -> Batch:
        """The batch, not checked against any model.

        Raises:
            ParityError: the case has none.
        """
        if self.arrays is None:
            raise ParityError("this case holds no arrays", got=self.question, expected="generated_states")
        try:
            arrays = {name: np.array(values, np.int32) for name, values in self.arrays.items()}
        except (ValueError, TypeError, OverflowError) as error:
            raise ParityError(f"the case's arrays are none: {error}") from error
        return Batch("generated", arrays, self.texts, self.shown, "generated")


def read_case(path: Path) -> CaseFile:
    """Read a case.

    Raises:
        ParityError: unreadable, not a case, or of another format.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParityError(f"cannot be read: {error.strerror}", where=path) from error
    except (ValueError, RecursionError) as error:
        raise ParityError("not a case: not JSON", where=path, remedy="name a file from a run's cases/") from error
    flaw = _flaw(raw)
    if flaw:
        raise ParityError(f"not a case: {flaw}", where=path, remedy="name a file from a run's cases/")
    listed = {name: None if raw.get(name) is None else tuple(raw[name]) for name in ("texts", "expected", "got")}
    return CaseFile(**{**raw, **listed, "shown": tuple(raw.get("shown", ()))})


def regressions(model: str, folder: Path | None = None) -> tuple[Path, ...]:
    """The cases about a model that are kept for ever, by name; from what ships unless a folder is named."""
    place = folder or fixtures_root() / "regressions"
    found = sorted(place.glob("*.json")) if place.is_dir() else []
    return tuple(path for path in found if read_case(path).model == model)


_TEXT, _MAYBE_LIST = (str,), (list, type(None))
_FIELDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("question", "model", "scale", "runtime", "message"), _TEXT),
    **dict.fromkeys(("texts", "expected", "got"), _MAYBE_LIST),
    "arrays": (dict, type(None)),
    "shown": (list,),
    "tap": (str, type(None)),
    "ratio": (int, float, type(None)),
    "limit": (int, float, type(None)),
    "seed": (int, type(None)),
    "versions": (dict,),
    "format": (int,),
}


_RUNTIMES = (*RUNTIMES, *TOKENIZERS)


def _flaw(raw: object) -> str:
    if not isinstance(raw, dict):
        return "no JSON object"
    wrong = sorted(name for name in raw if name not in _FIELDS or not isinstance(raw[name], _FIELDS[name]))
    lacking = sorted({"question", "model", "scale", "runtime", "texts", "message"} - set(raw))
    told = [f"{what} {', '.join(names)}" for what, names in (("wrong", wrong), ("no", lacking)) if names]
    if told:
        return "; ".join(told)
    if raw.get("format", FORMAT) != FORMAT:
        return f"format {raw['format']}, expected {FORMAT}"
    for name, known in (("question", get_args(Broken)), ("scale", get_args(Scale)), ("runtime", _RUNTIMES)):
        if raw[name] not in known:
            return f"{name} {raw[name]}, expected one of {', '.join(known)}"
    strings = [*(raw["texts"] or ()), *raw.get("shown", ())]
    return "" if all(isinstance(text, str) for text in strings) else "texts that are no strings"
