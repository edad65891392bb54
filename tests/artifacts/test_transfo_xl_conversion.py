"""Transformer-XL's conversion end to end: every make of graph there and back, flags asked for, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_transfo_xl import GOLDEN, VARIANTS, XL, arrays, config, flags

from parity.artifacts import Choices, convert_checkpoint
from parity.artifacts.verify import verify
from parity.checkpoints import open_checkpoint, write_bundle
from parity.errors import BrokenParity, ParityError
from parity.models import card, resolve
from parity.tensorfile import Array, TensorSpec, map_tensors, write_tensors

BARE = Choices(tokenizer=False)
ASKED = {"mem_len": "16", "clamp_len": "-1", "same_length": "false"}


def write_source(folder: Path, raw: dict[str, Any], tensors: dict[str, Array] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    held = {"global_step": np.array(7, np.int64), **(arrays(config(raw)) if tensors is None else tensors)}
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in held.items()]
    write_bundle(folder / "model.ckpt-7", specs, held.values())
    (folder / "model_flags.json").write_text(json.dumps(raw))
    return folder


def held(folder: Path) -> dict[str, Array]:
    with open_checkpoint(folder) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.entries}


@pytest.mark.parametrize("variant", VARIANTS)
def test_there_and_back_is_bit_identical(variant: str, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", flags(variant))
    there = convert_checkpoint(str(source), tmp_path / "there", choices=BARE)
    assert verify(tmp_path / "there", source=source).tensors == len(there.tensors)
    back = convert_checkpoint(str(tmp_path / "there"), tmp_path / "back", to="tensorflow")
    assert back.notes["origin"] == "bit-identical to the checkpoint that was converted"
    verify(tmp_path / "back", source=tmp_path / "there")
    before, after = held(source), held(tmp_path / "back")
    assert before.keys() - after.keys() == {"global_step"}
    for name, array in after.items():
        np.testing.assert_array_equal(array, before[name])
    assert json.loads((tmp_path / "back" / "model_flags.json").read_text()).items() >= flags(variant).items()


@pytest.mark.parametrize("variant", ["as wt103", "one table, narrow", "no cutoffs, narrow", "shared biases"])
def test_the_written_directory_is_what_our_class_loads(variant: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from parity.torch import TransfoXLLMHeadModel

    source = write_source(tmp_path / "source", flags(variant))
    logits = []
    for form in ("safetensors", "bin"):
        convert_checkpoint(str(source), tmp_path / form, choices=BARE, form=form)
        verify(tmp_path / form, source=source)
        with torch.no_grad():
            logits.append(TransfoXLLMHeadModel.from_pretrained(tmp_path / form)(torch.arange(9)[None]).logits)
    assert bool(logits[0].isfinite().all())
    assert torch.equal(*logits)


def test_the_golden_there_and_back_with_its_words(tmp_path: Path) -> None:
    proof = convert_checkpoint(str(GOLDEN), tmp_path / "there")
    said = {"lower_case": False, "ends": "eos", "unknown": "<unk>", "evidence": "cache.pkl, dataset wt103"}
    assert proof.casing == said
    assert any("layer_norm_epsilon 1e-12" in line for line in proof.assumptions)
    convert_checkpoint(str(tmp_path / "there"), tmp_path / "back", to="tensorflow")
    again = convert_checkpoint(str(tmp_path / "back"), tmp_path / "again")
    assert (tmp_path / "again" / "vocab.txt").read_bytes() == (tmp_path / "there" / "vocab.txt").read_bytes()
    assert {line.target: line.target_sha256 for line in again.tensors} == {
        line.target: line.target_sha256 for line in proof.tensors
    }


def test_without_flags_the_tensors_tell_and_the_rest_is_asked_for(tmp_path: Path) -> None:
    for file in GOLDEN.glob("model.ckpt-0*"):
        shutil.copy(file, tmp_path)
    with pytest.raises(ParityError) as caught:
        convert_checkpoint(str(tmp_path), tmp_path / "out", choices=BARE)
    for key in ASKED:
        assert f"{key} is missing, and no tensor tells it" in str(caught.value)
    proof = convert_checkpoint(str(tmp_path), tmp_path / "out", choices=Choices(tokenizer=False, settings=ASKED))
    told = next(line for line in proof.assumptions if line.startswith("read off the tensors"))
    assert "cutoffs = [60, 150, 300]" in told
    assert "tie_projs = [false, true, true, true]" in told
    assert "mem_len overridden by --set to 16" in proof.assumptions
    theirs = convert_checkpoint(str(GOLDEN), tmp_path / "flagged", choices=BARE)
    ours, flagged = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("out", "flagged"))
    assert {key for key in flagged if ours[key] != flagged[key]} <= {"dropatt", "dropout", "tgt_len"}
    assert [line.target_sha256 for line in proof.tensors] == [line.target_sha256 for line in theirs.tensors]


def test_cutoffs_that_do_not_fit_are_refused_with_names_and_numbers(tmp_path: Path) -> None:
    source = write_source(tmp_path, flags())
    (source / "model_flags.json").write_text(json.dumps(flags() | {"cutoffs": [10, 26, 40]}))
    with pytest.raises(ParityError) as caught:
        convert_checkpoint(str(source), tmp_path / "out", choices=BARE)
    line = r"rows of cluster 1 by cutoffs [10, 26, 40] does not fit transformer/adaptive_embed/cutoff_1/lookup_table"
    assert line in str(caught.value)
    assert "(got 16, expected 15)" in str(caught.value)


def test_a_variable_too_many_is_named_and_dropped_by_hand(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", flags(), arrays(config(flags())) | {"head/w": np.ones(3, np.float32)})
    with pytest.raises(ParityError, match="unknown variable head/w"):
        convert_checkpoint(str(source), tmp_path / "out", choices=BARE)
    proof = convert_checkpoint(str(source), tmp_path / "out", choices=Choices(tokenizer=False, drop=("head/*",)))
    assert {line.source: line.reason for line in proof.dropped}["head/w"] == "dropped by --drop"


def test_another_familys_checkpoint_is_refused(tmp_path: Path) -> None:
    other = Choices(family="transfo-xl", tokenizer=False)
    with pytest.raises(ParityError):
        convert_checkpoint(str(GOLDEN.parent / "bert_pretrain_erf"), tmp_path / "out", choices=other)


def test_a_part_that_changed_breaks_the_proof(tmp_path: Path) -> None:
    convert_checkpoint(str(write_source(tmp_path / "source", flags("one table"))), tmp_path / "there", choices=BARE)
    path = tmp_path / "there" / "model.safetensors"
    tensors = {name: array.copy() for name, array in map_tensors(path).items()}
    tensors["crit.out_layers.0.bias"][30] += 1
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in tensors.items()]
    write_tensors(path, specs, iter(tensors.values()), metadata={"format": "pt"})
    with pytest.raises(BrokenParity, match=r"crit\.out_layers\.0\.bias has other values"):
        verify(tmp_path / "there")


def test_the_cards_folders_within_the_folder_are_found_and_its_flags_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publication has no config, its vocabulary in data/ and the checkpoint in model/."""
    published = card("transfo-xl-wt103")
    folder = tmp_path / published.name / published.source.folder
    for file in published.source.files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(GOLDEN / "cache.pkl", folder / "data")
    for file in GOLDEN.glob("model.ckpt-0*"):
        shutil.copy(file, folder / "model")
    monkeypatch.setenv("PARITY_MODELS", str(tmp_path))
    found = resolve(published.name)
    assert (found.checkpoint, found.vocab) == (folder / "model/model.ckpt-0", folder / "data/cache.pkl")
    assert found.config is None
    with pytest.raises(ParityError, match=r"d_model does not fit .* \(got 1024, expected 64\)"):
        convert_checkpoint(published.name, tmp_path / "out")


def test_the_cards_flags_are_those_of_the_publication() -> None:
    raw = dict(card("transfo-xl-wt103").config)
    given = config(raw)
    assert [end - first for first, end in given.clusters] == [20000, 20000, 160000, 67735]
    assert [given.width(k) for k in range(4)] == [1024, 256, 64, 16]
    assert (given.mem_len, given.clamp_len, given.same_length) == (1600, 1000, True)
    count = sum(int(np.prod(variable.shape)) for variable in XL.variables(given, XL.all_heads[0]))
    # 285 million, as transformers counts its copy of this model.
    assert round(count / 1e6) == 285
