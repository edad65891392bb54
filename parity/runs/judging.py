"""From a runtime's traces to verdicts: its taps beside the source's and the oracle's, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from parity.backends import RUNTIMES, Runtime
from parity.backends.outcome import Outcome
from parity.errors import ParityError
from parity.families.values import Tap
from parity.inputs.batch import Batch
from parity.measure.places import places_of
from parity.measure.tap import TapMeasure, Worst
from parity.measure.verdict import Verdict, judge
from parity.runs.answer import Answer
from parity.runs.model import ModelRun
from parity.runs.outline import Case, references
from parity.traces import TraceBatch, batch_path, read_batch, real_positions


class Judging:
    """Outcomes and measures of one model's runtimes, in the order of `rows`."""

    def __init__(self, model: ModelRun, rows: Sequence[Runtime]) -> None:
        self.model = model
        self._rows = [row for row in rows if row.name != "oracle"]
        self._stations: dict[str, dict[str, tuple[TapMeasure, Verdict]]] = {}
        self._fed: dict[str, tuple[int, str | None]] = {}

    def outcome(self, row: Runtime) -> Outcome:
        """What became of a runtime; the next one in the plan imports meanwhile."""
        names = [one.name for one in self._rows]
        at = names.index(row.name) if row.name in names else -1
        following = self._rows[at + 1] if 0 <= at < len(self._rows) - 1 else None
        return self.model.outcome(row, following=following)

    def station(self, case: Case, row: Runtime) -> Answer:
        """The verdict on one tap; all taps of the runtime are measured when the first is asked for."""
        if row.name not in self._stations:
            outcome = self.outcome(row)
            self.fed(row)
            self._stations[row.name] = self._measure(row, outcome, self.model.batches, batch_numbers=None)
            self.model.forget(row)
        outcome = self.outcome(row)
        assert case.tap is not None
        if case.tap in outcome.unavailable:
            return Answer(case, "skip", outcome.unavailable[case.tap], remedy="ask a runtime that can show this tap")
        measured, verdict = self._stations[row.name][case.tap]
        return self._answer(case, measured, verdict)

    def fed(self, row: Runtime) -> tuple[int, str | None]:
        """How many ids a runtime that tokenizes by itself fed as we would, and the first batch where it did not."""
        if row.name not in self._fed:
            same, different = 0, None
            outcome = self.outcome(row)
            for number, batch in enumerate(self.model.batches):
                seen = read_batch(batch_path(outcome.traces, number), ())
                real = real_positions(batch.arrays)
                if seen.skipped is None and not fed_alike(seen, batch):
                    different = different or batch.name
                elif seen.skipped is None:
                    same += int(real.sum())
            self._fed[row.name] = (same, different)
        return self._fed[row.name]

    def shipped(self, case: Case, row: Runtime) -> Answer:
        """The graph as it ships, at its own outputs, on the smaller batches."""
        outcome = self.model.outcome(row, shipped=True)
        if outcome.status == "missing":
            return Answer(case, "skip", outcome.reason, remedy=row.pip)
        if not outcome.ok:
            return Answer(case, "fail", f"{outcome.status}: {outcome.reason}\n{outcome.stderr_tail}")
        numbers = [self.model.input_files.index(path) for path in outcome.job.inputs]
        batches = [self.model.batches[number] for number in numbers]
        found = self._measure(row, outcome, batches, batch_numbers=numbers, record=False)
        self.model.forget(row, shipped=True)
        shown = {tap: pair for tap, pair in found.items() if pair[0].sums is not None or pair[0].problems}
        failing = next((tap for tap, (_, verdict) in shown.items() if verdict.status == "fail"), None)
        judged = [tap for tap, (_, verdict) in shown.items() if verdict.status == "pass"]
        if failing is not None:
            measured, verdict = shown[failing]
            answer = self._answer(case, measured, verdict)
            return Answer(case, "fail", f"{failing}: {answer.message}", answer.value, answer.limit, answer.worst)
        if not judged:
            return Answer(case, "fail", "the shipped graph gave nothing that could be judged")
        value = max(verdict.value or 0.0 for _, verdict in shown.values())
        return Answer(
            case, "pass", f"own outputs {', '.join(judged)} on {len(batches)} batches", value, judge_limit(shown)
        )

    def _measure(
        self,
        row: Runtime,
        outcome: Outcome,
        batches: Sequence[Batch],
        *,
        batch_numbers: Sequence[int] | None,
        record: bool = True,
    ) -> dict[str, tuple[TapMeasure, Verdict]]:
        oracle_name, source_name = references()
        source = self.outcome(RUNTIMES[source_name])
        oracle = self.outcome(RUNTIMES[oracle_name])
        if not source.ok:
            raise ParityError(f"nothing to compare with: {source_name} {source.status}: {source.reason}")
        precision = outcome.describe.get("precision", row.precision) if row.precision == "default" else row.precision
        measures = {tap.name: TapMeasure(tap.name, precision=precision) for tap in self.model.outline.taps}
        with self.model.times.stage("compare", row.name, own=True):
            for place, batch in enumerate(batches):
                number = place if batch_numbers is None else batch_numbers[place]
                candidate = read_batch(batch_path(outcome.traces, place))
                base = read_batch(batch_path(source.traces, number))
                truth = read_batch(batch_path(oracle.traces, number))
                for tap in self.model.outline.taps:
                    # The shipped graph shows only what it ships.
                    kept_back = not record and not candidate.skipped and tap.name not in candidate.taps
                    if tap.name not in outcome.unavailable and not kept_back:
                        update(measures[tap.name], tap, batch, candidate, base, truth)
            found = {name: (measure, judge(measure)) for name, measure in measures.items()}
            if record:
                self._record(row, found)
        return found

    def _record(self, row: Runtime, found: Mapping[str, tuple[TapMeasure, Verdict]]) -> None:
        who = {"model": self.model.outline.name, "backend": row.name, "precision": row.precision}
        for name, (measure, _) in found.items():
            rows = [(one.batch, one.metrics) for one in measure.batches]
            if measure.metrics:
                rows.append(("*", measure.metrics))
            for batch, metrics in rows:
                finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
                self.model.log.write("deviation", **who, batch=batch, tap=name, metrics=finite)

    def _answer(self, case: Case, measured: TapMeasure, verdict: Verdict) -> Answer:
        worst = self._worst(measured.worst) if measured.worst else None
        message = verdict.message
        if verdict.status == "fail" and worst:
            message += f"; worst at {worst['batch']} row {worst['row']}, token {worst['token']!r} of {worst['text']!r}"
        if verdict.status == "skip":
            return Answer(case, "skip", message, remedy="give inputs that this runtime can take (--texts, --inputs)")
        return Answer(case, verdict.status, message, verdict.value, verdict.limit, worst)

    def _worst(self, worst: Worst) -> dict[str, Any]:
        batch = next(one for one in self.model.batches if one.name == worst.batch)
        texts = batch.shown or batch.texts or ()
        token = None
        if worst.position is not None:
            ids = batch.arrays["input_ids"][worst.row]
            tokens = self.model.tokenizer.vocab.tokens
            token = tokens[int(ids[worst.position])] if worst.position < len(ids) else None
        text = texts[worst.row] if worst.row < len(texts) else None
        return {**worst.as_dict(), "token": token, "text": text}


