"""What a run of a model will compare, told from its card or config: enough for test ids, and quick."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from parity.backends import RUNTIMES as ALL_RUNTIMES
from parity.backends import Runtime, runtimes, status
from parity.errors import ParityError
from parity.families import family as family_named
from parity.families.base import Family
from parity.families.values import Config, Head, Tap
from parity.models import card, card_names
from parity.models.sources import located
from parity.models.standin import blueprint
from parity.runs.options import RunOptions

if TYPE_CHECKING:
    from parity.models import Source

KINDS = ("pytorch", "tensorflow", "spacy", "openvino", "onnx")
TOKENIZERS = ("tokenizers", "transformers", "spacy")

THREADS, REPEATED = "threads", "repeated"
INVARIANCES = ("padding", "batch-size", "batch-order", THREADS, REPEATED)
"""What must not change an answer: more padding, a row's company, its place, the number of threads, asking twice."""
INVARIANCES_OF_TEXTS = ("documents", "batch-order", THREADS, REPEATED)
"""The same of a runtime that is fed texts: it pads by itself; `documents` = one by one against all at once."""

Question = Literal[
    "proof",
    "tokenization",
    "hidden_states",
    "heads",
    "artifacts",
    "backend",
    "invariance",
    "generated_ids",
    "generated_states",
    "regression",
]


@dataclass(frozen=True)
class Outline:
    """A model's name, shape and stations, before anything of it is built."""

    name: str
    model: str
    """As the user named it."""
    family: str
    config: Config
    head: Head
    taps: tuple[Tap, ...]


@dataclass(frozen=True)
class Case:
    """One comparison: a question about a model, asked of one runtime or kind of artifact, at one tap if it has one."""

    model: str
    backend: str
    precision: str
    question: Question
    tap: str | None = None
    """The tap; of the question `invariance`, which one."""

    @property
    def id(self) -> str:
        """How a test id spells it."""
        return "-".join(filter(None, (self.model, self.backend, self.precision, self.tap)))


def outline(model: str, options: RunOptions) -> Outline:
    """Look at a card, or at a checkpoint's index and config.

    Raises:
        ParityError: there is no such model.
    """
    if model in card_names():
        of = card(model)
        if options.scale != "full" or located(of) is None:
            architecture = family_named(of.family)
            plan = blueprint(of, options.scale)
            head = architecture.heads({variable.name for variable in plan.variables})[0]
            return Outline(
                of.name, model, of.family, plan.config, head, _taps(architecture, plan.config, head, options)
            )
    from parity.artifacts.opening import resolve_model

    return outline_of(resolve_model(model, scale=options.scale), model, options)


def outline_of(source: Source, model: str, options: RunOptions) -> Outline:
    """The outline of a source that exists."""
    from parity.artifacts.source import Choices, understand

    understood = understand(source, Choices())
    understood.checkpoint.close()
    taps = _taps(understood.family, understood.config, understood.head, options)
    return Outline(source.name, model, source.family, understood.config, understood.head, taps)


def _taps(architecture: Family, config: Config, head: Head, options: RunOptions) -> tuple[Tap, ...]:
    """The stations, or what the globs select from stations and finer taps."""
    stations = architecture.taps(config, head)
    return selected((*stations, *architecture.fine_taps(config, head)), options.taps) if options.taps else stations


def chosen_runtimes(options: RunOptions) -> tuple[Runtime, ...]:
    """The runtimes that a run has, references first.

    Raises:
        ParityError: an unknown name, or a precision that none of them claims.
    """
    if options.backends:
        named = {row.name: row for name in options.backends for row in runtimes(name)}
        rows = {name: ALL_RUNTIMES[name] for name in references()} | named
    else:
        rows = {row.name: row for row in ALL_RUNTIMES.values() if row.standard}
        rows = {name: ALL_RUNTIMES[name] for name in references()} | rows
    if options.precisions:
        known = sorted({row.precision for row in rows.values()})
        for precision in options.precisions:
            if precision not in known:
                raise ParityError(
                    "no runtime claims this precision", got=precision, expected=f"one of {', '.join(known)}"
                )
        rows = {name: row for name, row in rows.items() if name in references() or row.precision in options.precisions}
    return tuple(rows.values())


def references() -> tuple[str, str]:
    """The oracle, and the source runtime: TensorFlow, or NumPy in float32 where TensorFlow is not installed."""
    ready = status(ALL_RUNTIMES["tensorflow"]).state == "ready"
    return ("oracle", "tensorflow" if ready else "tensorflow:numpy")


def cases(outlined: Outline, options: RunOptions) -> tuple[Case, ...]:
    """Every comparison a run of this model makes, in the order the suites ask them.

    Raises:
        ParityError: an unknown runtime, or a tap pattern that matches nothing.
    """
    rows = chosen_runtimes(options)
    kinds = [kind for kind in KINDS if not options.backends or kind in {row.kind for row in rows} | {"pytorch"}]
    hidden = [tap for tap in outlined.taps if tap.station != "head"]
    heads = [tap for tap in outlined.taps if tap.station == "head"]
    stations = any(tap.station != "fine" for tap in outlined.taps)
    candidates = [row for row in rows if row.name not in references()]
    tokenizers = [name for name in TOKENIZERS if name != "spacy" or any(row.name == "spacy" for row in rows)]

    def case(backend: str, precision: str, question: Question, tap: str | None = None) -> Case:
        return Case(outlined.name, backend, precision, question, tap)

    return (
        *(case(kind, "float32", "proof") for kind in kinds),
        *(case(name, "ids", "tokenization") for name in tokenizers),
        *(case(row.name, row.precision, "backend") for row in rows),
        *(case(row.name, row.precision, "hidden_states", tap.name) for row in candidates for tap in hidden),
        *(case(row.name, row.precision, "heads", tap.name) for row in candidates for tap in heads),
        *(case(kind, "float32", "artifacts") for kind in kinds if kind != "tensorflow"),
        *(case(row.name, row.precision, "invariance", of) for row in candidates for of in invariances(row) if stations),
        *(case(name, "ids", "generated_ids") for name in tokenizers),
        *(case(row.name, row.precision, "generated_states") for row in candidates if stations),
        case("regressions", "cases", "regression"),
    )


def invariances(row: Runtime) -> tuple[str, ...]:
    """What a runtime is asked to answer alike."""
    return INVARIANCES_OF_TEXTS if row.kind == "spacy" else INVARIANCES


def selected(taps: tuple[Tap, ...], globs: Collection[str]) -> tuple[Tap, ...]:
    """The taps that match any of the globs; all without globs.

    Raises:
        ParityError: a glob matches none.
    """
    for glob in globs:
        if not any(fnmatch.fnmatchcase(tap.name, glob) for tap in taps):
            raise ParityError("no tap matches", got=glob, expected=f"one of {', '.join(tap.name for tap in taps)}")
    return tuple(tap for tap in taps if not globs or any(fnmatch.fnmatchcase(tap.name, glob) for glob in globs))
