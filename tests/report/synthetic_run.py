"""Synthetic runs, written by the real EventLog: what a run of 1-3 models on up to 8 runtimes leaves behind."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parity.events import EventLog

BACKENDS = (
    "oracle",
    "tensorflow",
    "torch:eager",
    "torch:sdpa",
    "spacy",
    "openvino:f32",
    "openvino:default",
    "onnxruntime",
)
BATCHES = ("short", "pairs", "padded", "left-padded", "holes", "one-token", "long")
CHECKS = ("backend", "proof", "tokenization", "artifacts")
MakeEvents = Callable[..., Path]
TEXT = "Мальчик сказал маме, что ёлка уже стоит в большой комнате, и они вместе пошли её украшать. " * 3


def write_run(
    folder: Path,
    *,
    models: Sequence[str] = ("rubert",),
    layers: int = 12,
    backends: Sequence[str] = BACKENDS,
    batches: Sequence[str] = BATCHES[:2],
    broken: Mapping[str, int] | None = None,
    crashed: Mapping[str, str] | None = None,
    missing: Mapping[str, str] | None = None,
    nan: Sequence[str] = (),
    text: str = TEXT,
    token: str = "елка",
    stand_in: bool = True,
    finish: bool = True,
    gap: int = 0,
    exit_status: int | None = None,
    seed: int = 7,
) -> Path:
    """Write one run. `broken`: runtime -> first bad layer; `crashed`, `missing`: runtime -> why; `nan`: runtimes."""
    rng = random.Random(seed)
    broken, crashed, missing = broken or {}, crashed or {}, missing or {}
    taps = ("embeddings", *(f"layer.{k}" for k in range(layers)), "pooler", "logits.mlm", "logits.nsp")
    counts = {"done": 0, "skipped": 0}
    with EventLog(folder) as log:
        log.write("run", **run_facts(models, stand_in=stand_in))
        spend(log, "stand-in", None, None, 9.4, own=True)
        for model in models:
            spend(log, "convert", model, None, 2.1, own=True)
            for backend in backends:
                who = {
                    "model": model,
                    "backend": backend,
                    "precision": "bfloat16" if "default" in backend else "float32",
                }
                log.write("plan", **who, taps=taps, comparisons=len(taps) + len(CHECKS))
                if backend in missing:
                    remedy = f"pip install 'parity[{backend.split(':')[0]}]'"
                    left = len(taps) + len(CHECKS)
                    log.write("skip", **who, tap=None, batch=None, reason=missing[backend], remedy=remedy, count=left)
                    counts["skipped"] += left
                    continue
                if backend in crashed:
                    log.write("crash", **who, status="crashed", reason="signal 11", stderr_tail=crashed[backend])
                    answer(log, who, "backend", None, status="fail", message="crashed: signal 11")
                    left = len(taps) + len(CHECKS) - 1
                    log.write(
                        "skip", **who, tap=None, batch=None, reason="its backend crashed", remedy=None, count=left
                    )
                    counts["done"] += 1
                    counts["skipped"] += left
                    continue
                spend(log, "import", model, backend, 2.0 + 5 * rng.random(), own=False)
                spend(log, "load", model, backend, 1 + rng.random(), own=False)
                spend(log, "forward", model, backend, 4 + 6 * rng.random(), own=False)
                for question in CHECKS:
                    answer(log, who, question, None, status="pass", message="holds")
                counts["done"] += len(CHECKS)
                if backend == "spacy":
                    for batch in ("pairs", "left-padded", "holes"):
                        reason = "spaCy is fed texts; this batch has none"
                        log.write("skip", **who, tap=None, batch=batch, reason=reason, remedy=None, count=0)
                for depth, tap in enumerate(taps):
                    if backend == "spacy" and tap.startswith("logits"):
                        reason, remedy = "a spaCy pipeline has no head", "compare heads on another runtime"
                        log.write("skip", **who, tap=tap, batch=None, reason=reason, remedy=remedy, count=1)
                        counts["skipped"] += 1
                        continue
                    bad = depth > broken.get(backend, layers + 9) or (backend in nan and depth > layers // 2)
                    compare(
                        log,
                        rng,
                        who,
                        tap,
                        depth,
                        batches=batches,
                        bad=bad,
                        nan=backend in nan and bad,
                        worst=(text, token),
                    )
                    counts["done"] += 1
        spend(log, "compare", None, None, 3.3, own=True)
        if finish:
            failing = bool(broken or crashed or nan)
            status = int(failing) if exit_status is None else exit_status
            expected = counts["done"] + counts["skipped"] + gap
            ends = "2026-03-01T09:01:12+00:00"
            log.write("finish", finished=ends, exit_status=status, expected=expected, **counts, deselected=0)
    return folder


def run_facts(models: Sequence[str], *, stand_in: bool = True) -> dict[str, Any]:
    batches = [
        {"name": name, "rows": 4, "length": 512 if name == "long" else 32, "real_tokens": 80, "kind": "single"}
        for name in BATCHES
    ]
    versions = {"numpy": "2.4.6", "torch": "2.8.0", "tensorflow": "2.20.0", "onnxruntime": "1.22.0"}
    machine = {"python": "3.11.9", "platform": "Linux x86_64", "cpu": "example", "cores": 2, "memory_bytes": 16 * 10**9}
    note = "weights absent; `parity fetch {}`" if stand_in else ""
    known = [
        {
            "model": model,
            "family": "bert",
            "stand_in": stand_in,
            "note": note.format(model),
            "head": "pretraining",
            "card": model,
        }
        for model in models
    ]
    return {
        "id": "20260301T090000-rubert",
        "started": "2026-03-01T09:00:00+00:00",
        "command": "pytest suites/ --model rubert",
        "parity": "0.1.0",
        "scale": "full",
        "models": known,
        "inputs": [{"model": model, "digest": "9f" * 32, "batches": batches, "real_tokens": 560} for model in models],
        "environment": {**machine, "versions": versions},
    }


def spend(log: EventLog, stage: str, model: str | None, backend: str | None, wall: float, *, own: bool) -> None:
    peak = 1.6e9 if backend else None
    log.write("time", stage=stage, model=model, backend=backend, wall_s=wall, cpu_s=wall * 1.7, peak_rss=peak, own=own)


def answer(log: EventLog, who: Mapping[str, str], question: str, tap: str | None, *, status: str, **facts: Any) -> None:
    values = {"value": None, "limit": None, "message": None, "worst": None} | facts
    log.write("verdict", **who, question=question, tap=tap, status=status, **values)


def compare(
    log: EventLog,
    rng: random.Random,
    who: Mapping[str, str],
    tap: str,
    depth: int,
    *,
    batches: Sequence[str],
    bad: bool,
    nan: bool,
    worst: tuple[str, str],
) -> None:
    floor = 4e-8 * (1 + depth) ** 0.9 * (0.2 if tap == "pooler" else 3 if tap.startswith("logits") else 1)
    low = who["precision"] == "bfloat16"
    exact = who["backend"] == "tensorflow"
    ratio = 0.0 if who["backend"] == "oracle" else 1.0 if exact else 0.7 + 0.6 * rng.random()
    ratio *= 4000 if low else 1
    ratio *= 900 * (1 + rng.random()) if bad else 1
    ratio = math.nan if nan else ratio
    std = 0.0 if exact else floor * math.sqrt(ratio**2 + 1)
    for batch in ("*", *batches):
        wobble = 1.0 if batch == "*" else 0.8 + 0.4 * rng.random()
        metrics = measured(std * wobble, "") | measured(floor * ratio * wobble, "_oracle")
        extra = {
            "ratio": ratio,
            "source_rms_oracle": floor,
            "floor_rms": floor,
            "noise_ratio_limit": 3.0,
            "channel_ratio_max": 1.9 * ratio,
            "nan": 12 if nan else 0,
        }
        log.write("deviation", **who, batch=batch, tap=tap, metrics={"count": 61440, **metrics, **extra})
    text, token = worst
    place = {"batch": "pairs", "row": 2, "position": 7, "token": token, "text": text, "channel": 301}
    values = {"candidate": 1.25 + std, "source": 1.25, "oracle": 1.25 - floor}
    status = "report" if low else "fail" if not ratio <= 3 else "pass"
    message = "12 values are not finite" if nan else f"ratio {ratio:.3g}, limit 3"
    question = "heads" if tap.startswith("logits") else "hidden_states"
    facts = {"value": ratio, "limit": None if low else 3.0, "message": message, "worst": place | values}
    answer(log, who, question, tap, status=status, **facts)


def measured(scale: float, suffix: str) -> dict[str, float]:
    digits = 21.0 if not scale else -math.log2(scale)
    values = {
        "std": scale,
        "rms": scale,
        "mean": scale / 50,
        "max": scale * 6.1,
        "rel_rms": scale * 1.1,
        "digits": digits,
    }
    return {name + suffix: value for name, value in (values | {"ulp_p50": 0.6, "ulp_p999": 3.2}).items()}
