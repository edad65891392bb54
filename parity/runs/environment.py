"""Where a run takes place."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

_DISTRIBUTIONS = (
    "numpy",
    "scipy",
    "tensorflow",
    "torch",
    "transformers",
    "tokenizers",
    "spacy",
    "spacy-transformers",
    "openvino",
    "onnx",
    "onnxruntime",
    "pytest",
)


def environment() -> dict[str, Any]:
    """Interpreter, machine, and the version of everything that takes part; no framework is imported for it."""
    versions: dict[str, str] = {}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "versions": versions,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    known = set(facts.get("flags", "").split())
    sets = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in known]
    return f"{facts.get('model name', platform.machine())} ({', '.join(sets) or 'no vector sets known'})"
