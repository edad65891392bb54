"""The authors' own graph on the command line, as docs/graphs.md and the old recipes have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_bert import GOLDENS

from parity.artifacts import read_proof
from parity.traces import batch_paths, read_batch

from .conftest import Parity

pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')

BERT = GOLDENS / "metagraph_bert"
PLACEHOLDERS = "Placeholder{i32},Placeholder_1{i32},Placeholder_2{i32}"


@pytest.fixture(scope="module", autouse=True)
def _openvino() -> None:
    pytest.importorskip("openvino", reason='pip install "parity[openvino]"')


def test_the_recipe_for_a_metagraph(parity: Parity, tmp_path: Path) -> None:
    out, pooled = tmp_path / "ir", "bert/pooler/dense/Tanh"
    said = parity("convert", BERT, out, "--to", "openvino", "--from-graph", "--input", PLACEHOLDERS, "--output", pooled)
    assert said.code == 0
    assert said.out.splitlines() == [
        "input Placeholder: Placeholder:0 int32[? ?]",
        "input Placeholder_1: Placeholder_1:0 int32[? ?]",
        "input Placeholder_2: Placeholder_2:0 int32[? ?]",
        f"output {pooled}:0",
        f"{out}: 39 variables found in the IR, proof in conversion.json",
    ]
    assert said.err == ""
    assert read_proof(out).source_format == "tensorflow-metagraph"
    checked = parity("verify", out, "--source", BERT)
    assert checked.code == 0
    assert "39 against the source" in checked.out
    again = parity("convert", BERT, out, "--to", "openvino", "--from-graph")
    assert (again.code, "already there" in again.err) == (2, True)


def test_a_training_graph_says_what_it_keeps(parity: Parity, tmp_path: Path) -> None:
    graph = f"graph={BERT / 'train.meta'}"
    said = parity("convert", BERT, tmp_path / "ir", "--to", "openvino", "--from-graph", "--set", graph)
    assert said.code == 0
    assert "note: sizes are kept as drawn: every size free: the graph does not run on this batch" in said.err
    assert "note: 7 dropouts of a training graph are taken out" in said.err


def test_the_recipe_for_a_frozen_graph(parity: Parity, tmp_path: Path) -> None:
    inputs = ",".join(f"IteratorGetNext:{port}{{i32}}[1 16]" for port in (0, 1, 4))
    frozen = BERT / "inference_graph.pb"
    said = parity("convert", frozen, tmp_path / "ir", "--to", "openvino", "--from-graph", "--input", inputs)
    assert said.code == 0
    assert "output loss/Softmax:0" in said.out
    assert parity("verify", tmp_path / "ir").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from-graph",), "--from-graph takes the graph as it is"),
        (("--from-graph", "--to", "openvino", "--head", "qa"), "--from-graph takes the graph as it is"),
        (("--to", "openvino", "--output", "x"), "--input and --output name nodes of a graph; add --from-graph"),
        (("--from-graph", "--to", "openvino", "--set", "x=1"), "--from-graph has no setting x"),
        (("--from-graph", "--to", "openvino", "--input", "a->1"), "cannot be frozen to a value"),
        (("--from-graph", "--to", "openvino", "--output", "nowhere"), "the graph has no node nowhere"),
    ],
)
def test_mistakes_are_told_on_one_line(
    parity: Parity, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    said = parity("convert", BERT, tmp_path / "ir", *arguments)
    assert said.code == 2
    assert message in said.err
    assert not (tmp_path / "ir").exists()


def test_trace(parity: Parity, tmp_path: Path) -> None:
    kept = np.load(BERT / "golden.npz")
    names = {"input_ids": "input_ids", "attention_mask": "input_mask", "token_type_ids": "segment_ids"}
    np.savez(tmp_path / "in.npz", **{name: kept[key] for name, key in names.items()})
    said = parity("trace", BERT, tmp_path / "in.npz", tmp_path / "out", "--backend", "metagraph", "--taps", "pooler")
    assert said.code == 0
    assert "drawn by 1.15.5" in said.out + said.err
    (path,) = batch_paths(tmp_path / "out")
    np.testing.assert_allclose(read_batch(path).taps["pooler"], kept["pooled_output"], atol=1e-5)
