"""Constants of graphs, found by content: all weights of a folder, under hashes computed the plain way."""

from __future__ import annotations

import hashlib

import graph_folders as tiny
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from parity.artifacts import graph_constants
from parity.artifacts.graph_constants import ir_constants, onnx_constants, sha256, sha256_transposed


def plain(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes("C")).hexdigest()


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    from parity.artifacts import onnx, openvino

    root = tmp_path_factory.mktemp("graphs")
    folder = tiny.write_folder(root / "hf", "BertForPreTraining")
    openvino.export(folder, root)
    onnx.export(folder, root)
    return {"openvino": list(ir_constants(root / openvino.FILE)), "onnx": list(onnx_constants(root / onnx.FILE))}


def test_an_ir_holds_every_weight_as_it_is_stored(graphs):
    held = {constant.sha256: constant for constant in graphs["openvino"]}
    for name, array in tiny.weights("BertForPreTraining").items():
        constant = held[plain(array)]
        assert (constant.dtype, constant.shape) == ("float32", array.shape), name
        assert constant.sha256_transposed == plain(array.T), name


def test_an_onnx_file_holds_dense_weights_turned_and_the_rest_as_stored(graphs):
    held = {constant.name: constant for constant in graphs["onnx"]}
    for name, array in tiny.weights("BertForPreTraining").items():
        turned = name.endswith(".weight") and "embeddings" not in name and array.ndim == 2
        stored = array.T if turned else array
        assert (held[name].dtype, held[name].shape) == ("float32", stored.shape), name
        assert (held[name].sha256, held[name].sha256_transposed) == (plain(stored), plain(stored.T)), name


def test_a_changed_weight_is_not_found(graphs):
    array = tiny.weights("BertForPreTraining")["bert.pooler.dense.weight"].copy()
    array[3, 4] = np.nextafter(array[3, 4], np.float32(9))
    held = {digest for c in graphs["onnx"] for digest in (c.sha256, c.sha256_transposed)}
    assert plain(array) not in held


_ANY = arrays.arrays(
    st.sampled_from(["<f4", "<f2", "<i8"]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
    elements=st.integers(-100, 100),
)


@given(array=_ANY, band=st.sampled_from([1, 16, 1 << 20]))
def test_hashing_in_bands_is_hashing_the_transpose(array, band):
    whole, graph_constants._BAND = graph_constants._BAND, band
    try:
        assert sha256_transposed(array) == plain(array.T)
        assert sha256(array) == plain(array)
    finally:
        graph_constants._BAND = whole
