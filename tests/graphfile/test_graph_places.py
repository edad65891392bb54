"""Constants located in IR and ONNX files: right places in good files, one clear line for bad ones."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from parity.errors import ParityError
from parity.graphfile import ir_places, onnx_file

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
_CONST = (
    '<layer id="{id}" name="{name}" type="Const">'
    '<data element_type="{type}" shape="{shape}" offset="{offset}" size="{size}"/></layer>'
)


def ir(folder, *, head="", **changed):
    fields = {"id": 0, "name": "w", "type": "f32", "shape": "3, 4", "offset": 8, "size": 48, **changed}
    path = folder / "model.xml"
    layers = '<layer id="9" name="x" type="Parameter"><data shape="?" element_type="i64"/></layer>' + _CONST
    path.write_text(f'<?xml version="1.0"?>{head}<net name="n"><layers>{layers.format(**fields)}</layers></net>')
    (folder / "model.bin").write_bytes(bytes(8) + WEIGHT.tobytes())
    return path


def test_a_constant_of_an_ir_is_found_and_read(tmp_path):
    (place,) = ir_places(ir(tmp_path))
    assert (place.name, place.dtype, place.shape, place.offset, place.nbytes) == ("w", "float32", (3, 4), 8, 48)
    np.testing.assert_array_equal(place.read(), WEIGHT)


def test_scalars_and_empty_constants_are_read(tmp_path):
    (scalar,) = ir_places(ir(tmp_path, shape="", size=4, offset=12))
    assert scalar.read() == np.float32(1)
    (empty,) = ir_places(ir(tmp_path, shape="0, 4", size=0))
    assert empty.read().shape == (0, 4)


BAD_IR = {
    "behind": ({"offset": 16}, "ends behind the file: it is truncated.*got 56 bytes.*at least 64"),
    "negative": ({"offset": -4}, "impossible shape or offset"),
    "huge": ({"shape": f"{1 << 50}, 0", "size": 0}, "impossible shape or offset"),
    "size": ({"size": 44}, "another size.*got 44.*expected 48"),
    "type": ({"type": "u1"}, "not a readable OpenVINO IR.*u1"),
    "shape": ({"shape": "?,4"}, "not a readable OpenVINO IR"),
    "dtd": ({"head": '<!DOCTYPE n [<!ENTITY a "aaaa">]>'}, "declares no document type"),
    "xml": ({"head": "<net>"}, "not a readable OpenVINO IR"),
}


@pytest.mark.parametrize("case", sorted(BAD_IR))
def test_a_broken_ir_is_refused(case, tmp_path):
    changed, message = BAD_IR[case]
    with pytest.raises(ParityError, match=message):
        ir_places(ir(tmp_path, **changed))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParityError, match=r"other\.xml: no such file"):
        ir_places(tmp_path / "other.xml")
    path = ir(tmp_path)
    (tmp_path / "model.bin").unlink()
    with pytest.raises(ParityError, match=r"model\.bin: the file with the graph's weights is missing"):
        ir_places(path)
    with pytest.raises(ParityError, match=r"other\.onnx: no such file"):
        onnx_file(tmp_path / "other.onnx")


def model(*initializers):
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])
    graph = helper.make_graph([node], "g", [value], [out], initializer=list(initializers))
    return helper.make_model(graph, doc_string="kept")


def saved(path, *initializers):
    path.write_bytes(model(*initializers).SerializeToString())
    return path


def test_an_onnx_file_comes_apart_into_skeleton_and_weights(tmp_path):
    half = numpy_helper.from_array(WEIGHT.astype(np.float16), "h")
    file = onnx_file(saved(tmp_path / "m.onnx", numpy_helper.from_array(WEIGHT, "w"), half))
    assert [(place.name, place.dtype, place.shape) for place in file.places] == [
        ("w", "float32", (3, 4)),
        ("h", "float16", (3, 4)),
    ]
    for place in file.places:
        np.testing.assert_array_equal(place.read(), WEIGHT)
    assert onnx.ModelProto.FromString(file.skeleton) == model()


def external(location="data", **entries):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": 8, "length": 48, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def test_weights_beside_an_onnx_file_are_found(tmp_path):
    (tmp_path / "data").write_bytes(bytes(8) + WEIGHT.tobytes())
    (place,) = onnx_file(saved(tmp_path / "m.onnx", external())).places
    np.testing.assert_array_equal(place.read(), WEIGHT)


BAD_ONNX = {
    "escape": (external("../data"), "lies outside its folder"),
    "absolute": (external("/etc/passwd"), "lies outside its folder"),
    "nowhere": (external(""), "lies outside its folder"),
    "absent": (external("none"), "file with the graph's weights is missing"),
    "behind": (external(offset=20), "ends behind the file"),
    "length": (external(length=44), "another size"),
    "words": (external(offset="x"), "not a readable ONNX file"),
    "typed": (helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0]), "not as raw bytes"),
    "strings": (helper.make_tensor("w", TensorProto.STRING, [1], [b"a"]), "not a readable ONNX file"),
    "empty": (TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3]), "holds no data"),
    "short": (TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 4], raw_data=b"12"), "another size"),
    "negative": (TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-1], raw_data=b""), "impossible shape"),
}


@pytest.mark.parametrize("case", sorted(BAD_ONNX))
def test_a_broken_onnx_file_is_refused(case, tmp_path):
    (tmp_path / "data").write_bytes(bytes(8) + WEIGHT.tobytes())
    (tmp_path / "in").mkdir()
    shown = tmp_path / "in" / "m.onnx" if case == "escape" else tmp_path / "m.onnx"
    tensor, message = BAD_ONNX[case]
    with pytest.raises(ParityError, match=message):
        onnx_file(saved(shown, tensor))


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(8) + WEIGHT.tobytes())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data").symlink_to(tmp_path / "secret")
    with pytest.raises(ParityError, match="lies outside its folder"):
        onnx_file(saved(tmp_path / "in" / "m.onnx", external()))


def test_a_file_without_weights_is_refused(tmp_path):
    with pytest.raises(ParityError, match="without weights"):
        onnx_file(saved(tmp_path / "m.onnx"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(cut=st.integers(0, 10_000), flip=st.integers(0, 10_000))
def test_a_damaged_onnx_file_never_ends_in_a_traceback(cut, flip, tmp_path):
    whole = bytearray(model(numpy_helper.from_array(WEIGHT, "w")).SerializeToString())
    path = tmp_path / "m.onnx"
    path.write_bytes(whole[: cut % len(whole)])
    with pytest.raises(ParityError):
        onnx_file(path)
    whole[flip % len(whole)] ^= 0x5A
    path.write_bytes(whole)
    try:
        places = onnx_file(path).places
    except ParityError:
        return
    assert all(place.read().size >= 0 for place in places)
