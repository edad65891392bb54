"""Heads that keep their variables under another head's names: taken when asked for, and right in PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_names import ALIKE, ALIKE_CLASSES
from small_bert import arrays, write_source

from parity.artifacts import Choices, convert_checkpoint
from parity.artifacts.reload import reload
from parity.artifacts.verify import verify
from parity.errors import ParityError
from parity.families import family

BERT = family("bert")


@pytest.mark.parametrize("head", ALIKE)
def test_they_convert_verify_and_load_as_their_class(head: str, tmp_path: Path) -> None:
    labels = 1 if head == "multiple-choice" else 3
    source = write_source(tmp_path / "source", ALIKE[head], labels=labels)
    proof = convert_checkpoint(str(source), tmp_path / "out", choices=Choices(head=head))
    assert proof.head == head
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert written["architectures"] == [ALIKE_CLASSES[head]]
    assert len(written.get("id2label", ())) == (3 if head == "token-classifier" else 0)
    assert verify(tmp_path / "out", source=source).source_tensors == len(arrays(ALIKE[head]))
    chosen = next(one for one in BERT.all_heads if one.name == head)
    problems, seen = reload("pytorch", tmp_path / "out", spare=tuple(BERT.unused_by_class(chosen)))
    assert problems == []
    assert seen.startswith(f"{ALIKE_CLASSES[head]} and AutoModel")


def test_without_being_asked_for_they_are_what_google_made(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", "classifier")
    assert convert_checkpoint(str(source), tmp_path / "out").head == "classifier"


def test_multiple_choice_scores_one_row_at_a_time(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", "classifier", labels=3)
    with pytest.raises(ParityError) as caught:
        convert_checkpoint(str(source), tmp_path / "out", choices=Choices(head="multiple-choice"))
    assert "output_weights has another shape" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_tokens_are_classified_as_the_reference_does(transformers: Any, tmp_path: Path) -> None:
    import torch

    from parity.backends.executors.numpy_ops import NumpyOps
    from parity.backends.executors.walk import walk
    from parity.checkpoints import open_checkpoint

    source = write_source(tmp_path / "source", "classifier")
    convert_checkpoint(str(source), tmp_path / "out", choices=Choices(head="token-classifier"))
    ids = np.random.default_rng(1).integers(0, 50, (2, 6))
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    model = transformers.BertForTokenClassification.from_pretrained(tmp_path / "out")
    with torch.inference_mode():
        theirs = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits.numpy()
    config = BERT.read_config(json.loads((source / "bert_config.json").read_text()), where=source)
    head = next(one for one in BERT.all_heads if one.name == "token-classifier")
    with open_checkpoint(source) as checkpoint:
        ours = walk(
            BERT.stages(config, head), NumpyOps(checkpoint.read, np.dtype("float64")), inputs, ["logits.tokens"]
        )
    assert theirs.shape == (2, 6, 3)
    np.testing.assert_allclose(theirs, ours["logits.tokens"], atol=2e-6)
