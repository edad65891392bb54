"""The Transformer-XL graph against what the original's code computed, and against its formulas on other flags."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transfo_xl_folders as tiny
from graph_runs import KINDS, assert_close, export, opened

from parity.checkpoints import open_checkpoint
from parity.errors import ParityError

GOLDEN = Path(__file__).parents[2] / "fixtures" / "goldens" / "transfo_xl_div4_wt103"
LAYERS = 3


def renamed(name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    """One variable of the checkpoint by transformers' old name, or by those of every layer."""
    short = name.removeprefix("transformer/")
    if short in ("r_w_bias", "r_r_bias"):
        return {f"{tiny.BODY}layers.{i}.dec_attn.{short}": row for i, row in enumerate(array)}
    rules = (
        (r"adaptive_embed/cutoff_(\d)/lookup_table", tiny.BODY + r"word_emb.emb_layers.\1.weight", False),
        (r"adaptive_embed/cutoff_(\d)/proj_W", tiny.BODY + r"word_emb.emb_projs.\1", True),
        (r"adaptive_softmax/cutoff_0/cluster_W", "crit.cluster_weight", False),
        (r"adaptive_softmax/cutoff_0/cluster_b", "crit.cluster_bias", False),
        (r"adaptive_softmax/cutoff_(\d)/b", r"crit.out_layers.\1.bias", False),
        (r"adaptive_softmax/cutoff_(\d)/proj", r"crit.out_projs.\1", True),
        (r"layer_(\d)/rel_attn/(qkv|r|o)/kernel", tiny.BODY + r"layers.\1.dec_attn.\2_net.weight", True),
        (r"layer_(\d)/rel_attn/LayerNorm/gamma", tiny.BODY + r"layers.\1.dec_attn.layer_norm.weight", False),
        (r"layer_(\d)/rel_attn/LayerNorm/beta", tiny.BODY + r"layers.\1.dec_attn.layer_norm.bias", False),
        (r"layer_(\d)/ff/LayerNorm/gamma", tiny.BODY + r"layers.\1.pos_ff.layer_norm.weight", False),
        (r"layer_(\d)/ff/LayerNorm/beta", tiny.BODY + r"layers.\1.pos_ff.layer_norm.bias", False),
        (r"layer_(\d)/ff/layer_1/kernel", tiny.BODY + r"layers.\1.pos_ff.CoreNet.0.weight", True),
        (r"layer_(\d)/ff/layer_1/bias", tiny.BODY + r"layers.\1.pos_ff.CoreNet.0.bias", False),
        (r"layer_(\d)/ff/layer_2/kernel", tiny.BODY + r"layers.\1.pos_ff.CoreNet.3.weight", True),
        (r"layer_(\d)/ff/layer_2/bias", tiny.BODY + r"layers.\1.pos_ff.CoreNet.3.bias", False),
    )
    for pattern, name_there, turned in rules:
        if re.fullmatch(pattern, short):
            return {re.sub(pattern, name_there, short): np.ascontiguousarray(array.T if turned else array)}
    assert short == "global_step"
    return {}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "golden.npz") as found:
        return dict(found)


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with open_checkpoint(GOLDEN / "model.ckpt-0") as checkpoint:
        read = [renamed(name, checkpoint.read(name)) for name in checkpoint.entries if "Adam" not in name]
    return {name: array for one in read for name, array in one.items()}


@pytest.fixture(scope="module")
def folder(arrays, tmp_path_factory):
    flags = json.loads((GOLDEN / "model_flags.json").read_text())
    config = {**tiny.CONFIG, **flags, "vocab_size": flags["n_token"]}
    root = tmp_path_factory.mktemp("golden")
    return lambda **changed: tiny.write_folder(
        root / "-".join(map(str, changed.values())), arrays, {**config, **changed}, target_class="TransfoXLLMHeadModel"
    )


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    inner = ("embeddings", *(f"layer.{k}" for k in range(LAYERS)))
    root, made = tmp_path_factory.mktemp("graphs"), {}
    for kind in KINDS:
        for same in (False, True):
            path = export(kind, folder(same_length=same), root / f"{kind}-{same}")
            made[kind, same] = opened(kind, path, inner=inner)
    return made


