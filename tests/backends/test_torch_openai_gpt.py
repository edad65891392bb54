"""OpenAI GPT on PyTorch, converted from the golden: every tap is what the original computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_gpt import GOLDEN, HPARAMS, TRAINED

from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.checkpoints import open_checkpoint
from parity.families.openai_gpt import FAMILY as GPT
from parity.families.openai_gpt.heads import CHOICE
from parity.tensorfile import Array

torch = pytest.importorskip("torch", reason='pip install "parity[torch]"')
transformers = pytest.importorskip("transformers", reason='pip install "parity[torch]"')
from parity.backends import torch as runtime  # noqa: E402

KEPT = np.load(GOLDEN / "golden.npz")
TOKENS = HPARAMS["n_vocab"] + HPARAMS["n_special"]
EXPECTED = {
    "embeddings": KEPT["embedding_output"],
    **{f"layer.{i}": KEPT[f"layer_{i}"] for i in range(HPARAMS["n_layer"])},
    "logits.lm": KEPT["lm_logits_full"][..., :TOKENS],
    "logits.classifier": KEPT["clf_logits"].reshape(-1, 1),
}
FED = {"input_ids": KEPT["input_ids"], "logit_positions": np.tile(np.arange(39), (6, 1))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from parity.artifacts import Choices, convert_checkpoint

    found = tmp_path_factory.mktemp("gpt") / "converted"
    choices = Choices(settings={"n_head": "4", "n_vocab": "193"}, tokenizer=False)
    convert_checkpoint(str(TRAINED), found, choices=choices)
    return found


def run(folder: Path, inputs: dict[str, Array], *taps: str) -> dict[str, Array]:
    job = Job(
        backend="torch",
        variant="eager",
        family="openai-gpt",
        head="multiple-choice",
        artifact=folder,
        taps=taps,
        inputs=(),
        out=folder,
    )
    opened = runtime.open(job)
    try:
        return dict(opened.run(inputs, texts=None))
    finally:
        opened.close()


def test_every_tap_is_the_originals(folder: Path) -> None:
    found = run(folder, FED, *EXPECTED)
    assert found.keys() == EXPECTED.keys()
    for tap, array in EXPECTED.items():
        assert found[tap].shape == array.shape, tap
        assert found[tap].dtype == np.float32
        assert np.abs(found[tap] - array).max() < 1e-5, tap


def test_fine_taps_are_what_the_reference_computes(folder: Path) -> None:
    raw = {"n_embd": 64, "n_head": 4, "n_layer": 3, "n_vocab": 193, "n_rows": 236}
    config = GPT.read_config(raw, where=Path("c"))
    fine = [tap.name for tap in GPT.fine_taps(config, CHOICE)]
    found = run(folder, FED, *fine)
    with open_checkpoint(TRAINED) as checkpoint:
        exact = walk(GPT.stages(config, CHOICE), NumpyOps(checkpoint.read, np.dtype("float64")), FED, fine)
    hidden = {f"layer.{k}.attention.{part}" for k in range(3) for part in ("query", "key", "value", "scores")}
    assert set(fine) - set(found) == hidden
    for tap, array in found.items():
        assert array.shape == exact[tap].shape, tap
        assert np.abs(array - exact[tap]).max() < 3e-5 * max(1.0, np.abs(exact[tap]).max()), tap


def test_the_classifier_reads_the_first_classify_token_or_the_beginning(folder: Path) -> None:
    classify = TOKENS - 1
    ids = np.array([[5, classify, 7, classify], [5, 6, 7, 8], [classify, 1, 2, 3]])
    found = run(folder, {"input_ids": ids}, "layer.2", "classifier.input")
    expected = found["layer.2"][np.arange(3), [1, 0, 0]]
    np.testing.assert_array_equal(found["classifier.input"], expected)
