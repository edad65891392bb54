"""Every row of every corpus, as data: it names what exists, expects what makes sense, and changes something."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from small_bert import ERF, GOLDENS, ROOT

from parity.artifacts.convert import convert
from parity.artifacts.source import Choices, understand
from parity.errors import ParityError
from parity.families import family
from parity.faults.corpus import corpus, elsewhere
from parity.faults.folders import read_model, spoil_artifact
from parity.faults.values import Artifact, Fault, Graph, Inputs, Layout, Runtime, Source, fill
from parity.models import resolve
from parity.tensorfile import map_tensors

MODELS = {
    "bert": ERF,
    "gpt2": GOLDENS / "gpt2",
    "openai-gpt": GOLDENS / "gpt",
    "transfo-xl": GOLDENS / "transfo_xl_div4_wt103",
    "xlnet": GOLDENS / "xlnet_pretrain",
}
"""A golden of each family; the first GPT's tensors do not tell the number of heads."""
SETTINGS = {"openai-gpt": {"n_head": "2"}}
FAULTS = [(name, fault) for name in MODELS for fault in corpus(name)]
EDITED = [(name, one) for name, one in FAULTS if isinstance(one.inject, Artifact) and one.inject.edit is not None]
MISDEEDS = (ROOT / "parity" / "backends" / "faulty.py").read_text(encoding="utf-8")
KINDS = {"T": 9, "R": 14, "N": 21, "C": 10, "K": 13, "M": 13, "U": 10, "X": 6, "P": 10}


def choices(name: str) -> Choices:
    return Choices(tokenizer=False, settings=SETTINGS.get(name, {}))


def tag(value: object) -> str:
    return value.name if isinstance(value, Fault) else str(value)


@pytest.fixture(scope="module")
def layouts() -> dict[str, Layout]:
    found = {}
    for name, golden in MODELS.items():
        understood = understand(resolve(str(golden), tokenizer=False), choices(name))
        understood.checkpoint.close()
        found[name] = Layout.of(understood.config, unused_row=20)
    return found


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("artifacts")
    for name, golden in MODELS.items():
        convert(resolve(str(golden), tokenizer=False), folder / name, choices=choices(name))
    return {name: folder / name for name in MODELS}


def numbers(name: str) -> set[str]:
    return {fault.id for fault in corpus(name) if fault.id[0] not in "DS"}


def listed(name: str) -> set[str]:
    return {one for key in elsewhere(name) for one in key.split(", ")}


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    assert len(numbers("bert")) >= 60
    assert sum(len(numbers(name)) for name in MODELS) >= 80, "pairs of a number and a family"
    for name in MODELS:
        assert len({fault.name for fault in corpus(name)}) == len(corpus(name))


@pytest.mark.parametrize("name", MODELS)
def test_every_number_of_the_catalogue_is_in_the_corpus_or_told_why_not(name: str) -> None:
    everything = {f"{kind}-{number:02d}" for kind, last in KINDS.items() for number in range(1, last + 1)}
    assert everything <= numbers(name) | listed(name), sorted(everything - numbers(name) - listed(name))
    assert not numbers(name) & listed(name)


@pytest.mark.parametrize(("name", "fault"), FAULTS, ids=tag)
def test_a_row_says_what_it_expects(name: str, fault: Fault, layouts: dict[str, Layout]) -> None:
    assert re.fullmatch(r"[RNTCKMUXPSD]-\d\d", fault.id)
    assert fault.what
    layout = layouts[name]
    place = fill(fault.place, layout)
    if fault.verdict == "tap":
        layers, architecture = range(max(layout.config.layers, 13)), family(name)
        fixed = {tap.name for head in architecture.all_heads for tap in architecture.taps(layout.config, head)}
        # A golden may remember nothing.
        assert place in fixed | {f"{kind}.{k}" for kind in ("layer", "mems") for k in layers}
    if fault.verdict == "refused" and not isinstance(fault.inject, Graph) and fault.id != "R-10":
        assert place, "a refusal must name something"
    if fault.causes:
        assert fault.verdict == "tap"
    if isinstance(fault.inject, Runtime) and fault.inject.misdeed:
        assert f'"{fault.inject.misdeed}": Misdeed(' in MISDEEDS
    if isinstance(fault.inject, Graph):
        from parity.backends.faulty_graphs import EDITS

        assert fault.inject.edit in EDITS


def test_every_misdeed_is_used() -> None:
    used = {fault.inject.misdeed for _, fault in FAULTS if isinstance(fault.inject, Runtime)}
    assert set(re.findall(r'^    "([^"]+)": Misdeed\(', MISDEEDS, re.MULTILINE)) <= used


@pytest.mark.parametrize(("name", "fault"), EDITED, ids=tag)
def test_an_edit_changes_the_artifact(
    name: str, fault: Fault, artifacts: dict[str, Path], layouts: dict[str, Layout], tmp_path: Path
) -> None:
    layout, sound = layouts[name], artifacts[name]
    if layout.config.layers < fault.least_layers:
        pytest.skip("the golden has fewer layers")
    assert isinstance(fault.inject, Artifact)
    change = spoil_artifact(sound, tmp_path / "spoilt", fault.inject, layout)
    before = map_tensors(sound / "model.safetensors")
    after = map_tensors(tmp_path / "spoilt" / "model.safetensors")
    same = before.keys() == after.keys() and all(np.array_equal(before[name], after[name]) for name in before)
    assert not same
    if fault.scales:
        assert change > 0
        assert {name: array.shape for name, array in before.items()} == {n: a.shape for n, a in after.items()}
        half = spoil_artifact(sound, tmp_path / "half", fault.inject, layout, size=0.5)
        assert half == pytest.approx(change / 2, rel=0.01)


@pytest.mark.parametrize("name", MODELS)
def test_sources_are_edited_before_they_are_converted(name: str, layouts: dict[str, Layout]) -> None:
    tensors = read_model(resolve(str(MODELS[name]), tokenizer=False))
    assert tensors
    assert not any("adam" in one.lower() for one in tensors)
    for fault in corpus(name):
        if isinstance(fault.inject, Source) and fault.inject.edit is not None:
            held = dict(tensors)
            fault.inject.edit(held, layouts[name])
            assert held.keys() != tensors.keys() or any(held[one] is not tensors[one] for one in tensors)


def test_inputs_that_are_refused_are_changed_in_place(layouts: dict[str, Layout]) -> None:
    for name, fault in FAULTS:
        if isinstance(fault.inject, Inputs):
            arrays = {one: np.zeros((2, 4), np.int32) for one in ("input_ids", "attention_mask", "token_type_ids")}
            before = dict(arrays)
            fault.inject.edit(arrays, layouts[name].config)
            assert any(arrays.get(one) is not array for one, array in chain(before.items(), arrays.items()))


def test_globs_choose_faults_and_an_idle_one_is_refused() -> None:
    assert {fault.id for fault in corpus("bert", "T-01")} == {"T-01"}
    assert [fault.name for fault in corpus("bert", "T-01/query")] == ["T-01/query"]
    with pytest.raises(ParityError, match="no fault has such a name"):
        corpus("bert", "Z-99")
    with pytest.raises(ParityError, match="no corpus of faults for elmo"):
        corpus("elmo")
