"""One guilty station: what it is computed from, how it answers to an alteration, and how that is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from parity.backends.diagnosis.hypothesis import NOTHING, AlteredOps, Hypothesis, SigmoidGelu, Watched, fed
from parity.backends.diagnosis.original import Original
from parity.backends.diagnosis.sample import Piece, cut, sources
from parity.backends.diagnosis.walks import floor_of, noisy, run, scaled
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.rounded import Recipe, RoundedOps
from parity.backends.executors.stochastic import UNITS
from parity.backends.executors.walk import needed
from parity.families.values import Variable
from parity.measure.floor import Bools, Floats, Floor, FloorBatch, pool
from parity.measure.judgement import Judgement, judge
from parity.measure.limits import Groups
from parity.measure.noise import Errors
from parity.ops import Stage
from parity.tensorfile import Array
from parity.traces import INPUTS


class Station:
    """A station with its sample, and the stages between what was traced before it and itself."""

    def __init__(
        self,
        original: Original,
        tap: str,
        pieces: Sequence[Piece],
        groups: Groups,
        *,
        plain: Mapping[str, NumpyOps] | None = None,
    ) -> None:
        """Args: the checkpoint, the station, its sample, what the run judges; unaltered tensors, by dtype."""
        self.original, self.tap, self.pieces, self._groups = original, tap, pieces, groups
        self._plain = plain or {dtype: NumpyOps(original.read, np.dtype(dtype)) for dtype in UNITS}
        self.given = sources(original, tap, list(pieces[0].given))
        self.segment = self._needed(original.reference.stages)
        self.reads: dict[str, tuple[str, ...]] = {}
        """Tensors by stage."""
        self._base = [self._watched(piece) for piece in pieces]
        self._tainted: list[Bools] = []

    @property
    def tensors(self) -> dict[str, Variable]:
        """What the stages of the segment read."""
        names = dict.fromkeys(name for stage in self.segment for name in self.reads[stage.name])
        known = self.original.variables
        return {name: known[name] for name in names if name in known}

    def part(self, tokens: int) -> Station:
        """The worst rows alone, about so many judged positions: a hypothesis that does not help there does not help."""
        squares, start = np.square(self.white(self.values())).mean(axis=1), 0
        rows = list[tuple[float, int, int, int]]()
        for number, piece in enumerate(self.pieces):
            for row, judged in enumerate(piece.judged):
                count = int(judged.sum())
                rows.append((float(squares[start : start + count].max(initial=0.0)), number, row, count))
                start += count
        chosen: dict[int, list[int]] = {}
        for _, number, row, count in sorted(rows, reverse=True):
            if tokens > 0:
                chosen.setdefault(number, []).append(row)
                tokens -= count
        pieces = [cut(self.pieces[number], sorted(rows)) for number, rows in sorted(chosen.items())]
        return Station(self.original, self.tap, pieces, self._groups, plain=self._plain)

    def applies(self, hypothesis: Hypothesis) -> bool:
        """May it move this station? What explained another one may be about that one alone."""
        if hypothesis.passes:
            return hypothesis.subject == (self.tap,)
        # Not every batch has what is altered: a memory, say.
        return any(self._dirty(hypothesis, fed(hypothesis, piece.inputs)) for piece in self.pieces)

    def values(self, hypothesis: Hypothesis = NOTHING) -> list[Array]:
        """What the station would be, float64, per piece."""
        if hypothesis.passes:
            return [piece.given[hypothesis.passes].astype(np.float64) for piece in self.pieces]
        ops, stages = self._ops(hypothesis, "float64"), self._stages(hypothesis)
        executor = ops if hypothesis.erf_slope is None else SigmoidGelu(ops, hypothesis.erf_slope)
        found = []
        for piece, base in zip(self.pieces, self._base, strict=True):
            moved = self._dirty(hypothesis, fed(hypothesis, piece.inputs))
            kept = {name: value for name, value in base.items() if name not in moved}
            found.append(run(stages, executor, self._fed(piece, hypothesis, "float64"), kept)[self.tap])
        return found

    def narrow(self, hypothesis: Hypothesis) -> list[Array]:
        """What a sound float32 run of the altered station computes, per piece."""
        ops, stages = self._ops(hypothesis, "float32"), self._stages(hypothesis)
        return [run(stages, ops, self._fed(piece, hypothesis, "float32"))[self.tap] for piece in self.pieces]

    def emulated(self, recipe: Recipe) -> list[Array]:
        """The station with the roundings of a lower precision, float32, per piece."""
        ops = RoundedOps(self.original.read, recipe)
        found = []
        for piece, base in zip(self.pieces, self._base, strict=True):
            # A stream that this batch does not have is none to be rounded.
            there = [stage for stage in self.segment if base[stage.name] is not None]
            stages = [ops.watch(stage, output=stage.name == self.tap) for stage in there]
            found.append(run(stages, ops, self._fed(piece, NOTHING, "float32"))[self.tap])
        return found

    def alone(self, inputs: Mapping[str, Array]) -> Array:
        """The station on other inputs, where it is computed from nothing else."""
        return run(self.segment, self._plain["float64"], {INPUTS + name: x for name, x in inputs.items()})[self.tap]

    @cached_property
    def floors(self) -> tuple[list[FloorBatch], Floor]:
        """Of the reference as it is."""
        return self.floors_of(NOTHING)

    def floors_of(self, hypothesis: Hypothesis) -> tuple[list[FloorBatch], Floor]:
        """What float32 rounding does to the altered station, by stochastic arithmetic on what the runtime had."""
        if hypothesis is not NOTHING:
            assert self.floors  # which finds the rows that are not judged: the same ones under another epsilon
        found, plain, stages = list[FloorBatch](), self._ops(hypothesis, "float32"), self._stages(hypothesis)
        for number, piece in enumerate(self.pieces):
            if hypothesis.passes:
                value: Array = np.zeros((1, *piece.seen.shape))
            else:
                given = self._fed(piece, hypothesis, "float32")
                value, degenerate = noisy(stages, plain, given, piece, erf_slope=hypothesis.erf_slope)
                if hypothesis is NOTHING:
                    self._tainted.append(degenerate)
            found.append(floor_of(value, piece.judged, self._tainted[number]))
        return found, pool(found)

    def judge(self, values: Sequence[Array], floors: tuple[list[FloorBatch], Floor] | None = None) -> Judgement:
        """The runtime's error against these values."""
        batches, floor = self.floors if floors is None else floors
        errors = Errors(floor)
        for piece, value, batch in zip(self.pieces, values, batches, strict=True):
            errors.add(piece.name, piece.seen, value, batch)
        return judge(floor, errors.ratios(), self._groups)

    def excess(self, judgement: Judgement) -> float:
        """Worst ratio over its limit; what cannot be judged is infinitely far."""
        if judgement.status == "pass" and not judgement.findings:
            return 0.0
        return judgement.excess if np.isfinite(judgement.excess) else np.inf

    def white(self, values: Sequence[Array], other: Sequence[Array] | None = None) -> Floats:
        """`values` less `other` (what the runtime has, less `values`, unless said) in floors: [judged positions, C]."""
        batches, floor = self.floors
        rows = []
        for number, (piece, value, batch) in enumerate(zip(self.pieces, values, batches, strict=True)):
            error = piece.seen.astype(np.float64) - value if other is None else value - other[number]
            places = floor.places(batch.token[piece.judged])[:, None]
            rows.append(error[piece.judged] / np.where(places > 0, places, 1.0))
        found = np.concatenate(rows)
        weights: Floats = np.sqrt(floor.weights(found.shape[1])) if floor.rms > 0 else np.ones(found.shape[1])
        return found * weights

    def _needed(self, stages: Sequence[Stage]) -> list[Stage]:
        return needed(stages, [self.tap], given=self.given)

    def _watched(self, piece: Piece) -> dict[str, Array]:
        """Values of all stages as they should be; notes what each stage reads."""
        values, found = self._fed(piece, NOTHING, "float64"), dict[str, Array]()
        for stage in self.segment:
            watched = Watched(self._plain["float64"])
            found |= run([stage], watched, values)
            values.setdefault(stage.name, found[stage.name])
            self.reads[stage.name] = tuple(dict.fromkeys(watched.seen))
        return found

    def _ops(self, hypothesis: Hypothesis, dtype: str) -> NumpyOps:
        plain = self._plain[dtype]
        return AlteredOps(plain, self.original.read, hypothesis.weights, dtype) if hypothesis.weights else plain

    def _stages(self, hypothesis: Hypothesis) -> Sequence[Stage]:
        """The segment under another config, and with other factors."""
        stages, scale = self.segment, hypothesis.scale
        if hypothesis.config:
            others = self._needed(self.original.stages(hypothesis.config))
            pairs = zip(stages, others, strict=True)
            stages = [other if hypothesis.within in ("", other.name) else stage for stage, other in pairs]
        return [scaled(stage, scale[stage.name]) if stage.name in scale else stage for stage in stages]

    def _dirty(self, hypothesis: Hypothesis, inputs: Mapping[str, Array]) -> set[str]:
        """Stages of the segment whose values an alteration may move."""
        found = set[str]()
        for stage in self.segment:
            changed = hypothesis.elsewhere or stage.name == hypothesis.within or stage.name in hypothesis.scale
            changed |= any(name in hypothesis.weights for name in self.reads[stage.name])
            if changed or any(need in found or need.removeprefix(INPUTS) in inputs for need in stage.needs):
                found.add(stage.name)
        return found

    def _fed(self, piece: Piece, hypothesis: Hypothesis, dtype: str) -> dict[str, Array]:
        """What the segment is computed from."""
        inputs = {INPUTS + name: array for name, array in {**piece.inputs, **fed(hypothesis, piece.inputs)}.items()}
        return inputs | {name: piece.given[name].astype(dtype) for name in self.given}
