"""The float64 oracle is float64 everywhere: an extended-precision path of its own arithmetic stands beside it.

A leak of float32 into the oracle (a constant, a library function) is smaller than anything that a comparison of
runtimes would notice, and as large as the faults that the floor makes visible.
"""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special
from small_bert import CYRILLIC, ERF, PREFIX, read_source

from parity.backends import floor as floor_runtime
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.families import family
from parity.measure.floor import names, pool, read
from parity.measure.places import guess_axes, places_of
from parity.tensorfile import Array
from parity.traces import TraceBatch, write_batch

LONG = np.longdouble
CERTIFIED, PERMUTED = 2.0**-20, 2.0**-24
"""How far the oracle may be from the extended path, and move under a symmetry, in floors."""
STATIONS = ("embeddings", "layer.0", "layer.1", "layer.2", "pooler", "logits.mlm", "logits.nsp")
FINE = ("layer.1.attention.probs", "layer.1.attention.context", "layer.1.intermediate", "mlm.transform")
TAPS = STATIONS + FINE

needs_long_doubles = pytest.mark.skipif(
    np.finfo(LONG).nmant < 63, reason="long double is no wider than double here: the oracle is certified elsewhere"
)


def erf(x: Array) -> Array:
    """2 / sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!: positive terms only, so nothing cancels."""
    x = np.clip(x, -7, 7)  # beyond, 1 - |erf| is below 1e-22
    term, total = x.copy(), x.copy()
    for n in range(1, 260):
        term = term * (2 * x * x) / (2 * n + 1)
        total = total + term
    return np.exp(-x * x) * total * 2 / np.sqrt(4 * np.arctan(LONG(1)))


class LongOps(NumpyOps):
    """The vocabulary in 80-bit arithmetic, with functions of its own wherever float64 code could be behind."""

    def __init__(self, held: Mapping[str, Array]) -> None:
        super().__init__(held.__getitem__, np.dtype(LONG))

    def matmul(self, a: Array, b: Array, *, transpose_b: bool = False) -> Array:
        return np.matmul(a, np.swapaxes(b, -1, -2) if transpose_b else b)

    def mean(self, x: Array, *, axis: int) -> Array:
        return x.sum(axis=axis, keepdims=True) / LONG(x.shape[axis])

    def rsqrt(self, x: Array) -> Array:
        guess = 1 / np.sqrt(x)
        return guess * (LONG(1.5) - LONG(0.5) * x * guess * guess)

    def erf(self, x: Array) -> Array:
        return erf(x)

    def tanh(self, x: Array) -> Array:
        small = np.expm1(-2 * np.abs(x))
        return np.sign(x) * -small / (2 + small)


def sources(case: Path) -> tuple[dict[str, Array], dict[str, Array]]:
    """The golden's variables and inputs."""
    golden = np.load(case / "golden.npz")
    mask = golden["input_mask"]
    fed = {
        "input_ids": golden["input_ids"],
        "attention_mask": mask,
        "token_type_ids": golden["segment_ids"],
        "logit_positions": np.stack([np.resize(np.flatnonzero(row), 8).astype(np.int32) for row in mask]),
    }
    return read_source(case / PREFIX), fed


def run(case: Path, activation: str, ops: NumpyOps, fed: Mapping[str, Array], taps: tuple[str, ...] = TAPS) -> Any:
    bert = family("bert")
    raw = json.loads((case / "bert_config.json").read_text())
    config = bert.read_config(raw, where=case, activation=activation)
    head = next(head for head in bert.all_heads if head.name == "pretraining")
    return walk(bert.stages(config, head), ops, fed, taps)


@pytest.fixture(scope="module")
def floors(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Mapping[str, float]]:
    """Accumulated floors by tap, of one golden under one activation."""

    def of(case: Path, activation: str) -> Mapping[str, float]:
        folder = tmp_path_factory.mktemp("floor")
        _, fed = sources(case)
        write_batch(folder / "batch.safetensors", TraceBatch({}, fed))
        job = Job(
            backend="floor",
            family="bert",
            head="pretraining",
            artifact=case,
            source={
                "checkpoint": str(case / PREFIX),
                "config": str(case / "bert_config.json"),
                "activation": activation,
            },
            taps=names(TAPS),
            inputs=(folder / "batch.safetensors",),
            out=folder,
        )
        opened = floor_runtime.open(job)
        batch = TraceBatch(opened.run(fed, texts=None), fed, {"describe": opened.describe()})
        opened.close()
        return {tap: pool([read(batch, tap, "accumulated")]).rms for tap in TAPS}

    return of


def moved(tap: str, value: Array, other: Array, fed: Mapping[str, Array]) -> float:
    """Rms of the difference at real positions, computed in the wider of the two types."""
    real, error = real_of(tap, value.shape, fed), value - other
    chosen = error if real is None else error[real]
    return float(np.sqrt(np.mean(chosen.astype(LONG) ** 2)))


def real_of(tap: str, shape: tuple[int, ...], fed: Mapping[str, Array]) -> Any:
    axes = "BQC" if tap == "mlm.transform" else guess_axes(tap, shape, fed)
    return places_of(axes, shape, fed).real


