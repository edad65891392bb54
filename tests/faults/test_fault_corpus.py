"""Every row of the corpus, as data: it names what exists, expects what makes sense, and changes something."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from small_bert import ERF, ROOT

from parity.errors import ParityError
from parity.families import family
from parity.faults.corpus import ELSEWHERE, corpus
from parity.faults.folders import read_model, spoil_artifact
from parity.faults.values import Artifact, Fault, Graph, Layout, Runtime, Source, fill
from parity.models import resolve
from parity.tensorfile import map_tensors

FAULTS = corpus("bert")
EDITED = [fault for fault in FAULTS if isinstance(fault.inject, Artifact) and fault.inject.edit is not None]
MISDEEDS = (ROOT / "parity" / "backends" / "faulty.py").read_text(encoding="utf-8")
KINDS = {"T": 9, "R": 14, "N": 21, "C": 10, "K": 13, "M": 13, "U": 10, "X": 6, "P": 10}


@pytest.fixture(scope="module")
def layout() -> Layout:
    source = resolve(str(ERF))
    raw = __import__("json").loads(source.config.read_text())
    return Layout.of(family("bert").read_config(raw, where=source.config), unused_row=600)


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    numbered = {fault.id for fault in FAULTS if fault.id[0] not in "DS"}
    assert len(numbered) >= 60
    assert len(FAULTS) >= 80
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_number_of_the_catalogue_is_in_the_corpus_or_told_why_not() -> None:
    covered = {fault.id for fault in FAULTS} | {one for key in ELSEWHERE for one in key.split(", ")}
    everything = {f"{kind}-{number:02d}" for kind, last in KINDS.items() for number in range(1, last + 1)}
    assert everything <= covered
    assert not {fault.id for fault in FAULTS} & {one for key in ELSEWHERE for one in key.split(", ")}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_row_says_what_it_expects(fault: Fault, layout: Layout) -> None:
    assert re.fullmatch(r"[RNTCKMUXPSD]-\d\d", fault.id)
    assert fault.what
    place = fill(fault.place, layout)
    if fault.verdict == "tap":
        assert re.fullmatch(r"embeddings|pooler|layer\.\d+|logits\.(mlm|nsp)", place)
    if fault.verdict == "refused" and not isinstance(fault.inject, Graph):
        assert place, "a refusal must name something"
    if fault.causes:
        assert fault.verdict == "tap"
    if isinstance(fault.inject, Runtime) and fault.inject.misdeed:
        assert f'"{fault.inject.misdeed}": Misdeed(' in MISDEEDS
    if isinstance(fault.inject, Graph):
        from parity.backends.faulty_graphs import EDITS

        assert fault.inject.edit in EDITS


def test_every_misdeed_is_used() -> None:
    used = {fault.inject.misdeed for fault in FAULTS if isinstance(fault.inject, Runtime)}
    assert set(re.findall(r'^    "([^"]+)": Misdeed\(', MISDEEDS, re.MULTILINE)) <= used


@pytest.mark.parametrize("fault", EDITED, ids=lambda fault: fault.name)
def test_an_edit_changes_the_artifact(
    fault: Fault, converted: dict[Path, Path], layout: Layout, tmp_path: Path
) -> None:
    if layout.config.layers < fault.least_layers:
        pytest.skip("the golden has fewer layers")
    assert isinstance(fault.inject, Artifact)
    change = spoil_artifact(converted[ERF], tmp_path / "spoilt", fault.inject, layout)
    before = map_tensors(converted[ERF] / "model.safetensors")
    after = map_tensors(tmp_path / "spoilt" / "model.safetensors")
    same = before.keys() == after.keys() and all(np.array_equal(before[name], after[name]) for name in before)
    assert not same
    if fault.scales:
        assert change > 0
        assert {name: array.shape for name, array in before.items()} == {n: a.shape for n, a in after.items()}
        half = spoil_artifact(converted[ERF], tmp_path / "half", fault.inject, layout, size=0.5)
        assert half == pytest.approx(change / 2, rel=0.01)


def test_sources_are_edited_before_they_are_converted(layout: Layout) -> None:
    tensors = read_model(resolve(str(ERF)))
    assert not any("adam" in name.lower() for name in tensors)
    for fault in FAULTS:
        if isinstance(fault.inject, Source) and fault.inject.edit is not None:
            held = dict(tensors)
            fault.inject.edit(held, layout)
            assert held.keys() != tensors.keys() or any(held[name] is not tensors[name] for name in tensors)


def test_globs_choose_faults_and_an_idle_one_is_refused() -> None:
    assert {fault.id for fault in corpus("bert", "T-01")} == {"T-01"}
    assert [fault.name for fault in corpus("bert", "T-01/query")] == ["T-01/query"]
    with pytest.raises(ParityError, match="no fault has such a name"):
        corpus("bert", "Z-99")
    with pytest.raises(ParityError, match="no corpus of faults for gpt2"):
        corpus("gpt2")
