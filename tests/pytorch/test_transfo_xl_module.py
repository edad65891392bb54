"""Our PyTorch module: the golden, every make of graph against the reference, and how it is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_transfo_xl import (
    GOLDEN,
    LM,
    NONE,
    VARIANTS,
    XL,
    arrays,
    config,
    converted,
    flags,
    golden_config,
    segment,
)

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families.transfo_xl.numbers import TransfoXLConfig as Numbers
from parity.families.values import Head
from parity.tensorfile import Array, TensorSpec, map_tensors, write_tensors

torch = pytest.importorskip("torch")

from parity.torch import TransfoXLConfig, TransfoXLLMHeadModel, TransfoXLModel, register  # noqa: E402
from parity.torch.weights import fill  # noqa: E402

CLASSES = {LM.name: TransfoXLLMHeadModel, NONE.name: TransfoXLModel}


def write(folder: Path, given: Numbers, weights: dict[str, Array], head: Head = LM) -> Path:
    folder.mkdir(exist_ok=True)
    keys = XL.target_config(given, head, labels=0, special={})
    (folder / "config.json").write_text(json.dumps(keys))
    contiguous = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in contiguous.items()]
    write_tensors(folder / "model.safetensors", specs, iter(contiguous.values()))
    return folder


@pytest.fixture(scope="module")
def golden_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with open_checkpoint(GOLDEN) as checkpoint:
        tensors = {name: checkpoint.read(name) for name in checkpoint.entries if name != "global_step"}
    given = golden_config()
    return write(tmp_path_factory.mktemp("xl") / "golden", given, converted(given, tensors))


@pytest.mark.parametrize("name", ["seg1", "nomem", "seg2", "samelen"])
def test_the_golden_holds_at_every_tap(golden_folder: Path, name: str, tmp_path: Path) -> None:
    kept = np.load(GOLDEN / "golden.npz")
    if name == "samelen":
        golden_folder = Path(shutil.copytree(golden_folder, tmp_path / "same"))
        keys = json.loads((golden_folder / "config.json").read_text())
        (golden_folder / "config.json").write_text(json.dumps(keys | {"same_length": True}))
    model = TransfoXLLMHeadModel.from_pretrained(golden_folder)
    ids = torch.from_numpy(kept["seg1_input" if name in ("seg1", "nomem") else "seg2_input"].T.copy()).long()
    # None: the first segment, which the original feeds zeros with.
    mems = {"seg1": None, "nomem": []}.get(name, [torch.from_numpy(kept[f"seg1_new_mem_{i}"]) for i in range(3)])
    with torch.no_grad():
        found = model(ids, mems, output_hidden_states=True)
    taps = {"embedding_output": found.hidden_states[0].transpose(0, 1)}
    taps |= {f"layer_{i}": found.hidden_states[i + 1].transpose(0, 1) for i in range(3)}
    taps |= {f"new_mem_{i}": found.mems[i] for i in range(3)}
    taps |= {"log_probs": found.logits.transpose(0, 1)} if f"{name}_log_probs" in kept else {}
    for tap, value in taps.items():
        np.testing.assert_allclose(value.numpy(), kept[f"{name}_{tap}"], atol=1e-5, rtol=0, err_msg=tap)


def test_the_loss_of_each_target_is_the_goldens(golden_folder: Path) -> None:
    kept = np.load(GOLDEN / "golden.npz")
    ids, targets = (torch.from_numpy(kept[f"seg1_{part}"].T.copy()).long() for part in ("input", "target"))
    model = TransfoXLLMHeadModel.from_pretrained(golden_folder)
    labels = torch.cat([ids[:, :1], targets[:, :-1]], 1)
    labels[0, 3] = -100
    with torch.no_grad():
        found = model(ids, labels=labels)
    expected = torch.from_numpy(kept["seg1_nll"].T[:, :-1].copy())
    expected[0, 2] = 0
    torch.testing.assert_close(found.losses, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.loss, expected.sum() / (expected.numel() - 1))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_make_computes_what_the_reference_does_over_three_segments(variant: str, tmp_path: Path) -> None:
    given = config(flags(variant))
    held = arrays(given)
    model = TransfoXLLMHeadModel.from_pretrained(write(tmp_path, given, converted(given, held))).double()
    ops, stages = NumpyOps(lambda name: held[name], np.dtype("float64")), XL.stages(given, LM)
    layers = range(given.layers)
    for zeros in (True, False):
        mems: Any = None if zeros else []
        state = {f"mems.{i}": np.zeros((2, given.mem_len, given.hidden_size)) for i in layers} if zeros else {}
        for number in range(3):
            fed = segment(given, seed=number)
            taps = ["embeddings", "log_probs", *(f"{kind}.{i}" for kind in ("layer", "mems") for i in layers)]
            expected = walk(stages, ops, {**fed, **state}, taps)
            with torch.no_grad():
                found = model(torch.from_numpy(fed["input_ids"]).long(), mems, output_hidden_states=True)
            shown = {f"layer.{i}": found.hidden_states[i + 1] for i in layers}
            shown |= {f"mems.{i}": found.mems[i].transpose(0, 1) for i in layers}
            shown |= {"embeddings": found.hidden_states[0], "log_probs": found.logits}
            for tap, value in shown.items():
                np.testing.assert_allclose(value.numpy(), expected[tap], atol=1e-12, err_msg=f"{tap}, {number}")
            mems, state = found.mems, {tap: expected[tap] for tap in expected if tap.startswith("mems")}


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_have_the_tables_names_and_no_others(variant: str) -> None:
    given = config(flags(variant))
    for head in (LM, NONE):
        model = CLASSES[head.name](TransfoXLConfig(**flags(variant)))
        table = XL.table(given, head)
        assert set(model.state_dict()) == {rule.target for rule in table.expanded()} | {name for name, _ in table.tied}
        for name, other in table.tied:
            state = model.state_dict(keep_vars=True)
            assert state[name] is state[other]


@pytest.mark.parametrize("variant", [v for v in VARIANTS if flags(v)["proj_same_dim"] and v != "odd widths"])
def test_the_old_classs_parameters_have_the_same_names_and_shapes(variant: str) -> None:
    old = pytest.importorskip("transformers.models.deprecated.transfo_xl", reason="gone with transformers 5")
    keys = XL.target_config(config(flags(variant)), LM, labels=0, special={"<eos>": 0})
    theirs = old.TransfoXLLMHeadModel(old.TransfoXLConfig(**keys)).state_dict()
    ours = TransfoXLLMHeadModel(TransfoXLConfig(**keys))
    shapes = {name: tuple(value.shape) for name, value in theirs.items() if not name.endswith("pos_emb.inv_freq")}
    assert {name: tuple(value.shape) for name, value in ours.state_dict().items()} == shapes
    # With the buffer that it stored, and every tied name.
    missing, unexpected = ours.load_state_dict(theirs, strict=False)
    assert (missing, [name for name in unexpected if "inv_freq" not in name]) == ([], [])


def test_nothing_is_initialised_at_random() -> None:
    model = TransfoXLLMHeadModel(TransfoXLConfig(**flags()))
    assert all(bool(parameter.isnan().all()) for parameter in model.parameters())


def test_the_bare_model_loads_from_either_directory(golden_folder: Path, tmp_path: Path) -> None:
    with open_checkpoint(GOLDEN) as checkpoint:
        tensors = {name: checkpoint.read(name) for name in checkpoint.entries if "adaptive_softmax" not in name}
    tensors.pop("global_step")
    bare = write(tmp_path / "bare", golden_config(), converted(golden_config(), tensors, NONE), NONE)
    ids = torch.arange(8)[None]
    with torch.no_grad():
        states = [TransfoXLModel.from_pretrained(folder)(ids).last_hidden_state for folder in (bare, golden_folder)]
    torch.testing.assert_close(*states, atol=0, rtol=0)
    with pytest.raises(ParityError, match=r"missing crit\.cluster_weight") as caught:
        TransfoXLLMHeadModel.from_pretrained(bare)
    assert "transformer." not in str(caught.value)


def test_weights_that_are_not_exactly_those_of_the_class_are_refused(golden_folder: Path, tmp_path: Path) -> None:
    whole = {name: array.copy() for name, array in map_tensors(golden_folder / "model.safetensors").items()}
    name = "transformer.layers.1.dec_attn.r_w_bias"
    tied, table = "crit.out_layers.0.weight", whole["transformer.word_emb.emb_layers.0.weight"]
    cases: dict[str, dict[str, Array]] = {
        f"missing {name}": {key: value for key, value in whole.items() if key != name},
        "unexpected transformer.more": whole | {"transformer.more": whole[name]},
        f"{name} has another shape": whole | {name: whole[name][:2]},
        f"{tied} is not .*, with which it is tied": whole
        | {tied: whole["transformer.word_emb.emb_layers.0.weight"] + 1},
    }
    for message, weights in cases.items():
        with pytest.raises(ParityError, match=message):
            TransfoXLLMHeadModel.from_pretrained(write(tmp_path / "broken", golden_config(), weights))
    again = whole | {tied: table}
    TransfoXLLMHeadModel.from_pretrained(write(tmp_path / "twice", golden_config(), again))


def test_a_bin_is_read_with_weights_only_and_a_folder_without_weights_refused(
    golden_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(golden_folder / "config.json", tmp_path)
    with pytest.raises(ParityError, match="no weights here"):
        TransfoXLLMHeadModel.from_pretrained(tmp_path)
    state = TransfoXLLMHeadModel.from_pretrained(golden_folder).state_dict()
    torch.save({**state, "transformer.pos_emb.inv_freq": torch.ones(32)}, tmp_path / "pytorch_model.bin")
    again = TransfoXLLMHeadModel.from_pretrained(tmp_path)
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    torch.save({"transformer.r": print}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ParityError, match="not readable by PyTorch"):
        TransfoXLLMHeadModel.from_pretrained(tmp_path)
    with pytest.raises(ParityError, match="cannot read the config"):
        TransfoXLLMHeadModel.from_pretrained(tmp_path / "nowhere")


def test_options_are_those_of_the_auto_classes_and_no_others(golden_folder: Path) -> None:
    assert TransfoXLModel.from_pretrained(golden_folder, dtype=torch.bfloat16).dtype is torch.bfloat16
    with pytest.raises(TypeError, match="has no option mem_length"):
        TransfoXLModel.from_pretrained(golden_folder, mem_length=3)
    with pytest.raises(ParityError, match="one memory for each layer"):
        TransfoXLModel.from_pretrained(golden_folder)(torch.zeros(1, 2).long(), [torch.zeros(1, 1, 64)])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_near_and_finite(golden_folder: Path, dtype: str) -> None:
    ids = torch.arange(10)[None]
    with torch.no_grad():
        found, exact = (
            TransfoXLLMHeadModel.from_pretrained(golden_folder, dtype=kind)(ids).logits.double()
            for kind in (getattr(torch, dtype), torch.float32)
        )
    assert bool(found.isfinite().all())
    assert float((found - exact).abs().max()) < 0.5


def test_the_auto_classes_find_it_after_registration(golden_folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    register()
    register()
    assert type(transformers.AutoModelForCausalLM.from_pretrained(golden_folder)) is TransfoXLLMHeadModel
    assert type(transformers.AutoModel.from_pretrained(golden_folder)) is TransfoXLModel


def test_outputs_are_read_by_name_key_and_number(golden_folder: Path) -> None:
    model = TransfoXLLMHeadModel.from_pretrained(golden_folder)
    with torch.no_grad():
        found = model(torch.zeros(2, 3).long(), output_attentions=True)
        plain = model(torch.zeros(2, 3).long(), return_dict=False)
    assert found.logits is found["prediction_scores"] is found[0]
    assert found.attentions[2].shape == (2, 4, 3, 19)
    assert plain[0].shape == (2, 3, 450)
    assert model.base_model is model.transformer


def test_filling_tells_every_problem_at_once() -> None:
    with pytest.raises(ParityError, match="problems"):
        fill(TransfoXLModel(TransfoXLConfig(**flags())), {}, where=Path("here"))
