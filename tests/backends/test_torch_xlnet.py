"""XLNet in PyTorch, converted from TensorFlow: the golden at every tap, and every head against the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_xlnet import CONFIG, FLAGS, GOLDEN, apart, fed, golden, read, write_source

from parity.artifacts import Choices, convert_checkpoint
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families.xlnet import FAMILY as XLNET
from parity.families.xlnet.heads import named
from parity.tensorfile import Array

torch = pytest.importorskip("torch", reason='pip install "parity[torch]"')
pytest.importorskip("transformers", reason='pip install "parity[torch]"')
from parity.backends import torch as runtime  # noqa: E402

HEADS = ("lm", "none", "classifier-imdb", "regression-sts-b", "multiple-choice", "qa", "qa-model")
RNG = np.random.default_rng(3)
IDS = RNG.integers(9, 400, (2, 6), np.int32)
MASK = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]], np.int32)
INPUTS = {
    "input_ids": IDS,
    "attention_mask": MASK,
    "token_type_ids": np.array([[0, 0, 0, 1, 1, 2], [4, 4, 0, 0, 0, 2]]),
}


def settings(flags: Mapping[str, Any]) -> Choices:
    return Choices(settings={key: str(value).lower() for key, value in flags.items()})


def shown(folder: Path, head: str, taps: tuple[str, ...], inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What the runtime shows of these taps."""
    out = folder.parent / "out"
    job = Job(
        backend="torch", family="xlnet", head=head, artifact=folder, taps=taps, inputs=(), out=out, variant="eager"
    )
    opened = runtime.open(job)
    try:
        assert not opened.unavailable()
        return dict(opened.run(inputs, texts=None))
    finally:
        opened.close()


def exact(
    source: Path, head: str, taps: tuple[str, ...], inputs: Mapping[str, Array], **flags: Any
) -> dict[str, Array]:
    with open_checkpoint(source) as checkpoint:
        config = read(CONFIG, **flags)
        return walk(XLNET.stages(config, named(head)), NumpyOps(checkpoint.read, np.dtype("float64")), inputs, taps)


@pytest.mark.parametrize("case", FLAGS)
def test_the_golden_holds_at_every_tap(case: str, tmp_path: Path) -> None:
    convert_checkpoint(str(GOLDEN), tmp_path / "made", choices=settings(FLAGS[case]))
    theirs = golden(case)
    found = shown(tmp_path / "made", "lm", tuple(theirs), fed(case))
    assert found.keys() == theirs.keys()
    for tap, expected in theirs.items():
        assert found[tap].shape == expected.shape, tap
        assert apart(found[tap], expected) < 1e-5, tap


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "flags", [{}, {"untie_r": False, "ff_activation": "relu", "mem_len": 4}], ids=["plain", "tied"]
)
def test_every_head_answers_as_the_reference(head: str, flags: dict[str, Any], tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", head, config=CONFIG | flags)
    convert_checkpoint(str(source), tmp_path / "made")
    config = read(CONFIG, **flags)
    taps = tuple(t.name for t in XLNET.taps(config, named(head)) if not t.name.startswith("query"))
    fine = tuple(t.name for t in XLNET.fine_taps(config, named(head)))
    held = tuple(
        tap for tap in fine if tap.endswith((".probs", ".norm", ".intermediate", "layer.1.output", "lm.input"))
    )
    found = shown(tmp_path / "made", head, (*taps, *held), INPUTS)
    expected = exact(source, head, (*taps, *held), INPUTS, **flags)
    assert found.keys() == expected.keys()
    assert {"summary", "logits.classifier"} <= found.keys() or head in ("lm", "none", "qa", "qa-model")
    for tap, array in expected.items():
        assert found[tap].shape == array.shape, tap
        assert apart(found[tap], array) < 1e-4 * max(np.abs(array).max(), 1), tap


@pytest.mark.parametrize("name", ["model/transformer/seg_embed", "model/transformer/r_s_bias", "model/lm_loss/bias"])
def test_a_tensor_that_differs_shows(name: str, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    convert_checkpoint(str(source), tmp_path / "made")
    with open_checkpoint(source) as checkpoint:
        other = checkpoint.read(name)[..., ::-1].copy()
    found = shown(tmp_path / "made", "lm", ("logits.lm",), INPUTS)["logits.lm"]
    changed = exact(write_source(tmp_path / "other", extra={name: other}), "lm", ("logits.lm",), INPUTS)["logits.lm"]
    assert apart(found, changed) > 1e-3


def test_masks_beside_causal_attention_are_refused_and_full_rows_are_not(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    convert_checkpoint(str(source), tmp_path / "made", choices=settings({"attn_type": "uni", "mem_len": 3}))
    with pytest.raises(ParityError, match="cannot mask rows where attention is causal"):
        shown(tmp_path / "made", "lm", ("layer.1",), INPUTS)
    whole = INPUTS | {"attention_mask": np.ones_like(IDS)}
    whole |= {f"mems.{i}": RNG.normal(size=(2, 3, 8)).astype(np.float32) for i in range(2)}
    taps = ("layer.1", "mems.1")
    found = shown(tmp_path / "made", "lm", taps, whole)
    for tap, array in exact(source, "lm", taps, whole, attn_type="uni", mem_len=3).items():
        assert apart(found[tap], array) < 1e-5, tap


def test_half_of_the_rows_runs_backward_where_the_flag_says(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    convert_checkpoint(str(source), tmp_path / "made", choices=settings({"bi_data": True}))
    found = shown(tmp_path / "made", "lm", ("layer.1",), INPUTS)["layer.1"]
    assert apart(found, exact(source, "lm", ("layer.1",), INPUTS, bi_data=True)["layer.1"]) < 1e-5
    assert apart(found, exact(source, "lm", ("layer.1",), INPUTS)["layer.1"]) > 1e-3
