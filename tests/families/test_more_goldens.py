"""Goldens of other makes of graph: own softmax projections, no cutoffs, shared biases, a regression head.

Every call, in the float64 reference, and in PyTorch from the converted weights, within 1e-5 of the original's float32.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity.artifacts import convert_checkpoint
from parity.inputs.fixtures import fixtures_root
from parity.runs.options import RunOptions
from parity.runs.tracing import trace
from parity.traces import batch_path, read_batch

sys.path.append(str(Path(__file__).parents[2] / "bench"))
from _goldens import Case, cases

NAMES = ("transfo_xl_div2_own", "transfo_xl_enwik8", "xlnet_stsb_tied")
CASES = {case.name: case for case in cases(fixtures_root() / "goldens") if case.name in NAMES}
CALLS = [(name, run.name) for name, case in CASES.items() for run in case.runs]


def apart(case: Case, call: str, backend: str, scratch: Path) -> float:
    """The largest deviation from the golden, in units of each value's rms."""
    (run,) = (run for run in case.runs if run.name == call)
    choices = replace(case.choices, tokenizer=False, settings={**case.choices.settings, **run.flags})
    np.savez(scratch / "inputs.npz", **run.inputs)  # type: ignore[arg-type]
    subject = case.checkpoint
    if backend != "oracle":
        subject = scratch / "made"
        convert_checkpoint(str(case.checkpoint), subject, choices=choices)
    options = RunOptions(in_process=True)
    trace(
        str(subject),
        scratch / "inputs.npz",
        scratch / "out",
        backend=backend,
        choices=choices,
        options=options,
        all_positions=True,
    )
    seen = read_batch(batch_path(scratch / "out", 0)).taps
    assert run.taps.keys() <= seen.keys()
    assert all(seen[tap].shape == array.shape for tap, array in run.taps.items())
    return max(float(np.abs(seen[tap] - array).max() / np.sqrt(np.mean(array**2))) for tap, array in run.taps.items())


def test_the_goldens_are_there() -> None:
    assert sorted(CASES) == sorted(NAMES)
    assert len(CALLS) == 9


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_the_reference_is_the_original(name: str, call: str, tmp_path: Path) -> None:
    assert apart(CASES[name], call, "oracle", tmp_path) < 1e-5


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_pytorch_is_the_original(name: str, call: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason='pip install "parity[torch]"')
    pytest.importorskip("transformers", reason='pip install "parity[torch]"')
    assert apart(CASES[name], call, "torch:eager", tmp_path) < 1e-5