CASES = [(CYRILLIC, "erf"), (ERF, "erf"), (ERF, "tanh")]


@needs_long_doubles
@pytest.mark.parametrize(("case", "activation"), CASES, ids=lambda value: getattr(value, "name", value))
def test_the_oracle_is_the_extended_path(case: Path, activation: str, floors: Any) -> None:
    held, fed = sources(case)
    oracle = run(case, activation, NumpyOps(held.__getitem__, np.dtype("float64")), fed)
    certified = run(case, activation, LongOps(held), fed)
    allowed = floors(case, activation)
    for tap in TAPS:
        assert oracle[tap].dtype == np.float64, tap
        assert certified[tap].dtype == LONG, tap
        distance = moved(tap, certified[tap], oracle[tap], fed)
        assert 0 < distance <= CERTIFIED * allowed[tap], (tap, distance / allowed[tap])


LEAKS: dict[str, dict[str, Any]] = {
    "constants": {"constant": lambda self, value: np.asarray(np.float32(value), np.float64)},
    "erf": {"erf": lambda self, x: special.erf(x.astype(np.float32)).astype(np.float64)},
    "rsqrt": {"rsqrt": lambda self, x: (1 / np.sqrt(x.astype(np.float32))).astype(np.float64)},
    "softmax": {
        "softmax": lambda self, x, axis=-1: special.softmax(x.astype(np.float32), axis=axis).astype(np.float64)
    },
}


@needs_long_doubles
@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_of_float32_would_be_seen(leak: str, floors: Any) -> None:
    held, fed = sources(ERF)
    leaking = type("Leaking", (NumpyOps,), LEAKS[leak])(held.__getitem__, np.dtype("float64"))
    oracle, certified = (run(ERF, "erf", ops, fed, STATIONS) for ops in (leaking, LongOps(held)))
    allowed = floors(ERF, "erf")["layer.2"]
    assert moved("layer.2", certified["layer.2"], oracle["layer.2"], fed) > 100 * CERTIFIED * allowed


def test_permuting_units_moves_the_oracle_by_nothing(floors: Any) -> None:
    held, fed = sources(ERF)
    rng = np.random.default_rng(0)
    hidden, inner = rng.permutation(64), rng.permutation(160)
    moved_weights = {name: permuted(name, array, hidden, inner) for name, array in held.items()}
    usual, other = (
        run(ERF, "erf", NumpyOps(weights.__getitem__, np.dtype("float64")), fed, STATIONS)
        for weights in (held, moved_weights)
    )
    allowed = floors(ERF, "erf")
    for tap in STATIONS:
        back = other[tap][..., np.argsort(hidden)] if tap.startswith(("embeddings", "layer")) else other[tap]
        distance = moved(tap, back, usual[tap], fed)
        assert 0 < distance <= PERMUTED * allowed[tap], (tap, distance / allowed[tap])
    assert moved("layer.0", other["layer.0"], usual["layer.0"], fed) > 0.1


def permuted(name: str, array: Array, hidden: Array, inner: Array) -> Array:
    """The same network with its hidden and inner units in another order; attention heads and the pooler keep theirs."""
    if "embeddings/" in name and array.ndim == 2:
        return array[:, hidden]
    if "intermediate/dense" in name:
        return array[hidden][:, inner] if array.ndim == 2 else array[inner]
    if "output/dense" in name and "attention" not in name:
        return array[inner][:, hidden] if array.ndim == 2 else array[hidden]
    if "attention/output/dense" in name:
        return array[..., hidden]
    if "transform/dense" in name:
        return array[hidden][:, hidden] if array.ndim == 2 else array[hidden]
    if "LayerNorm" in name:
        return array[hidden]
    return array[hidden] if name.endswith("kernel") else array


def high_precision_erf(x: float) -> decimal.Decimal:
    """Taylor's series in 80 digits."""
    with decimal.localcontext() as context:
        context.prec = 80
        z = decimal.Decimal(x)
        power, total, n = z, z, 0
        while abs(power) > decimal.Decimal(10) ** -60:
            n += 1
            power *= -z * z / n
            total += power / (2 * n + 1)
        pi = decimal.Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803")
        return 2 * total / pi.sqrt()


def test_erf_is_right_to_four_ulp_of_float64() -> None:
    points = np.concatenate(
        [np.linspace(-5.9, 5.9, 331), np.geomspace(1e-12, 1, 60), np.random.default_rng(1).normal(size=60)]
    )
    true = [high_precision_erf(float(x)) for x in points]
    ours = NumpyOps({}.__getitem__, np.dtype("float64")).erf(points)
    ulps = [
        abs(
            float((decimal.Decimal(float(mine)) - exact) / decimal.Decimal(float(np.spacing(abs(mine))) if mine else 1))
        )
        for mine, exact in zip(ours, true, strict=True)
    ]
    assert max(ulps) <= 4
    wide = erf(points.astype(LONG))
    errors = [abs(float(mine - LONG(str(exact)))) for mine, exact in zip(wide, true, strict=True)]
    assert max(errors) < 16 * np.finfo(LONG).eps
