"""Dropout is told by what it computes, in the form of each era; what only looks like it stays, and is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')

from graphs import TRAIN, changed, node, number

from parity.artifacts.tfgraph.dropout import behind_dropout
from parity.artifacts.tfgraph.freezing import Feed, freeze
from parity.artifacts.tfgraph.reading import Graph, read_graph
from parity.artifacts.tfgraph.spec import Port
from parity.errors import ParityError


def drawn(form: str, *, keep: float = 0.9, scale: float | None = None) -> Graph:
    """A graph with one dropout on placeholder `x`, ending in node `end`."""
    from tensorflow.core.framework import graph_pb2

    graph = graph_pb2.GraphDef()

    def add(name: str, op: str, *inputs: str) -> str:
        new = graph.node.add(name=name, op=op, input=list(inputs))
        new.attr["T"].type = 1
        return name

    add("x", "Placeholder")
    uniform = add("uniform", "RandomUniform", add("shape", "Shape", "x"))
    factor = scale if scale is not None else 1 / keep
    if form == "1.12":
        mask = add("floor", "Floor", add("sum", "Add", number(graph, "keep", keep), uniform))
        scaled = add("div", "RealDiv", "x", number(graph, "by", 1 / factor))
        add("end", "Mul", scaled, mask)
        return _graph(graph)
    mask = add("kept", "GreaterEqual", uniform, number(graph, "rate", 1 - keep))
    scaled = add("scaled", "Mul", "x", number(graph, "factor", factor))
    if form == "1.15":
        add("end", "Mul", scaled, add("cast", "Cast", mask))
    else:
        add("end", "SelectV2", mask, scaled, number(graph, "zero", 0.0))
    return _graph(graph)


def _graph(graph: Any) -> Graph:
    return Graph(Path("drawn.pb"), {one.name: one for one in graph.node}, graph.versions, "", 0)


@pytest.mark.parametrize("form", ["1.12", "1.15", "2"])
def test_each_form_lets_x_through(form: str) -> None:
    graph = drawn(form)
    assert behind_dropout(graph, graph.nodes["end"]) == Port("x")
    made = freeze(graph, [Port("end")], [Feed(Port("x"), "x", "float32", "float32", (None,))], lambda *_: None)
    assert made.dropouts == ("end",)
    assert {one.name: one.op for one in made.graph.node} == {"x": "Placeholder", "end": "Identity"}


@pytest.mark.parametrize("form", ["1.12", "1.15", "2"])
def test_a_mask_that_is_not_worth_one_on_average_is_no_dropout(form: str) -> None:
    graph = drawn(form, scale=1.2)
    assert behind_dropout(graph, graph.nodes["end"]) is None
    with pytest.raises(ParityError, match=r"RandomUniform, which is not run here .*it is no dropout of a known form"):
        freeze(graph, [Port("end")], [Feed(Port("x"), "x", "float32", "float32", (None,))], lambda *_: None)


def test_a_plain_product_is_left_alone() -> None:
    graph = drawn("1.15")
    assert behind_dropout(graph, graph.nodes["scaled"]) is None


def test_all_of_a_training_graph_are_found_and_what_leads_to_them_is_not_needed() -> None:
    graph = read_graph(TRAIN)
    ends = [name for name, one in graph.nodes.items() if behind_dropout(graph, one)]
    assert sorted(ends) == sorted(
        ["bert/embeddings/dropout/mul_1"]
        + [
            f"bert/encoder/layer_{i}/{part}/dropout/mul_1"
            for i in range(2)
            for part in ("attention/self", "attention/output", "output")
        ]
    )


def test_a_changed_rate_is_seen(tmp_path: Path) -> None:
    def change(graph: Any) -> None:
        value = node(graph, "bert/embeddings/dropout/truediv/x").attr["value"].tensor
        value.float_val[:] = [2.0]

    graph = read_graph(changed(TRAIN, tmp_path / "x.meta", change))
    assert behind_dropout(graph, graph.nodes["bert/embeddings/dropout/mul_1"]) is None
