"""What the rules people use would have said on the same arrays: one table, each with its formula and where it is from.

A rule looks at one tap of one batch at a time, real positions only, and catches a fault if it objects anywhere. That
is more than their authors do, who look at the last hidden state or the logits of one batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.measure.places import places_of
from parity.tensorfile import Array
from parity.traces import TraceBatch

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Seen:
    """Sums over one tap of one batch: candidate c, source s, both float32, and oracle o, float64."""

    count: int
    largest: float
    """max |c - s|."""
    largest_magnitude: float
    """max |c|, |s|."""
    std: float
    """Of c - s."""
    rms: float
    """Of c - s."""
    cosine: float
    pearson: float
    similarity: float
    """2 <c, s> / (<c, c> + <s, s>)."""
    rms_oracle: float
    """Of c - o."""
    source_rms_oracle: float
    """Of s - o."""
    close: bool
    """|c - s| <= 1e-4 + 1e-4 |c| everywhere."""

    @classmethod
    def of(cls, candidate: Array, source: Array, oracle: Array) -> Seen:
        """Look at three arrays of one shape."""
        c, s, o = (array.astype(np.float64).reshape(-1) for array in (candidate, source, oracle))
        with np.errstate(all="ignore"):
            d = c - s
            cs, cc, ss = float(c @ s), float(c @ c), float(s @ s)
            n = c.size
            spread = (cc - n * c.mean() ** 2) * (ss - n * s.mean() ** 2)
            return cls(
                count=n,
                largest=float(np.abs(d).max()),
                largest_magnitude=float(np.maximum(np.abs(c), np.abs(s)).max()),
                std=float(d.std()),
                rms=math.sqrt(float(d @ d) / n),
                cosine=cs / math.sqrt(max(cc * ss, _TINY)),
                pearson=(cs - n * float(c.mean() * s.mean())) / math.sqrt(max(spread, _TINY)),
                similarity=2 * cs / max(cc + ss, _TINY),
                rms_oracle=math.sqrt(float(np.square(c - o).mean())),
                source_rms_oracle=math.sqrt(float(np.square(s - o).mean())),
                close=bool((np.abs(d) <= 1e-4 + 1e-4 * np.abs(c)).all()),
            )


@dataclass(frozen=True)
class Rule:
    """One rule: green while `holds`."""

    name: str
    formula: str
    origin: str
    holds: Callable[[Seen], bool]


def _at_most(bound: float) -> Callable[[Seen], bool]:
    return lambda seen: seen.largest <= bound


def _same(seen: Seen) -> bool:
    multiplier = 3.0 if seen.count < 1000 else 2.0
    return seen.close or seen.rms_oracle <= multiplier * seen.source_rms_oracle + 1e-4 / 10


RULES: tuple[Rule, ...] = (
    Rule("atol 1e-3", "max|c-s| <= 1e-3", "transformers' conversion scripts and integration tests", _at_most(1e-3)),
    Rule("atol 1e-4", "max|c-s| <= 1e-4", "transformers' cross-framework tests", _at_most(1e-4)),
    Rule("atol 1e-5", "max|c-s| <= 1e-5", "optimum's ONNX validation, the default", _at_most(1e-5)),
    Rule("std 4e-7", "std(c-s) <= 4e-7", "transformers' TF/PyTorch comparison notebook, 2018", lambda x: x.std <= 4e-7),
    Rule("cosine 0.999", "<c,s>/(|c||s|) >= 0.999", "custom in porting guides", lambda x: x.cosine >= 0.999),
    Rule("PCC 0.99", "Pearson's r(c,s) >= 0.99", "tt-metal, comp_pcc", lambda x: x.pearson >= 0.99),
    Rule(
        "SGLang 1e-3",
        "1 - 2<c,s>/(<c,c>+<s,s>) <= 1e-3",
        "SGLang's dump comparator, rel_diff (from DeepGEMM)",
        lambda x: 1 - x.similarity <= 1e-3,
    ),
    Rule(
        "MIGraphX 1e-3",
        "rms(c-s)/max(|c|,|s|) <= 1e-3",
        "MIGraphX, verify_range_with_tolerance (its element-wise part is off by default)",
        lambda x: x.rms <= 1e-3 * max(x.largest_magnitude, _TINY),
    ),
    Rule(
        "rmse 2x",
        "rms(c-o) <= 2 rms(s-o)",
        "PyTorch's idea of a float64 arbiter, without its allowances",
        lambda x: x.rms_oracle <= 2 * x.source_rms_oracle,
    ),
    Rule(
        "PyTorch same",
        "allclose(1e-4) or rms(c-o) <= 2 rms(s-o) + 1e-5 (3 below 1000 values)",
        "PyTorch 2.13, torch._dynamo.utils.same with its defaults",
        _same,
    ),
)
"""c the candidate, s the source's float32 run, o the float64 oracle. Written `<=`: NaN is red under all of them."""


def objections(
    axes: Mapping[str, str], candidate: Sequence[TraceBatch], source: Sequence[TraceBatch], oracle: Sequence[TraceBatch]
) -> dict[str, bool]:
    """Which rules object to a candidate's trace, by name.

    Args:
        axes: of every tap, such as `BTC`.
        candidate: its batches; a batch or tap that is missing, or has another shape, is passed over, as it is by
            whoever loops over what both sides have.
        source: the source's own float32 run.
        oracle: float64.
    """
    found = dict.fromkeys((rule.name for rule in RULES), False)
    for mine, base, truth in zip(candidate, source, oracle, strict=False):
        for tap, spelt in axes.items():
            if tap not in mine.taps or mine.taps[tap].shape != base.taps[tap].shape:
                continue
            real = places_of(spelt, base.taps[tap].shape, base.inputs).real
            arrays = [batch.taps[tap] if real is None else batch.taps[tap][real] for batch in (mine, base, truth)]
            if not arrays[0].size:
                continue
            seen = Seen.of(*arrays)
            for rule in RULES:
                found[rule.name] |= not rule.holds(seen)
    return found
