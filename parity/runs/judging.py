"""From a runtime's traces to verdicts: its taps beside the source's and the oracle's, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from parity.backends import Runtime
from parity.backends.outcome import Outcome
from parity.measure.aligned import fed_alike
from parity.measure.lower import Lowered
from parity.measure.station import Station
from parity.measure.tap import Worst
from parity.runs.answer import Answer
from parity.runs.drift import default_file, warning
from parity.runs.drift import read as read_drift
from parity.runs.investigating import Inquiry, investigate
from parity.runs.lower import Lower
from parity.runs.model import ModelRun
from parity.runs.outline import Case
from parity.runs.references import metrics
from parity.traces import batch_path, read_batch, real_positions


class Judging:
    """Outcomes and measures of one model's runtimes, in the order of `rows`."""

    def __init__(self, model: ModelRun, rows: Sequence[Runtime]) -> None:
        self.model = model
        self._rows = [row for row in rows if row.name != "oracle"]
        self._stations: dict[str, dict[str, Station]] = {}
        self._inquiries: dict[str, Inquiry | str | None] = {}
        """What an investigation found; in words, why it could not be made; None where nobody is guilty."""
        self._fed: dict[str, tuple[int, str | None]] = {}
        self._lower = Lower(model, model.scratch / "lower")
        self._prices: dict[str, Mapping[str, Lowered]] = {}
        """What a runtime's storage of weights costs, by tap."""

    @property
    def rows(self) -> Sequence[Runtime]:
        """The runtimes that some selected case asks about."""
        return self._rows

    def outcome(self, row: Runtime) -> Outcome:
        """What became of a runtime; the next one in the plan imports meanwhile."""
        names = [one.name for one in self._rows]
        at = names.index(row.name) if row.name in names else -1
        following = self._rows[at + 1] if 0 <= at < len(self._rows) - 1 else None
        return self.model.outcome(row, following=following)

    def station(self, case: Case, row: Runtime) -> Answer:
        """The verdict on one tap; all taps of the runtime are measured when the first is asked for."""
        outcome = self.outcome(row)
        if row.name not in self._stations:
            self.fed(row)
            self._stations[row.name] = self._judged(row, outcome)
            self._prices[row.name] = self._lower.price(row)
            self._record(row, self._stations[row.name])
            self._compare_with_calibration(row, outcome, self._stations[row.name])
            self._inquiries[row.name] = self._investigated(row, outcome)
            self.model.forget(row)
        assert case.tap is not None
        if case.tap in outcome.unavailable:
            return Answer(case, "skip", outcome.unavailable[case.tap], remedy="ask a runtime that can show this tap")
        answer = self._answer(case, self._stations[row.name][case.tap])
        paid = self._prices[row.name].get(case.tap)
        if paid is not None:
            told = f"; the weights as stored move it by {paid.relative:.1e} of its size"
            answer = replace(answer, message=answer.message + told)
        if answer.status != "fail":
            return answer
        inquiry, lines = self._inquiries[row.name], [answer.message]
        if isinstance(inquiry, Inquiry):
            lines += [inquiry.shares, inquiry.sentence, _place(answer.worst), self._again(case, inquiry)]
        else:
            lines += [inquiry or "", _place(answer.worst)]
        return replace(answer, message="\n".join(filter(None, lines)))

    def _investigated(self, row: Runtime, outcome: Outcome) -> Inquiry | str | None:
        with self.model.times.stage("diagnosis", row.name, own=True):
            try:
                return investigate(self.model, row, outcome, list(self._stations[row.name].values()))
            except Exception as error:  # the verdict stands, whatever becomes of its explanation
                return f"not investigated: {type(error).__name__}: {error}"

    def _again(self, case: Case, inquiry: Inquiry) -> str:
        """The command that shows this failure alone."""
        options = self.model.options
        scale = f" --scale {options.scale}" if self.model.source.stand_in and options.scale != "full" else ""
        inputs = f" --inputs {options.inputs}" if options.inputs != "small" else ""
        texts = f" --texts {options.texts}" if options.texts else ""
        place = inquiry.guilty[0]
        taps = f" --taps '{place}*'" if place.startswith("layer.") else ""
        return f"again: parity run {self.model.outline.model} --backend {case.backend}{scale}{inputs}{texts}{taps}"

    def fed(self, row: Runtime) -> tuple[int, str | None]:
        """How many ids a runtime that tokenizes by itself fed as we would, and the first batch where it did not."""
        if row.name not in self._fed:
            same, different = 0, None
            outcome = self.outcome(row)
            for number, batch in enumerate(self.model.batches):
                seen = read_batch(batch_path(outcome.traces, number), ())
                real = real_positions(batch.arrays)
                if seen.skipped is None and not fed_alike(seen, batch.arrays):
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
        # The shipped graph shows only what it ships.
        found = self._judged(row, outcome, places=numbers, taps=self._shown(outcome), own=False)
        self.model.forget(row, shipped=True)
        failing = next((station for station in found.values() if station.status in _RED), None)
        judged = [station for station in found.values() if station.status == "pass"]
        if failing is not None:
            answer = self._answer(case, failing)
            return replace(answer, message=f"{failing.tap}: {answer.message}\n{_place(answer.worst)}".rstrip())
        if not judged:
            return Answer(case, "fail", "the shipped graph gave nothing that could be judged")
        worst = max(judged, key=lambda station: station.value or 0.0)
        told = f"own outputs {', '.join(station.tap for station in judged)} on {len(numbers)} batches"
        return Answer(case, "pass", told, worst.value, worst.limit)

    def _judged(self, row: Runtime, outcome: Outcome, **asked: Any) -> dict[str, Station]:
        precision = self._precision(row, outcome)
        if Lower.concerns(row, precision):
            return self._lower.judge(row, outcome, precision=precision, **asked)
        return self.model.references.judge(outcome, precision=precision, **asked)

    def _compare_with_calibration(self, row: Runtime, outcome: Outcome, found: Mapping[str, Station]) -> None:
        """Warn of rounding that changed; never red."""
        path = self.model.options.drift
        default = default_file(self.model.outline.name, self.model.options.scale)
        if path is None and not default.exists():
            return
        told = warning(read_drift(path or default), outcome, found)
        if told is not None:
            who = {"model": self.model.outline.name, "backend": row.name, "precision": row.precision}
            self.model.log.write("warning", **who, message=told)

    @staticmethod
    def _precision(row: Runtime, outcome: Outcome) -> str:
        return outcome.describe.get("precision", row.precision) if row.precision == "default" else row.precision

    @staticmethod
    def _shown(outcome: Outcome) -> tuple[str, ...]:
        """What the first batch that was answered shows."""
        traces = (read_batch(batch_path(outcome.traces, place)) for place in range(len(outcome.job.inputs)))
        return next((tuple(trace.taps) for trace in traces if trace.skipped is None), ())

    def _record(self, row: Runtime, found: Mapping[str, Station]) -> None:
        who = {"model": self.model.outline.name, "backend": row.name, "precision": row.precision}
        for tap, station in found.items():
            rows = [(one.batch, one.metrics) for one in station.measure.batches]
            if station.measure.metrics:
                paid = self._prices[row.name].get(tap)
                rows.append(("*", {**metrics(station), **({"price": paid.relative} if paid else {})}))
            for batch, numbers in rows:
                finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
                self.model.log.write("deviation", **who, batch=batch, tap=tap, metrics=finite)

    def _answer(self, case: Case, station: Station) -> Answer:
        worst = self._worst(station.measure.worst) if station.measure.worst else None
        message, status = station.message, station.status
        if status == "skip":
            return Answer(case, "skip", message, remedy="give inputs that this runtime can take (--texts, --inputs)")
        if status == "unjudged":
            return Answer(case, "fail", f"unjudged: {message}", station.value, station.limit, worst)
        if status == "fail" and station.inherited:
            message += "; inherited, its own error is sound"
        return Answer(case, status, message, station.value, station.limit, worst)

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


def _place(worst: Mapping[str, Any] | None) -> str:
    """Where the largest deviation is, for a person to look at."""
    if worst is None:
        return ""
    return f"worst at {worst['batch']} row {worst['row']}, token {worst['token']!r} of {worst['text']!r}"


_RED = ("fail", "unjudged")
