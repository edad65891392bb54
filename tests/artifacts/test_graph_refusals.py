"""Folders that no graph can be drawn of: one clear line each, and nothing written."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import graph_folders as tiny
import numpy as np
import pytest

from parity.errors import ParityError

KINDS = ("openvino", "onnx")


def export(kind: str, folder: Path, out: Path) -> None:
    out.mkdir()
    importlib.import_module(f"parity.artifacts.{kind}").export(folder, out)


def without(name: str):
    return {key: array for key, array in tiny.weights("BertModel").items() if key != name}


def misshapen(name: str):
    return {**tiny.weights("BertModel"), name: np.zeros((3, 20), np.float32)}


PROBLEMS = {
    "missing": (without("encoder.layer.1.output.dense.bias"), {}, r"encoder\.layer\.1\.output\.dense\.bias is missing"),
    "misshapen": (misshapen("pooler.dense.weight"), {}, r"pooler\.dense\.weight does not fit.*\[3, 20\].*\[20, 20\]"),
    "rows": (misshapen("embeddings.token_type_embeddings.weight"), {}, "token_type_embeddings.*does not fit"),
    "integers": (
        {**tiny.weights("BertModel"), "pooler.dense.bias": np.zeros(20, np.int64)},
        {},
        "pooler.dense.bias holds no floats.*int64",
    ),
    "activation": (None, {"hidden_act": "silu"}, "unknown hidden_act.*silu"),
    "positions": (None, {"position_embedding_type": "relative_key"}, "only absolute positions"),
    "decoder": (None, {"is_decoder": True}, "is_decoder cannot be drawn"),
    "heads": (None, {"num_attention_heads": 3}, "no multiple of num_attention_heads"),
    "several": (None, {"hidden_act": 3, "vocab_size": True, "layer_norm_eps": None}, "(?s)3 problems.*vocab_size"),
    "class": (None, {"architectures": ["T5Model"]}, "no graph for this class.*T5Model.*BertModel"),
    "classes": (None, {"architectures": []}, "one class in `architectures`"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", sorted(PROBLEMS))
def test_a_folder_that_does_not_fit_is_refused(case, kind, tmp_path):
    arrays, config, message = PROBLEMS[case]
    folder = tiny.write_folder(tmp_path / "hf", "BertModel", arrays or tiny.weights("BertModel"), **config)
    with pytest.raises(ParityError, match=message):
        export(kind, folder, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_layer_too_many_in_the_config_is_refused(tmp_path):
    folder = tiny.write_folder(tmp_path / "hf", "BertModel", tiny.weights("BertModel"), num_hidden_layers=3)
    with pytest.raises(ParityError, match=r"encoder\.layer\.2.* is missing"):
        export("onnx", folder, tmp_path / "out")


@pytest.mark.parametrize("content", [None, "{", "[]", json.dumps({"architectures": "BertModel"})])
def test_a_folder_without_a_config_is_refused(content, tmp_path):
    folder = tiny.write_folder(tmp_path / "hf", "BertModel")
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content)
    with pytest.raises(ParityError, match=r"config\.json"):
        export("onnx", folder, tmp_path / "out")


def test_a_folder_without_weights_is_refused(tmp_path):
    folder = tiny.write_folder(tmp_path / "hf", "BertModel")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ParityError, match=r"neither model.safetensors nor pytorch_model.bin"):
        export("openvino", folder, tmp_path / "out")


def test_a_hostile_pytorch_bin_is_not_executed(tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    folder = tiny.write_folder(tmp_path / "hf", "BertModel")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ParityError, match="not a readable PyTorch file"):
        export("onnx", folder, tmp_path / "out")
    assert not (tmp_path / "executed").exists()
