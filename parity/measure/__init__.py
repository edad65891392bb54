"""Traces in, numbers out: deviations, the plain ratio, verdicts. Knows nothing of layers' insides.

`TapMeasure` accumulates one tap over a run's batches, `judge` decides about it, `compare_traces` does both for whole
traces. The rule is the first slice of the project's numerics: the plain ratio rms(candidate - oracle) / rms(source -
oracle), pooled, at most 3 on at least 64 values.
"""

from __future__ import annotations

from parity.measure.compare import compare_traces
from parity.measure.places import Places, guess_axes, places_of
from parity.measure.result import HEADER, CandidateResult, Comparison, TapResult
from parity.measure.sums import Deviation, Sums
from parity.measure.tap import DTYPES, BatchDeviation, RowErrors, TapMeasure, Worst
from parity.measure.verdict import BOUNDS, JUDGED, LEAST, LIMIT, Verdict, judge, judge_bounds

__all__ = [
    "BOUNDS",
    "DTYPES",
    "HEADER",
    "JUDGED",
    "LEAST",
    "LIMIT",
    "BatchDeviation",
    "CandidateResult",
    "Comparison",
    "Deviation",
    "Places",
    "RowErrors",
    "Sums",
    "TapMeasure",
    "TapResult",
    "Verdict",
    "Worst",
    "compare_traces",
    "guess_axes",
    "judge",
    "judge_bounds",
    "places_of",
]
