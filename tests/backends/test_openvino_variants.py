"""Precisions of OpenVINO: what is asked for runs, or is refused; what it picks by itself is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest

from parity.artifacts.openvino import export
from parity.backends import openvino as backend
from parity.backends.graphs import INPUTS
from parity.backends.job import Job
from parity.errors import ParityError

from .graph_models import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tiny.write_folder(tmp_path_factory.mktemp("model"), "BertForMaskedLM")
    export(made, made)
    return made


def job(variant: str, folder: Path, **fields) -> Job:
    given = {"taps": ("layer.0", "layer.1", "logits.mlm"), "threads": 1, **fields}
    return Job(
        backend="openvino", variant=variant, family="bert", head="mlm", artifact=folder, inputs=(), out=folder, **given
    )


def hidden(variant: str, folder: Path) -> np.ndarray:
    inputs = {**tiny.batch(), "logit_positions": np.zeros((4, 1), np.int32)}
    return backend.open(job(variant, folder)).run(inputs, texts=None)["layer.1"]


def test_float32_is_asked_for_and_runs(folder):
    described = backend.open(job("f32", folder)).describe()
    assert (described["precision"], described["weights"]) == ("float32", "float32")
    assert described["version"] == openvino.get_version()


def test_the_precision_that_openvino_picks_is_named(folder):
    picked = openvino.compile_model(openvino.Core().read_model(folder / backend.FILE), "CPU").get_property(
        "INFERENCE_PRECISION_HINT"
    )
    names = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
    assert backend.open(job("default", folder)).describe()["precision"] == names[picked.get_type_name()]


@pytest.mark.parametrize(("variant", "capability", "name"), [("bf16", "BF16", "bfloat16"), ("f16", "FP16", "float16")])
def test_a_lower_precision_runs_or_is_refused(variant, capability, name, folder):
    able = capability in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if able:
        assert backend.open(job(variant, folder)).describe()["precision"] == name
        assert 1e-5 < np.abs(hidden(variant, folder) - hidden("f32", folder)).max() < 1
    else:
        opened = backend.open(job(variant, folder))
        assert set(opened.unavailable()) == {"layer.0", "layer.1", "logits.mlm"}
        assert all(f"does not compute in {name}" in reason for reason in opened.unavailable().values())
        assert opened.run(tiny.batch(), texts=None) == {}


@pytest.mark.parametrize(("variant", "compress"), [("f16-weights", "fp16"), ("int8-weights", "int8")])
def test_variants_about_weights_want_an_ir_that_stores_them_so(variant, compress, folder, tmp_path):
    with pytest.raises(ParityError, match=r"is about an IR with .* weights.*got float32.*--compress"):
        backend.open(job(variant, folder))
    export(folder, tmp_path, compress=compress)
    described = backend.open(job(variant, tmp_path)).describe()
    assert described["precision"] == "float32"
    assert described["weights"] == {"fp16": "float16"}.get(compress, compress)
    assert 1e-5 < np.abs(hidden(variant, tmp_path) - hidden("f32", folder)).max() < 0.2
    np.testing.assert_array_equal(hidden("f32", tmp_path), hidden(variant, tmp_path))


def test_int8_quantises_activations_and_says_so(folder, tmp_path):
    # Groups of 32 are only formed where they fit the width.
    wide = tiny.write_folder(tmp_path, "BertForMaskedLM", hidden_size=32, intermediate_size=64)
    export(wide, wide, compress="int8")
    assert backend.open(job("int8", wide)).describe()["precision"] == "int8"
    assert backend.open(job("int8-weights", wide)).describe()["precision"] == "float32"
    assert np.abs(hidden("int8", wide) - hidden("int8-weights", wide)).max() > 1e-4


def test_vocabulary_logits_are_gathered_before_the_product(folder):
    model = openvino.Core().read_model(folder / backend.FILE)
    ports = {name: port for op in model.get_ordered_ops()[:-2] for port in op.outputs() for name in port.get_names()}
    backend._retap(model, ports, ("logits.mlm",))
    readers = [port.get_node().get_type_name() for port in ports["mlm.transform"].get_target_inputs()]
    assert readers == ["Gather"]
    (output,) = model.outputs
    model.reshape({"logit_positions": [4, 3], **{name: [4, 9] for name in INPUTS}})
    assert list(output.get_shape()) == [4, 3, tiny.CONFIG["vocab_size"]]