def judge_limit(found: Mapping[str, tuple[TapMeasure, Verdict]]) -> float | None:
    """The limit that these verdicts share."""
    return next((verdict.limit for _, verdict in found.values() if verdict.limit is not None), None)


def update(
    measure: TapMeasure, tap: Tap, batch: Batch, candidate: TraceBatch, source: TraceBatch, oracle: TraceBatch
) -> None:
    """Measure one tap on one batch, ids first: a runtime that was fed other ids is compared with nothing else."""
    if candidate.skipped:
        measure.skip(batch.name, candidate.skipped)
        return
    if not fed_alike(candidate, batch):
        measure.refuse(batch.name, "the runtime fed other token ids than the source's rules give")
        return
    found = places_of(tap.axes, oracle.taps[tap.name].shape, batch.arrays)
    taps = [party.taps.get(tap.name) for party in (candidate, source, oracle)]
    measure.update(*taps, batch=batch.name, real=found.real, positions=found.positions)


def fed_alike(trace: TraceBatch, batch: Batch) -> bool:
    """Whether a runtime was fed the batch's ids at every real position."""
    fed, real = trace.inputs.get("input_ids"), real_positions(batch.arrays)
    return fed is None or (fed.shape == real.shape and not (fed != batch.arrays["input_ids"])[real].any())
