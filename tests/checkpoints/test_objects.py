"""Object-based checkpoints of the Model Garden's BERT encoder, read under the original's names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import CONFIG, VOCAB, arrays, write_source

from parity.artifacts import convert_checkpoint
from parity.artifacts.verify import verify
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.tensorfile import Array, map_tensors

HEADS, SIZE = 2, 4
LAYER = {
    "_attention_layer/_query_dense/kernel": "attention/self/query/kernel",
    "_attention_layer/_query_dense/bias": "attention/self/query/bias",
    "_attention_layer/_key_dense/kernel": "attention/self/key/kernel",
    "_attention_layer/_key_dense/bias": "attention/self/key/bias",
    "_attention_layer/_value_dense/kernel": "attention/self/value/kernel",
    "_attention_layer/_value_dense/bias": "attention/self/value/bias",
    "_attention_output_dense/kernel": "attention/output/dense/kernel",
    "_attention_output_dense/bias": "attention/output/dense/bias",
    "_attention_layer_norm/gamma": "attention/output/LayerNorm/gamma",
    "_attention_layer_norm/beta": "attention/output/LayerNorm/beta",
    "_intermediate_dense/kernel": "intermediate/dense/kernel",
    "_intermediate_dense/bias": "intermediate/dense/bias",
    "_output_dense/kernel": "output/dense/kernel",
    "_output_dense/bias": "output/dense/bias",
    "_output_layer_norm/gamma": "output/LayerNorm/gamma",
    "_output_layer_norm/beta": "output/LayerNorm/beta",
}
PATHS = {
    "layer_with_weights-0/embeddings": "bert/embeddings/word_embeddings",
    "layer_with_weights-1/embeddings": "bert/embeddings/position_embeddings",
    "layer_with_weights-2/embeddings": "bert/embeddings/token_type_embeddings",
    "layer_with_weights-3/gamma": "bert/embeddings/LayerNorm/gamma",
    "layer_with_weights-3/beta": "bert/embeddings/LayerNorm/beta",
    **{f"layer_with_weights-{4 + i}/{a}": f"bert/encoder/layer_{i}/{b}" for i in range(2) for a, b in LAYER.items()},
    "layer_with_weights-6/kernel": "bert/pooler/dense/kernel",
    "layer_with_weights-6/bias": "bert/pooler/dense/bias",
}
"""Written by hand, not taken from the reader: attribute paths of TransformerEncoder, and the original's names."""


def by_heads(name: str, array: Array) -> Array:
    """As TensorFlow 2 keeps projections."""
    if "/attention/self/" in name:
        return array.reshape(*array.shape[:-1], HEADS, SIZE)
    return array.reshape(HEADS, SIZE, -1) if name.endswith("attention/output/dense/kernel") else array


def save(
    folder: Path, root: str = "model", change: Callable[[dict[str, Array]], None] | None = None, **extra: Any
) -> dict[str, Array]:
    """An object-based checkpoint with config and vocabulary; returns its tensors under TensorFlow 1's names."""
    tf = pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')
    held = arrays("none")
    assert set(held) == set(PATHS.values())
    tensors = {path: by_heads(name, held[name]) for path, name in PATHS.items()}
    if change is not None:
        change(tensors)
    top = tf.Module()
    for path, array in tensors.items():
        at = top
        *scopes, last = path.split("/")
        for scope in scopes:
            if not hasattr(at, scope):
                setattr(at, scope, tf.Module())
            at = getattr(at, scope)
        setattr(at, last, tf.Variable(array))
    tf.train.Checkpoint(**{root: top}, **{name: tf.Variable(value) for name, value in extra.items()}).save(
        str(folder / "bert_model.ckpt")
    )
    (folder / "bert_config.json").write_text(json.dumps(CONFIG))
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in VOCAB))
    return held


@pytest.mark.parametrize("root", ["model", "encoder"])
def test_tensors_are_read_under_the_names_and_shapes_of_tensorflow_1(tmp_path: Path, root: str) -> None:
    held = save(tmp_path, root)
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.format == "tensorflow-v2-objects"
        assert set(checkpoint.entries) == set(held)
        for name, array in held.items():
            assert checkpoint.entries[name].shape == array.shape
            np.testing.assert_array_equal(checkpoint.read(name), array, err_msg=name)


def test_it_converts_to_what_the_same_weights_by_name_convert_to(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    held = save(tmp_path / "objects")
    write_source(tmp_path / "names", "none", tensors=held)
    made, formats = {}, []
    for kind in ("objects", "names"):
        proof = convert_checkpoint(str(tmp_path / kind), tmp_path / f"{kind}-out")
        made[kind] = map_tensors(tmp_path / f"{kind}-out" / "model.safetensors")
        assert not proof.dropped
        formats.append(proof.source_format)
        verify(tmp_path / f"{kind}-out", source=tmp_path / kind)
    assert formats == ["tensorflow-v2-objects", "tensorflow-v2"]
    assert set(made["objects"]) == set(made["names"])
    for name, array in made["names"].items():
        np.testing.assert_array_equal(made["objects"][name], array, err_msg=name)


def test_training_state_keeps_its_place(tmp_path: Path) -> None:
    save(tmp_path, global_step=np.int64(7))
    with open_checkpoint(tmp_path) as checkpoint:
        assert "global_step" in checkpoint.entries
        assert "save_counter" not in checkpoint.entries
    proof = convert_checkpoint(str(tmp_path), tmp_path / "out")
    assert [line.source for line in proof.dropped] == ["global_step"]


def test_what_is_not_known_is_refused_by_its_path(tmp_path: Path) -> None:
    def more(tensors: dict[str, Array]) -> None:
        tensors["layer_with_weights-9/kernel"] = np.zeros((2, 2), np.float32)

    save(tmp_path, change=more)
    with pytest.raises(ParityError, match="unknown variable layer_with_weights-9/kernel"):
        convert_checkpoint(str(tmp_path), tmp_path / "out")


def test_another_shape_is_refused(tmp_path: Path) -> None:
    def wrong(tensors: dict[str, Array]) -> None:
        tensors["layer_with_weights-4/_output_dense/kernel"] = np.zeros((2, 3, 4), np.float32)

    save(tmp_path, change=wrong)
    with pytest.raises(ParityError, match=r"another shape than bert/encoder/layer_0/output/dense/kernel.*\[2, 3, 4\]"):
        open_checkpoint(tmp_path)


def test_an_encoder_inside_a_larger_model_is_refused(tmp_path: Path) -> None:
    def deeper(tensors: dict[str, Array]) -> None:
        for path in list(tensors):
            tensors[f"layer_with_weights-0/{path}"] = tensors.pop(path)

    save(tmp_path, change=deeper)
    with pytest.raises(ParityError, match="part of a larger model: only the encoder by itself is read"):
        open_checkpoint(tmp_path)
