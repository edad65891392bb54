"""`--input` and `--output` as the Model Optimizer's recipes spell them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.artifacts.tfgraph import InputSpec, Port, parse_inputs, parse_outputs
from parity.errors import ParityError

RECIPE = "IteratorGetNext:0{i32}[1 128],IteratorGetNext:1{i32}[1 128],IteratorGetNext:4{i32}[1 128]"


def test_the_recipe_of_the_frozen_graph() -> None:
    assert parse_inputs(RECIPE) == tuple(
        InputSpec(Port("IteratorGetNext", index), "int32", (1, 128)) for index in (0, 1, 4)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Placeholder", (InputSpec(Port("Placeholder")),)),
        ("a,b/c:1", (InputSpec(Port("a")), InputSpec(Port("b/c", 1)))),
        ("a[1,128]{i64}", (InputSpec(Port("a"), "int64", (1, 128)),)),
        ("a{f32}[?, -1]", (InputSpec(Port("a"), "float32", (None, None)),)),
        (" a [ 1  2 ] , b".replace(" [", "["), (InputSpec(Port("a"), None, (1, 2)), InputSpec(Port("b")))),
        ("a[]", (InputSpec(Port("a"), None, ()),)),
    ],
)
def test_inputs(text: str, expected: tuple[InputSpec, ...]) -> None:
    assert parse_inputs(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty name"),
        ("a,,b", "empty name"),
        ("a{i31}", "unknown type i31.*expected one of"),
        ("a[0]", "not a size: '0'"),
        ("a[1.5]", "not a size"),
        ("a[99999999999]", "not a size"),
        ("a[1][2]", "two types or shapes"),
        ("a->[1]", "cannot be frozen to a value"),
        ("0:a[1]", "names an input port"),
        ("a:b", "no node's output"),
        ("a b", "no node's output"),
        ("a[1", "not an input"),
        ("^a", "no node's output"),
        ("a,b,a:0", "names a:0 twice"),
    ],
)
def test_what_is_no_input_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParityError, match=message):
        parse_inputs(text)


def test_outputs() -> None:
    assert parse_outputs("bert/pooler/dense/Tanh, x:2") == (Port("bert/pooler/dense/Tanh"), Port("x", 2))
    with pytest.raises(ParityError, match="twice"):
        parse_outputs("a,a:0")
    with pytest.raises(ParityError, match="no node's output"):
        parse_outputs("a{i32}")


_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_/.-]{0,12}", fullmatch=True)
_shapes = st.none() | st.lists(st.none() | st.integers(1, 4096), max_size=4).map(tuple)
_types = st.sampled_from([(None, ""), ("int32", "{i32}"), ("int64", "{i64}"), ("float32", "{f32}")])


@given(
    st.lists(st.tuples(_names, st.integers(0, 9), _types, _shapes), min_size=1, max_size=4, unique_by=lambda x: x[0])
)
def test_what_is_spelt_is_read(wanted: list) -> None:
    def spelt(shape: tuple | None) -> str:
        return "" if shape is None else "[" + " ".join("?" if size is None else str(size) for size in shape) + "]"

    text = ",".join(f"{name}:{port}{kind[1]}{spelt(shape)}" for name, port, kind, shape in wanted)
    assert parse_inputs(text) == tuple(InputSpec(Port(n, p), kind[0], shape) for n, p, kind, shape in wanted)
