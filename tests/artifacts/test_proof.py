"""conversion.json: what it says of a golden's conversion, and what is no proof."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_names import lines
from small_bert import CYRILLIC, ERF, read_source

from parity.artifacts import convert_checkpoint
from parity.artifacts.proof import FILE, Proof, read_proof, sha256_array, sha256_file
from parity.errors import ParityError
from parity.tensorfile import map_tensors


@pytest.fixture(scope="module")
def said(converted: dict[Path, Path]) -> dict[str, Any]:
    """As another program reads it."""
    found: dict[str, Any] = json.loads((converted[ERF] / FILE).read_text(encoding="utf-8"))
    return found


def test_every_tensor_is_proved_by_name_operation_shape_dtype_and_both_hashes(
    said: dict[str, Any], converted: dict[Path, Path]
) -> None:
    source, target = read_source(ERF), map_tensors(converted[ERF] / "model.safetensors")
    by_source = {line["source"]: line for line in said["tensors"]}
    for line in lines(3, "pretraining"):
        proved = by_source.pop(line.source)
        assert proved == {
            "source": line.source,
            "target": line.target,
            "operation": "transpose" if line.turned else "copy",
            "source_shape": list(source[line.source].shape),
            "target_shape": list(target[line.target].shape),
            "source_dtype": "float32",
            "target_dtype": "float32",
            "source_sha256": hashlib.sha256(source[line.source].tobytes()).hexdigest(),
            "target_sha256": hashlib.sha256(np.ascontiguousarray(target[line.target]).tobytes()).hexdigest(),
        }
    assert by_source == {}


def test_the_hashes_are_those_the_golden_itself_records(converted: dict[Path, Path]) -> None:
    for case in (ERF, CYRILLIC):
        recorded = json.loads((case / "meta.json").read_text())["variables"]
        for line in read_proof(converted[case]).tensors:
            assert line.source_sha256 == recorded[line.source]["sha256"]


def test_what_was_left_behind_is_named_with_reasons(said: dict[str, Any]) -> None:
    left = {entry["source"]: entry["reason"] for entry in said["dropped"]}
    assert left["global_step"] == "training state, not part of the model"
    kept = {line["source"] for line in said["tensors"]}
    assert kept | left.keys() == read_source(ERF).keys()
    assert all("optimizer slot adam_" in left[name] for name in left if name != "global_step")


def test_config_decisions_and_assumptions_are_kept(said: dict[str, Any]) -> None:
    assert said["config"] == json.loads((ERF / "bert_config.json").read_text())
    assert (said["config_file"], said["source_format"]) == ("bert_config.json", "tensorflow-v2")
    assert (said["family"], said["head"], said["to"], said["labels"]) == ("bert", "pretraining", "pytorch", 0)
    assert (said["activation"], said["epsilon"]) == ("gelu_erf", 1e-12)
    assert said["casing"]["lower_case"] is True
    assert len(said["assumptions"]) == 2
    assert "taken as erf" in said["assumptions"][0]
    assert "casing read off the vocabulary" in said["assumptions"][1]
    assert {entry["target"] for entry in said["tied"]} == {
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    }


def test_every_other_file_is_proved_as_a_whole(said: dict[str, Any], converted: dict[Path, Path]) -> None:
    others = {path.name for path in converted[ERF].iterdir()} - {FILE, "model.safetensors"}
    assert said["files"] == {name: sha256_file(converted[ERF] / name) for name in sorted(others)}
    assert "tokenizer.json" in others


def test_the_same_source_gives_the_same_bytes_wherever_and_whenever(
    tmp_path: Path, converted: dict[Path, Path]
) -> None:
    convert_checkpoint(str(ERF / "bert_model.ckpt.index"), tmp_path / "other" / "name")
    for path in converted[ERF].iterdir():
        assert path.read_bytes() == (tmp_path / "other" / "name" / path.name).read_bytes(), path.name
    assert str(ERF.parent) not in (converted[ERF] / FILE).read_text()


def test_a_proof_comes_back_as_it_was_written(tmp_path: Path, converted: dict[Path, Path]) -> None:
    proof = replace(read_proof(converted[CYRILLIC]), notes={"weights": ["a", "b"], "deep": {"x": [1, None]}})
    proof.write(tmp_path)
    assert read_proof(tmp_path) == proof
    assert (tmp_path / FILE).read_text(encoding="utf-8") == proof.text()


def test_hashes_are_over_c_order() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert sha256_array(array.T) == hashlib.sha256(array.T.copy().tobytes()).hexdigest()
    assert sha256_array(array.T) != sha256_array(array)
    assert sha256_array(np.float32(3)) == hashlib.sha256(np.float32(3).tobytes()).hexdigest()


def test_a_folder_without_a_proof_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=f"{tmp_path / FILE}: no proof here; .*parity convert"):
        read_proof(tmp_path)


DAMAGES: dict[str, Any] = {
    "not JSON": lambda raw: "{",
    "not text": lambda raw: b"\xff\xfe",
    "nested beyond sense": lambda raw: "[" * 200_000,
    "a list": lambda raw: [],
    "null": lambda raw: None,
    "no tensors": lambda raw: {k: v for k, v in raw.items() if k != "tensors"},
    "no format": lambda raw: {k: v for k, v in raw.items() if k != "format"},
    "another format": lambda raw: raw | {"format": 99},
    "tensors are words": lambda raw: raw | {"tensors": ["a"]},
    "tensors are a number": lambda raw: raw | {"tensors": 3},
    "a tensor without a hash": lambda raw: raw | {"tensors": [raw["tensors"][0] | {"source_sha256": None}]},
    "a tensor with a field too many": lambda raw: raw | {"tensors": [raw["tensors"][0] | {"x": 1}]},
    "a shape of words": lambda raw: raw | {"tensors": [raw["tensors"][0] | {"target_shape": ["1"]}]},
    "a shape that is a number": lambda raw: raw | {"tensors": [raw["tensors"][0] | {"target_shape": 1}]},
    "a dtype of no kind": lambda raw: raw | {"tensors": [raw["tensors"][0] | {"source_dtype": "../.."}]},
    "a dtype of objects": lambda raw: raw | {"tensors": [raw["tensors"][0] | {"target_dtype": "O"}]},
    "files are a list": lambda raw: raw | {"files": ["vocab.txt"]},
    "a file's hash is a number": lambda raw: raw | {"files": {"vocab.txt": 1}},
    "a file outside": lambda raw: raw | {"files": {"../secret": "0"}},
    "a file from the root": lambda raw: raw | {"files": {"/etc/hostname": "0"}},
    "notes are words": lambda raw: raw | {"notes": "weights"},
    "config is a list": lambda raw: raw | {"config": []},
    "head is a list": lambda raw: raw | {"head": ["none"]},
    "assumptions are numbers": lambda raw: raw | {"assumptions": [1]},
    "epsilon is a word": lambda raw: raw | {"epsilon": "1e-12"},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_proof_is_refused_in_one_line(tmp_path: Path, said: dict[str, Any], damage: str) -> None:
    made = DAMAGES[damage](said)
    content = made if isinstance(made, bytes) else (made if isinstance(made, str) else json.dumps(made)).encode()
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ParityError) as caught:
        read_proof(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / FILE}: ")
    assert "\n" not in message
    assert "; " in message
    assert len(message) < 500


def test_the_seal_covers_every_byte_of_the_proof(tmp_path: Path, converted: dict[Path, Path]) -> None:
    text = (converted[ERF] / FILE).read_bytes()
    for place in range(0, len(text), 997):
        changed = bytearray(text)
        changed[place] ^= 1
        (tmp_path / FILE).write_bytes(changed)
        try:
            proof: Proof | None = read_proof(tmp_path)
        except ParityError:
            continue
        assert proof is not None
        assert proof.text().encode() != bytes(changed)
