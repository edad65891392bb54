"""Answers about generated inputs: one search a tokenizer, one search for all runtimes of a model together.

What breaks is shrunk, written to the run's `cases/`, and told with the command that runs it again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from parity.backends import RUNTIMES, Runtime
from parity.backends.outcome import Outcome
from parity.errors import MissingRuntime
from parity.families import family
from parity.inputs import strategies
from parity.inputs.batch import Batch
from parity.runs.answer import Answer
from parity.runs.casefile import Broken, CaseFile, regressions
from parity.runs.environment import environment
from parity.runs.generated_ids import Difference, Texts, vanished
from parity.runs.generated_states import Seen, States, shorter
from parity.runs.hunting import Hunt, Look, Plan, hunt
from parity.runs.judging import Judging
from parity.runs.model import ModelRun
from parity.runs.outline import Case, references
from parity.runs.replaying import Replayed, replay_in

EXAMPLES: Final[Mapping[str, Mapping[str, int]]] = {
    "ci": {"ids": 200, "states": 30},
    "nightly": {"ids": 20_000, "states": 500},
}
"""How many examples a search has, by profile: a text is cheap, a batch runs every layer of every runtime."""


def ids(case: Case, model: ModelRun, judging: Judging) -> Answer:
    """Are a tokenizer's ids those of the source's rules, on texts nobody thought of?

    Raises:
        ParityError: the tokenizer cannot be loaded.
    """
    usual = EXAMPLES[model.options.profile]
    # spaCy's ids are those that its transformer was fed: every text is a forward pass.
    plan = Plan.of(model.options, usual["states" if case.backend == "spacy" else "ids"], f"{case.model}-{case.backend}")
    with model.times.stage("generated", case.backend), closing(Texts(model, case.backend)) as texts:
        gone = vanished(case.backend, texts.entries)
        if gone:
            return Answer(case, "fail", "; ".join(gone))
        found = hunt(
            [(1, strategies.texts(model.tokenizer.vocab))],
            lambda text: {case.backend: Look(texts.look(text) is not None)},
            size=lambda text: (len(text), text),
            plan=plan,
        )
        if case.backend in found.shortest:
            return _other_ids(case, model, texts, found, plan)
        skipped, known = sum(texts.skips.values()), sum(texts.known.values())
    if not texts.texts:
        return Answer(case, "fail", f"none of {found.examples} generated texts could be compared")
    names = f" ({', '.join(sorted(texts.known))})" if known else ""
    told = f"{texts.texts} generated texts{plan.told}: the source's ids, but for {known} known differences{names}"
    return Answer(case, "pass", told + (f"; {skipped} that it cannot take" if skipped else ""))


def _other_ids(case: Case, model: ModelRun, texts: Texts, found: Hunt[str], plan: Plan) -> Answer:
    text = found.shortest[case.backend]
    seen = texts.look(text)
    assert isinstance(seen, Difference)
    path = _case(
        "generated_ids", case, model, plan, texts=(text,), message=seen.message, expected=seen.expected, got=seen.got
    )
    codes = " ".join(f"U+{ord(char):04X}" for char in text[:8]) + (" …" if len(text) > 8 else "")
    at = found.first[case.backend]
    message = f"other ids at example {at} of {plan.examples}{plan.told}; the shortest text ({codes}) is {seen.message}"
    return Answer(case, "fail", f"{message}\nagain: parity replay {path}")


def states(case: Case, model: ModelRun, judging: Judging) -> Answer:
    """Does a runtime stay within its bounds, on batches nobody thought of?

    Raises:
        MissingRuntime: it is not installed; ParityError: a reference or an artifact cannot be loaded.
    """
    if model not in _SEARCHES:
        rows = {row.name: row for row in (*judging.rows, RUNTIMES[case.backend]) if row.name not in references()}
        _SEARCHES[model] = _Search.of(model, list(rows.values()))
    return _SEARCHES[model].answer(case)


@dataclass(frozen=True)
class _Search:
    """One search over all runtimes of a model, and what came of each."""

    model: ModelRun
    plan: Plan
    found: Hunt[Batch]
    best: Mapping[str, tuple[Seen, Batch]]
    """The example with the largest ratio."""
    shown: Mapping[str, Seen]
    """What the shortest example shows of each runtime that breaks."""
    counts: Mapping[str, Mapping[str, int]]
    """Examples by runtime and status."""
    lost: Mapping[str, tuple[Outcome, Batch | None]]
    unfit: Mapping[str, str]
    skips: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, model: ModelRun, rows: Sequence[Runtime]) -> _Search:
        """Search."""
        config, options = model.outline.config, model.options
        plan = Plan.of(options, EXAMPLES[options.profile]["states"], f"{model.outline.name}-{options.scale}")
        limits = {
            "vocab_size": config.vocab_size,
            "positions": config.positions,
            "token_types": config.token_types,
        }
        masked = family(model.outline.family).feeds.masked
        best: dict[str, tuple[Seen, Batch]] = {}
        counts: dict[str, dict[str, int]] = {row.name: {} for row in rows}
        strategies.require()
        with model.times.stage("generated"), closing(States(model, rows)) as live:
            live.load()

            def look(batch: Batch) -> Mapping[str, Look]:
                fresh = not live.has(batch)
                seen = live.look(batch)
                for name, one in seen.items():
                    if fresh:
                        counts[name][one.status] = counts[name].get(one.status, 0) + 1
                    if one.status == "pass" and (name not in best or one.excess > best[name][0].excess):
                        best[name] = (one, batch)
                return {name: Look(one.broken, one.excess) for name, one in seen.items()}

            found = hunt(strategies.batches(model.tokenizer, masked=masked, **limits), look, size=shorter, plan=plan)
            shown = {name: live.look(batch)[name] for name, batch in found.shortest.items() if name not in live.lost}
        return cls(model, plan, found, best, shown, counts, live.lost, live.unfit, dict(live.skips))

    def answer(self, case: Case) -> Answer:
        """The answer about one runtime.

        Raises:
            MissingRuntime: it is not installed.
        """
        name = case.backend
        if name in self.lost:
            return self._lost(case, *self.lost[name])
        if name in self.unfit:
            return Answer(case, "report", self.unfit[name])
        if name not in self.counts or not self.counts[name]:
            row = RUNTIMES[name]
            self.model.artifact(row.kind, row.options)  # raises what has kept it from being loaded
            return Answer(case, "fail", "no generated batch was run")
        if name in self.shown:
            return self._broken(case, self.shown[name], self.found.shortest[name])
        counts, told = self.counts[name], self._skipped(name)
        if name not in self.best:
            message = f"none of {sum(counts.values())} generated batches could be judged{told}"
            return Answer(case, "skip", message, remedy="ask for more (--examples)")
        seen, batch = self.best[name]
        message = f"{counts['pass']} generated batches{self.plan.told} within bounds{told}; nearest {seen.tap} at "
        message += f"{seen.excess:.2f} of its limit, on {_described(batch)}"
        return Answer(case, "pass", message, seen.ratio, seen.limit, seen.worst)

    def _broken(self, case: Case, seen: Seen, batch: Batch) -> Answer:
        path = _case(
            "generated_states",
            case,
            self.model,
            self.plan,
            batch=batch,
            message=seen.message,
            tap=seen.tap,
            ratio=_finite(seen.ratio),
            limit=seen.limit,
        )
        token = f", token {seen.worst['token']!r}" if seen.worst else ""
        at = f"example {self.found.first[case.backend]} of {self.plan.examples}{self.plan.told}"
        message = f"{seen.tap}: {seen.message}{token}; first at {at}, shrunk to {_described(batch)}"
        prefix = "unjudged: " if seen.status == "unjudged" else ""
        again = f"\nagain: parity replay {path}"
        return Answer(case, "fail", prefix + message + again, _finite(seen.ratio), seen.limit, seen.worst)

    def _lost(self, case: Case, outcome: Outcome, batch: Batch | None) -> Answer:
        if outcome.status == "missing":
            raise MissingRuntime(outcome.reason, remedy=RUNTIMES[case.backend].pip)
        tail = f"\n{outcome.stderr_tail}" if outcome.stderr_tail else ""
        if batch is None:
            return Answer(case, "fail", f"{outcome.status}: {outcome.reason}{tail}")
        message = f"{outcome.status}: {outcome.reason}"
        path = _case("generated_states", case, self.model, self.plan, batch=batch, message=message)
        return Answer(case, "fail", f"{message}, on {_described(batch)}{tail}\nagain: parity replay {path}")

    def _skipped(self, name: str) -> str:
        found = [f"{count} skipped: {reason}" for (who, reason), count in self.skips.items() if who == name]
        return f" ({'; '.join(found)})" if found else ""


_SEARCHES: WeakKeyDictionary[ModelRun, _Search] = WeakKeyDictionary()


def regression(case: Case, model: ModelRun, judging: Judging) -> Answer:
    """Do the inputs that once broke something break nothing now?

    Raises:
        ParityError: a case cannot be read.
    """
    paths = regressions(model.outline.name)
    if not paths:
        remedy = "copy a file of a run's cases/ there once its fault is mended"
        return Answer(case, "skip", f"fixtures/regressions holds no case of {model.outline.name}", remedy=remedy)
    with model.times.stage("generated", case.backend):
        replayed: list[tuple[Path, Replayed]] = [(path, replay_in(model, path)) for path in paths]
    run = [(path, one) for path, one in replayed if one.status != "skip"]
    failing = [f"{path.name}: {one.message}" for path, one in run if one.status == "fail"]
    left = f", {len(replayed) - len(run)} of another scale or a missing runtime" if len(run) < len(replayed) else ""
    if failing:
        return Answer(case, "fail", f"{len(failing)} of {len(run)} cases fail again: {'; '.join(failing)}")
    return Answer(case, "pass" if run else "skip", f"{len(run)} cases of old hold{left}")


def _case(
    question: Broken,
    case: Case,
    model: ModelRun,
    plan: Plan,
    *,
    message: str,
    batch: Batch | None = None,
    texts: tuple[str, ...] | None = None,
    tap: str | None = None,
    ratio: float | None = None,
    limit: float | None = None,
    expected: tuple[int, ...] | None = None,
    got: tuple[int, ...] | None = None,
) -> str:
    """Write a case into the run's folder; returns its path as a command line takes it."""
    path = CaseFile(
        question=question,
        model=model.outline.model,
        scale=model.options.scale,
        runtime=case.backend,
        texts=batch.texts if batch else texts,
        arrays={name: array.tolist() for name, array in batch.arrays.items()} if batch else None,
        shown=batch.shown if batch else (),
        message=message,
        tap=tap,
        ratio=ratio,
        limit=limit,
        expected=expected,
        got=got,
        seed=plan.seed,
        versions=environment()["versions"],
    ).write(model.log.folder / "cases")
    return os.path.relpath(path)


def _described(batch: Batch) -> str:
    rows, length = batch.arrays["input_ids"].shape
    size = f"{rows} x {length} positions, {batch.real_tokens} real"
    if batch.shown:
        return f"{' | '.join(map(repr, batch.shown))} ({size})"
    return f"ids {batch.arrays['input_ids'].tolist()!s:.200} ({size})"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