def at(golden: dict[str, np.ndarray], case: str, name: str) -> np.ndarray:
    """A golden's array, batch-major."""
    return np.ascontiguousarray(golden[f"{case}_{name}"].swapaxes(0, 1))


def fed(golden: dict[str, np.ndarray], case: str) -> dict[str, np.ndarray]:
    segment = "seg1" if case in ("seg1", "nomem") else "seg2"
    ids = at(golden, segment, "input").astype(np.int64)
    if case == "nomem":
        return {"input_ids": ids, **{f"mems.{k}": np.zeros((len(ids), 0, 64), np.float32) for k in range(LAYERS)}}
    if case == "seg1":
        return {"input_ids": ids, **{f"mems.{k}": np.zeros((len(ids), 16, 64), np.float32) for k in range(LAYERS)}}
    return {"input_ids": ids, **{f"mems.{k}": at(golden, "seg1", f"new_mem_{k}") for k in range(LAYERS)}}


@pytest.mark.parametrize("case", ["seg1", "seg2", "nomem", "samelen"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_memory_and_log_probability_is_the_originals(kind, case, runs, golden):
    got = runs[kind, case == "samelen"](fed(golden, case))
    assert_close(got["embeddings"], at(golden, case, "embedding_output"))
    for k in range(LAYERS):
        assert_close(got[f"layer.{k}"], at(golden, case, f"layer_{k}"))
        assert_close(got[f"new_mems.{k}"], at(golden, case, f"new_mem_{k}"))
    targets = at(golden, "seg1" if case in ("seg1", "nomem") else "seg2", "target").astype(np.int64)
    chosen = np.take_along_axis(got["log_probs"], targets[..., None], axis=2)[..., 0]
    assert_close(-chosen, at(golden, case, "nll"))
    if f"{case}_log_probs" in golden:
        assert_close(got["log_probs"], at(golden, case, "log_probs"))


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_are_a_memory_and_not_none(kind, runs, golden):
    zeros, nothing = (runs[kind, False](fed(golden, case))["layer.0"] for case in ("seg1", "nomem"))
    assert np.abs(zeros - nothing).max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_of_one_whole(kind, runs, golden):
    total = np.exp(runs[kind, False](fed(golden, "seg2"))["log_probs"].astype(np.float64)).sum(-1)
    np.testing.assert_allclose(total, 1, atol=1e-5)


FLAGS: dict[str, dict[str, Any]] = {
    "clusters": {},
    "all-tied": {"tie_projs": [True] * 4},
    "none-tied": {"tie_projs": [False] * 4, "untie_r": False},
    "one-table": {"div_val": 1, "tie_projs": [False, True, True, True]},
    "one-table-unprojected": {"div_val": 1, "d_embed": 20, "tie_projs": [False] * 4},
    "same-dim": {"d_embed": 20, "proj_same_dim": False, "tie_projs": [False, True, True, True]},
    "projected-same-dim": {"d_embed": 20},
    "uncut": {"div_val": 1, "cutoffs": [], "tie_projs": [True]},
    "uncut-unprojected": {"div_val": 1, "cutoffs": [], "tie_projs": [False], "d_embed": 20},
    "two-clusters": {"cutoffs": [30], "tie_projs": [False, True]},
    "clamped": {"clamp_len": 4, "same_length": True, "layer_norm_epsilon": 1e-3},
    "long-memory": {"mem_len": 100, "clamp_len": 7},
    "same-length": {"same_length": True, "untie_r": False},
}


@pytest.mark.parametrize("case", FLAGS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_flag_computes_what_the_originals_formulas_say(kind, case, tmp_path):
    config = {**tiny.CONFIG, **FLAGS[case]}
    arrays = tiny.weights(config)
    original = tiny.Original(arrays, config)
    folder = tiny.write_folder(tmp_path / "hf", arrays, config, target_class="TransfoXLLMHeadModel")
    run = opened(kind, export(kind, folder, tmp_path / "out"), inner=("embeddings", "layer.0", "layer.1"))
    rng = np.random.default_rng(3)
    for rows, length, memory in ((2, 5, 6), (1, 1, 0), (3, 9, 2), (2, 1, 4)):
        ids = rng.integers(0, config["vocab_size"], (rows, length))
        mems = [rng.normal(size=(rows, memory, 20)).astype(np.float32) for _ in range(2)]
        got = run({"input_ids": ids, **{f"mems.{k}": mem for k, mem in enumerate(mems)}})
        wanted = original.run(ids, mems)
        assert set(got) == set(wanted) - {"last_hidden_state"}
        for name, value in got.items():
            assert_close(value, wanted[name])


@pytest.mark.parametrize("kind", KINDS)
def test_the_bare_model_ships_its_last_state(kind, tmp_path):
    body = {k: v for k, v in tiny.weights(tiny.CONFIG).items() if k.startswith(tiny.BODY)}
    bare = {name.removeprefix(tiny.BODY): array for name, array in body.items()}
    config = {**tiny.CONFIG, "mem_len": 0}
    folder = tiny.write_folder(tmp_path / "hf", bare, config, target_class="TransfoXLModel")
    ids = np.arange(10).reshape(2, 5)
    got = opened(kind, export(kind, folder, tmp_path / "out"))(
        {"input_ids": ids, **{f"mems.{k}": np.zeros((2, 0, 20), np.float32) for k in range(2)}}
    )
    assert list(got) == ["last_hidden_state"]
    assert_close(got["last_hidden_state"], tiny.Original(body, config).run(ids, None)["last_hidden_state"])


@pytest.mark.parametrize("kind", KINDS)
def test_far_distances_are_as_exact_as_near_ones(kind, tmp_path):
    arrays = tiny.weights(tiny.CONFIG)
    folder = tiny.write_folder(tmp_path / "hf", arrays, tiny.CONFIG, target_class="TransfoXLLMHeadModel")
    run = opened(kind, export(kind, folder, tmp_path / "out"), inner=("distances.waves",))
    mems = {f"mems.{k}": np.zeros((1, 1600, 20), np.float32) for k in range(2)}
    got = run({"input_ids": np.zeros((1, 2), np.int64), **mems})["distances.waves"]
    frequencies = (10000.0 ** -(np.arange(0, 20, 2) / 20)).astype(np.float32)
    angles = np.arange(1602, -1, -1, dtype=np.float32)[:, None] * frequencies
    wanted = np.concatenate((np.sin(angles.astype(np.float64)), np.cos(angles.astype(np.float64))), 1)
    assert np.abs(got - wanted).max() < 1e-6


REFUSED = {
    "attn_type cannot be drawn": {"attn_type": 2},
    "crit.out_layers.0.weight is missing": {"tie_word_embeddings": False},
    "pre_lnorm cannot be drawn": {"pre_lnorm": True},
    "cutoffs do not rise": {"cutoffs": [20, 11, 37]},
    "tie_projs does not fit": {"tie_projs": [True]},
    "leaves no column": {"d_embed": 4},
    "clamp_len is not a whole number": {"clamp_len": None},
    "emb_layers.0.weight does not fit": {"cutoffs": [12, 20, 37]},
    "crit.out_projs.1 is missing": {"tie_projs": [False, False, True, True]},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_config_that_does_not_fit_is_refused(message, tmp_path):
    arrays, config = tiny.weights(tiny.CONFIG), {**tiny.CONFIG, **REFUSED[message]}
    folder = tiny.write_folder(tmp_path / "hf", arrays, config, target_class="TransfoXLLMHeadModel")
    with pytest.raises(ParityError, match=message):
        export("onnx", folder, tmp_path / "out")
