"""`parity inspect`: what a checkpoint holds, as values, text and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bert_names import CLASSES
from small_bert import ERF, PREFIX, write_source

from parity.artifacts.inspect import inspection
from parity.checkpoints import write_bundle
from parity.errors import ParityError
from parity.tensorfile import TensorSpec


def test_a_training_checkpoint_is_told_apart_into_model_and_state() -> None:
    found = inspection(ERF)
    assert (found.format, found.family, found.layers) == ("tensorflow-v2", "bert", 3)
    assert found.heads == ("pretraining", "mlm", "lm", "nsp", "none")
    assert found.problems == ()
    roles = [line.role for line in found.tensors]
    assert roles.count("model") == 5 + 16 * 3 + 2 + 7
    assert roles.count("optimizer slot adam_m") == roles.count("optimizer slot adam_v") > 50
    assert roles.count("training state, not part of the model") == 1
    assert len(roles) == 187, "as the golden's own record says"
    assert found.files == tuple(
        (name, (ERF / name).stat().st_size) for name in (f"{PREFIX}.index", f"{PREFIX}.data-00000-of-00001")
    )


@pytest.mark.parametrize("head", sorted(CLASSES))
def test_the_heads_are_named(tmp_path: Path, head: str) -> None:
    assert inspection(write_source(tmp_path, head)).heads[0] == head


def test_json_holds_it_all_and_text_a_line_for_each_tensor(tmp_path: Path) -> None:
    found = inspection(write_source(tmp_path, shards=3, dtype="bfloat16", extra={"global_step": np.array(1, np.int64)}))
    plain = json.loads(found.to_json())
    by_name = {line["name"]: line for line in plain["tensors"]}
    assert by_name["bert/pooler/dense/kernel"] | {"shards": None} == {
        "name": "bert/pooler/dense/kernel",
        "dtype": "bfloat16",
        "shape": [8, 8],
        "nbytes": 128,
        "shards": None,
        "slices": 1,
        "role": "model",
    }
    assert {shard for line in plain["tensors"] for shard in line["shards"]} == {0, 1, 2}
    assert (plain["family"], plain["layers"], len(plain["files"])) == ("bert", 2, 4)
    text = found.to_text().splitlines()
    assert text[0].startswith(f"{tmp_path / PREFIX}: tensorflow-v2, 47 tensors, ")
    assert "family bert; heads pretraining, mlm, lm, nsp, none; layers 2" in text
    assert "left behind: 1 x training state, not part of the model" in text
    assert any(line.split() == ["bert/pooler/dense/kernel", "bfloat16", "8x8"] for line in text)
    assert any(line.startswith("global_step") and "scalar" in line and "(training state" in line for line in text)
    assert len(text) == text.index("") + 1 + 47


def test_other_architectures_are_listed_with_the_problem(tmp_path: Path) -> None:
    write_bundle(tmp_path / "m", [TensorSpec("model/wte", "float32", (2, 3))], [np.zeros((2, 3), np.float32)])
    found = inspection(tmp_path)
    assert (found.family, found.layers, found.heads) == (None, None, ())
    assert "belong to no known family" in found.problems[0]
    assert [line.role for line in found.tensors] == ["model"]
    assert "family unknown; heads none; layers -" in found.to_text()


def test_a_name_that_is_no_text_for_a_terminal_is_shown_plainly(tmp_path: Path) -> None:
    name = "bert/\x1b[2Jevil\nline"
    write_bundle(tmp_path / "m", [TensorSpec(name, "float32", (1,))], [np.zeros(1, np.float32)])
    found = inspection(tmp_path)
    assert "\x1b" not in found.to_text()
    assert len(found.to_text().splitlines()) == len(found.to_text().split("\n"))
    assert r"bert/\x1b[2Jevil\nline" in found.to_text()
    assert json.loads(found.to_json())["tensors"][0]["name"] == name
    assert "\n" not in found.problems[0]


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="an empty folder"):
        inspection(tmp_path)
