"""Arrays that deviate as sound float32 does, traces of them, and a plain NumPy computation to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.tensorfile import Array
from parity.traces import TraceBatch, batch_path, write_batch

SHAPE = (4, 6, 8)


def triple(shape: tuple[int, ...] = SHAPE, seed: int = 0, noise: float = 1e-7) -> dict[str, Array]:
    """Candidate and source float32, oracle float64; both deviate from the oracle by rounding-like noise."""
    random = np.random.default_rng(seed)
    oracle = random.standard_normal(shape)
    candidate, source = ((oracle + noise * random.standard_normal(shape)).astype(np.float32) for _ in range(2))
    return {"candidate": candidate, "source": source, "oracle": oracle}


def naive(candidate: Array, reference: Array, real: Array | None = None) -> dict[str, float]:
    """Metrics of one difference, computed at once on whole arrays."""
    chosen = np.ones(candidate.shape[:-1], bool) if real is None else real
    mine, other = candidate[chosen].astype(np.float64).ravel(), reference[chosen].astype(np.float64).ravel()
    error = mine - other
    scale = np.sqrt(np.mean(other**2))
    rms = np.sqrt(np.mean(error**2))
    unit = np.spacing(np.float32(scale)).astype(np.float64)
    with np.errstate(divide="ignore"):
        return {
            "mean": error.mean(),
            "std": error.std(),
            "rms": rms,
            "max": np.abs(error).max(),
            "rel_rms": rms / scale,
            "digits": -np.log2(rms / scale),
            "ulp_p50": np.quantile(np.abs(error), 0.5, method="inverted_cdf") / unit,
            "ulp_p999": np.quantile(np.abs(error), 0.999, method="inverted_cdf") / unit,
            "bit_equal": _equal_bits(candidate[chosen], reference[chosen].astype(candidate.dtype)),
        }


def _equal_bits(candidate: Array, reference: Array) -> float:
    size = candidate.itemsize
    pairs = (
        (candidate.tobytes()[i : i + size], reference.tobytes()[i : i + size]) for i in range(0, candidate.nbytes, size)
    )
    return float(sum(mine == other for mine, other in pairs))


def inputs(rows: int = 4, tokens: int = 6, real: int = 4) -> dict[str, Array]:
    """Fed arrays: the last `tokens - real` positions of every row are padding."""
    mask = np.zeros((rows, tokens), np.int32)
    mask[:, :real] = 1
    ids = np.arange(rows * tokens, dtype=np.int32).reshape(rows, tokens) + 5
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


Batches = list[dict[str, Array]]


def batches(count: int = 2, seed: int = 0) -> dict[str, Batches]:
    """By party, a list of batches, each a dict of taps: two hidden ones and a pooler."""
    parties: dict[str, Batches] = {"candidate": [], "source": [], "oracle": []}
    for number in range(count):
        taps = {
            "embeddings": triple(seed=seed + 10 * number),
            "layer.0": triple(seed=seed + 10 * number + 1),
            "pooler": triple((4, 32), seed=seed + 10 * number + 2),
        }
        for party, made in parties.items():
            made.append({name: arrays[party] for name, arrays in taps.items()})
    return parties


def write_trace(
    folder: Path,
    taps: Batches,
    fed: Mapping[str, Array] | None = None,
    metas: Mapping[int, dict[str, Any]] | None = None,
) -> Path:
    """A trace folder; `metas` adds metadata to single batches."""
    for number, arrays in enumerate(taps):
        meta = {"backend": "torch", "variant": "eager", "precision": "float32", **(metas or {}).get(number, {})}
        write_batch(batch_path(folder, number), TraceBatch(arrays, inputs() if fed is None else fed, meta))
    return folder
