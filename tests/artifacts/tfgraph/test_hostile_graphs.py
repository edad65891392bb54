"""A graph from outside is a program: what may not run is refused by name before TensorFlow is shown anything."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')

from graphs import FROZEN, META, TANH, TRAIN, changed, node, put_before  # noqa: E402

from parity.artifacts.tfgraph.choosing import choose_inputs, choose_outputs  # noqa: E402
from parity.artifacts.tfgraph.freezing import Frozen, freeze  # noqa: E402
from parity.artifacts.tfgraph.operations import COMPUTE  # noqa: E402
from parity.artifacts.tfgraph.reading import read_graph  # noqa: E402
from parity.artifacts.tfgraph.spec import parse_outputs  # noqa: E402
from parity.artifacts.tfgraph.variables import reader  # noqa: E402
from parity.checkpoints import open_checkpoint  # noqa: E402
from parity.errors import ParityError  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow sees no graph in these tests."""

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("TensorFlow was given a graph that ought to be refused")

    monkeypatch.setattr(tf, "import_graph_def", never)


def frozen(path: Path, outputs: str = TANH) -> Frozen:
    graph = read_graph(path)
    wanted = choose_outputs(graph, parse_outputs(outputs), None)
    with open_checkpoint(META) as checkpoint:
        return freeze(graph, wanted, choose_inputs(graph, wanted, ()), reader(checkpoint, path))


@pytest.mark.parametrize("op", ["PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "RpcCall"])
@pytest.mark.parametrize("needed", [True, False], ids=["needed", "beside"])
def test_callbacks_files_and_network_are_refused_wherever_they_stand(op: str, needed: bool, tmp_path: Path) -> None:
    def change(graph: Any) -> None:
        if needed:
            put_before(graph, TANH, op)
        else:
            graph.node.add(name=f"put/{op}", op=op)

    path = changed(META, tmp_path / "x.meta", change)
    with pytest.raises(ParityError, match=rf"holds operation {op} \(node put/{op}\); do not use this file"):
        read_graph(path)


def test_they_are_refused_in_the_library_and_in_nested_attributes_too(tmp_path: Path) -> None:
    def inside(graph: Any) -> None:
        graph.library.function[0].node_def.add(name="call", op="PyFunc")

    def nested(graph: Any) -> None:
        attr = graph.node.add(name="map", op="MapDataset").attr["f"]
        attr.func.name = "harmless"
        attr.func.attr["g"].list.func.add(name="EagerPyFunc")

    for change, message in ((inside, "PyFunc .node call in function"), (nested, "EagerPyFunc .node map")):
        with pytest.raises(ParityError, match=message):
            read_graph(changed(TRAIN, tmp_path / "x.meta", change))


@pytest.mark.parametrize(
    "op", ["MyCustomOp", "StatefulPartitionedCall", "While", "Switch", "RestoreV2", "Assert", "Save"]
)
def test_what_is_not_on_the_list_is_refused_by_name_where_it_is_needed(op: str, tmp_path: Path) -> None:
    path = changed(META, tmp_path / "x.meta", lambda graph: put_before(graph, TANH, op))
    with pytest.raises(ParityError, match=f"the outputs need operation {op}, which is not run here .node put/{op}"):
        frozen(path)


def test_and_left_out_where_it_is_not(tmp_path: Path) -> None:
    path = changed(META, tmp_path / "x.meta", lambda graph: graph.node.add(name="beside", op="MyCustomOp"))
    assert frozen(path).left["MyCustomOp"] == 1


def test_a_function_in_an_attribute_is_no_arithmetic(tmp_path: Path) -> None:
    def change(graph: Any) -> None:
        node(graph, TANH).attr["f"].func.name = "some_function"

    with pytest.raises(ParityError, match="need operation Tanh, which is not run"):
        frozen(changed(META, tmp_path / "x.meta", change))


@pytest.mark.parametrize("path", [META, TRAIN], ids=lambda path: path.name)
def test_what_is_left_is_arithmetic_only(path: Path) -> None:
    made = frozen(path)
    assert {one.op for one in made.graph.node} <= COMPUTE | {"Placeholder"}
    assert not made.graph.library.function
    for one in made.graph.node:
        assert not one.device
        assert not [key for key in one.attr if key.startswith("_")]
        assert not [text for text in one.input if text.startswith("^")]
    assert made.left["SaveV2"] == made.left["RestoreV2"] == 1


def test_an_iterator_that_nobody_feeds_is_named(tmp_path: Path) -> None:
    graph = read_graph(TRAIN)
    with pytest.raises(ParityError, match=r"need IteratorGetNext:\d \(IteratorGetNext\), which nobody feeds; name it"):
        freeze(graph, parse_outputs(TANH), (), lambda *_: pytest.fail("read"))


def spread(graph: Any) -> None:
    tensor = node(graph, "bert/embeddings/LayerNorm/batchnorm/add/y").attr["value"].tensor
    tensor.tensor_shape.dim.add(size=1 << 20)
    tensor.tensor_shape.dim.add(size=1 << 20)


def cut(graph: Any) -> None:
    tensor = node(graph, "bert/encoder/layer_0/attention/self/transpose/perm").attr["value"].tensor
    tensor.tensor_content = tensor.tensor_content[:-1]


def strings(graph: Any) -> None:
    one = node(graph, "bert/embeddings/LayerNorm/batchnorm/add/y")
    one.attr["dtype"].type = one.attr["value"].tensor.dtype = 7


def negative(graph: Any) -> None:
    node(graph, "bert/embeddings/LayerNorm/batchnorm/add/y").attr["value"].tensor.tensor_shape.dim.add(size=-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spread, "constants take far more than the file holds"),
        (cut, "perm has another size .got 15 bytes, expected 16"),
        (strings, "holds no numbers"),
        (negative, "impossible shape"),
    ],
)
def test_sizes_are_checked_before_anything_is_allocated(
    change: Callable[[Any], None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ParityError, match=message):
        frozen(changed(META, tmp_path / "x.meta", change))


def test_broken_graphs_are_told(tmp_path: Path) -> None:
    def twice(graph: Any) -> None:
        graph.node.add().CopyFrom(graph.node[0])

    def lost(graph: Any) -> None:
        node(graph, TANH).input[0] = "nowhere"

    def odd(graph: Any) -> None:
        node(graph, TANH).input[0] = "a:b"

    cases = {"two nodes are called": twice, "lacks node nowhere": lost, "impossible name or input": odd}
    for message, change in cases.items():
        with pytest.raises(ParityError, match=message):
            frozen(changed(META, tmp_path / "x.meta", change))
    for data, message in ((b"\xff\xff", "not a binary"), (b"", "holds no graph"), (b"node {\n", "not a binary")):
        (tmp_path / "y.pb").write_bytes(data)
        with pytest.raises(ParityError, match=message):
            read_graph(tmp_path / "y.pb")
    with pytest.raises(ParityError, match="cannot read the graph"):
        read_graph(tmp_path / "absent.pb")


def test_damaged_bytes_are_refused_or_read_but_never_break_the_reader(tmp_path: Path) -> None:
    whole, chance = FROZEN.read_bytes(), random.Random(5)
    for number in range(60):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 20)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if number % 3 == 0:
            del data[chance.randrange(len(data)) :]
        path = tmp_path / "z.pb"
        path.write_bytes(bytes(data))
        try:
            frozen(path, "loss/Softmax")
        except ParityError:
            continue
