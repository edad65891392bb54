"""GPT-2 on PyTorch, converted from the golden: every tap, with a past and without, is what the original computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_gpt2 import GOLDEN, LAYERS, apart, fed, golden, read

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.checkpoints import open_checkpoint
from parity.families.gpt2 import FAMILY as GPT2
from parity.families.gpt2.heads import LM
from parity.tensorfile import Array

torch = pytest.importorskip("torch", reason='pip install "parity[torch]"')
transformers = pytest.importorskip("transformers", reason='pip install "parity[torch]"')
from parity.backends import torch as runtime  # noqa: E402

VARIANTS = pytest.mark.parametrize("variant", ["eager", "sdpa"])
PARTS = pytest.mark.parametrize("prefix", ["", "cont_"], ids=["alone", "after a past"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from parity.artifacts import convert_checkpoint

    found = tmp_path_factory.mktemp("gpt2") / "converted"
    convert_checkpoint(str(GOLDEN), found)
    return found


def run(folder: Path, inputs: dict[str, Array], *taps: str, variant: str = "eager") -> dict[str, Array]:
    job = Job(
        backend="torch", variant=variant, family="gpt2", head="lm", artifact=folder, taps=taps, inputs=(), out=folder
    )  # fmt: skip
    opened = runtime.open(job)
    try:
        return dict(opened.run(inputs, texts=None))
    finally:
        opened.close()


@VARIANTS
@PARTS
def test_every_tap_is_the_originals(folder: Path, variant: str, prefix: str) -> None:
    expected = golden(prefix)
    found = run(folder, fed(prefix), *expected, variant=variant)
    assert found.keys() == expected.keys()
    for tap, array in expected.items():
        assert found[tap].shape == array.shape, tap
        assert found[tap].dtype == np.float32
        assert apart(found[tap], array) < 1e-5, tap


@PARTS
def test_fine_taps_are_what_the_reference_computes(folder: Path, prefix: str) -> None:
    config = read({"n_vocab": 355, "n_ctx": 40, "n_embd": 64, "n_head": 4, "n_layer": LAYERS})
    fine = [tap.name for tap in GPT2.fine_taps(config, LM)]
    found = run(folder, fed(prefix), *fine)
    with open_checkpoint(GOLDEN) as checkpoint:
        exact = walk(GPT2.stages(config, LM), NumpyOps(checkpoint.read, np.dtype("float64")), fed(prefix), fine)
    hidden = {f"layer.{k}.attention.{part}" for k in range(LAYERS) for part in ("query", "key", "value", "scores")}
    assert set(fine) - set(found) == hidden
    for tap, array in found.items():
        assert array.shape == exact[tap].shape, tap
        assert apart(array, exact[tap]) < 3e-5, tap  # probabilities are far apart in size


def test_logits_come_at_the_positions_asked_for(folder: Path) -> None:
    at = np.array([[39, 0], [7, 7], [1, 38]])
    found = run(folder, {**fed(), "logit_positions": at}, "logits.lm", "lm.input")
    assert found["lm.input"].shape == (3, 2, 64)
    rows = np.arange(3)[:, None]
    assert apart(found["logits.lm"], golden()["logits.lm"][rows, at]) < 1e-5
    assert apart(found["lm.input"], golden()["final_norm"][rows, at]) < 1e-5


def test_what_is_fed_as_past_is_left_as_it_was(folder: Path) -> None:
    inputs = fed("cont_")
    kept = {name: array.copy() for name, array in inputs.items()}
    once, again = (run(folder, inputs, "layer.3")["layer.3"] for _ in range(2))
    np.testing.assert_array_equal(once, again)
    for name, array in kept.items():
        np.testing.assert_array_equal(inputs[name], array)


def test_the_last_block_is_shown_before_the_final_norm(folder: Path) -> None:
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(torch.tensor(fed()["input_ids"]), output_hidden_states=True).hidden_states
    found = run(folder, fed(), f"layer.{LAYERS - 1}", "final_norm")
    assert apart(states[-1].numpy(), found["final_norm"]) < 1e-5
    assert apart(states[-1].numpy(), found[f"layer.{LAYERS - 1}"]) > 0.1


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "GPT2Model"])
def test_both_classes_load_every_tensor_and_nothing_else(tmp_path: Path, name: str) -> None:
    from parity.artifacts import Choices, convert_checkpoint

    head = {"GPT2LMHeadModel": "lm", "GPT2Model": "none"}[name]
    convert_checkpoint(str(GOLDEN), tmp_path / "m", choices=Choices(head=head))
    model, loading = getattr(transformers, name).from_pretrained(tmp_path / "m", output_loading_info=True)
    assert not any(loading.values()), loading
    with open_checkpoint(GOLDEN) as checkpoint:
        expected = checkpoint.read("model/h2/mlp/c_fc/w")[0]
    np.testing.assert_array_equal(model.base_model.h[2].mlp.c_fc.weight.detach().numpy(), expected)


def test_int8_turns_the_convolutions_of_width_1_too(folder: Path) -> None:
    from torch.ao.nn.quantized.dynamic import Linear

    job = Job(
        backend="torch", variant="int8", precision="int8", family="gpt2", head="lm", artifact=folder,
        taps=("layer.3", "logits.lm"), inputs=(), out=folder,
    )  # fmt: skip
    opened = runtime.open(job)
    turned = [module for module in opened._model.modules() if isinstance(module, Linear)]
    found = opened.run(fed(), texts=None)
    opened.close()
    assert len(turned) == 4 * LAYERS + 1
    assert 1e-3 < apart(found["layer.3"], golden()["layer.3"]) < 0.5
