"""The spaCy runtime: the ids and numbers of the model it was made of, and no weights but the proved ones."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from spacy_tiny import make_bert

from parity.backends.job import Job
from parity.backends.protocol import BatchSkipped
from parity.errors import BrokenParity, ParityError
from parity.testing import BackendContract
from parity.traces import TraceBatch, batch_path, read_batch, write_batch

os.environ.setdefault("USE_TF", "0")
TEXTS = (("the river bank, sål", "money", "sal (мир) 中文 walking the river."), ("a\n\nbank", "river"))
TAPS = ("embeddings", "layer.0", "layer.1", "pooler", "logits.mlm", "layer.7", "layer.0.attention.query")
POSITIONS = 64


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    pytest.importorskip("spacy_transformers", reason='pip install "parity[spacy]"')
    return make_bert(tmp_path_factory.mktemp("bert") / "hf", positions=POSITIONS)


@pytest.fixture(scope="module")
def artifact(bert, tmp_path_factory) -> Path:
    from parity.artifacts.spacy import export

    folder = tmp_path_factory.mktemp("spacy") / "out"
    export(bert, folder, name="tiny backend", lang="da", package=False)
    return folder


def _encoded(bert: Path, texts: tuple[str, ...]) -> dict[str, np.ndarray]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bert / "tokenizer.json"))
    tokenizer.enable_padding()
    rows = tokenizer.encode_batch(list(texts))
    return {
        "input_ids": np.asarray([row.ids for row in rows], np.int32),
        "attention_mask": np.asarray([row.attention_mask for row in rows], np.int32),
        "token_type_ids": np.asarray([row.type_ids for row in rows], np.int32),
    }


@pytest.fixture(scope="module")
def one_job(bert, artifact, tmp_path_factory) -> Job:
    folder = tmp_path_factory.mktemp("inputs")
    paths = [batch_path(folder, number) for number in range(len(TEXTS) + 1)]
    for path, texts in zip(paths, TEXTS, strict=False):
        write_batch(path, TraceBatch({}, _encoded(bert, texts), {"texts": list(texts)}))
    write_batch(paths[-1], TraceBatch({}, _encoded(bert, TEXTS[0]), {}))
    kinds = {"backend": "spacy", "family": "bert", "head": "pretraining"}
    return Job(**kinds, artifact=artifact, taps=TAPS, inputs=tuple(paths), out=folder / "out", threads=2)


class TestContract(BackendContract):
    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, one_job):
        return one_job


@pytest.fixture(scope="module")
def backend(one_job):
    from parity.backends import spacy

    opened = spacy.open(one_job)
    yield opened
    opened.close()


def _answers(backend, job, number=0):
    batch = read_batch(job.inputs[number])
    return batch.inputs, backend.run(batch.inputs, texts=batch.texts)


@pytest.mark.parametrize("number", [0, 1])
def test_spacy_feeds_the_ids_of_the_tokenizer(backend, one_job, number):
    inputs, answer = _answers(backend, one_job, number)
    for name, array in inputs.items():
        np.testing.assert_array_equal(answer[f"inputs/{name}"], array, err_msg=name)


@pytest.mark.parametrize("number", [0, 1])
def test_taps_are_those_of_the_model_it_was_made_of(backend, bert, one_job, number):
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(bert, attn_implementation="eager").eval()
    inputs, answer = _answers(backend, one_job, number)
    with torch.inference_mode():
        fed = {name: torch.from_numpy(array.astype(np.int64)) for name, array in inputs.items()}
        expected = model(**fed, output_hidden_states=True)
    real = inputs["attention_mask"] == 1
    for number, tap in enumerate(("embeddings", "layer.0", "layer.1")):
        np.testing.assert_allclose(answer[tap][real], expected.hidden_states[number].numpy()[real], atol=5e-6)
        assert not answer[tap][~real].any()
    np.testing.assert_allclose(answer["pooler"], expected.pooler_output.numpy(), atol=5e-6)


def test_what_it_cannot_show_has_a_reason(backend):
    reasons = backend.unavailable()
    assert set(reasons) == {"logits.mlm", "layer.7", "layer.0.attention.query"}
    assert "no head" in reasons["logits.mlm"]
    assert "2 layers" in reasons["layer.7"]


def test_it_says_what_runs(backend):
    described = backend.describe()
    assert described["precision"] == "float32"
    assert described["package"] == "da_tiny_backend 1.0.0"
    assert {"spacy-transformers", "transformers", "torch"} <= set(described)


def test_batches_without_texts_are_declared_skips(backend, one_job):
    batch = read_batch(one_job.inputs[-1])
    assert batch.texts is None
    with pytest.raises(BatchSkipped, match="has none"):
        backend.run(batch.inputs, texts=batch.texts)
    with pytest.raises(BatchSkipped, match="empty text"):
        backend.run(batch.inputs, texts=["bank", ""])


@pytest.mark.parametrize("text", ["the river bank bank bank bank bank", "river " * 100])
def test_other_ids_show_instead_of_failing(backend, one_job, text):
    batch = read_batch(one_job.inputs[1])
    answer = backend.run(batch.inputs, texts=[batch.texts[0], text])
    ids = answer["inputs/input_ids"]
    assert ids.shape[1] > batch.inputs["input_ids"].shape[1]
    assert answer["layer.1"].shape[:2] == ids.shape
    assert answer["inputs/attention_mask"][1].sum() == (ids[1] != 0).sum() > batch.inputs["attention_mask"][1].sum()


def test_another_precision_is_refused(one_job):
    from parity.backends import spacy

    with pytest.raises(ParityError, match="bfloat16"):
        spacy.open(replace(one_job, precision="bfloat16"))


def test_a_folder_without_pipeline_is_refused(one_job, tmp_path):
    from parity.backends import spacy

    with pytest.raises(ParityError, match="no spaCy pipeline"):
        spacy.open(replace(one_job, artifact=tmp_path))


@pytest.fixture
def broken(bert, tmp_path) -> Path:
    """An artifact of a package name of its own: a process cannot load two copies of one package."""
    from parity.artifacts.spacy import export

    export(bert, tmp_path / "out", name=tmp_path.name, lang="da", package=False)
    return tmp_path / "out"


def _change_proof(pipeline: Path, change) -> None:
    path = pipeline / "conversion.json"
    proof = json.loads(path.read_text())
    change(proof["tensors"])
    path.write_text(json.dumps(proof))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines.pop(3), "is not in the proof"),
        (lambda lines: lines.append({**lines[0], "target": "encoder.more"}), "encoder.more is missing"),
        (lambda lines: lines[5].update(target_sha256="0" * 64), "has other values"),
    ],
)
def test_weights_must_be_those_of_the_proof(one_job, broken, change, words):
    from parity.backends import spacy

    _change_proof(next(broken.glob("*/*/config.cfg")).parent, change)
    with pytest.raises(BrokenParity, match=words):
        spacy.open(replace(one_job, artifact=broken))


def test_missing_weights_are_red_and_not_a_warning(one_job, broken, tmp_path):
    """spacy-transformers falls back on strict=False and leaves random what the file lacks."""
    import srsly
    import torch

    from parity.backends import spacy

    path = next(broken.glob("*/*/transformer/model"))
    outer = srsly.msgpack_loads(path.read_bytes())
    number = next(number for number, shims in enumerate(outer["shims"]) if shims)
    shim = srsly.msgpack_loads(outer["shims"][number][0])
    (tmp_path / "state").write_bytes(shim["state"])
    state = torch.load(tmp_path / "state", weights_only=True)
    del state["encoder.layer.1.output.dense.bias"]
    torch.save(state, tmp_path / "state")
    shim["state"] = (tmp_path / "state").read_bytes()
    outer["shims"][number][0] = srsly.msgpack_dumps(shim)
    path.write_bytes(srsly.msgpack_dumps(outer))
    with pytest.raises(BrokenParity, match="do not fit"):
        spacy.open(replace(one_job, artifact=broken))


def test_another_copy_of_a_loaded_package_is_refused(backend, one_job, artifact, tmp_path):
    from parity.backends import spacy

    copy = shutil.copytree(artifact, tmp_path / "copy")
    with pytest.raises(ParityError, match="another da_tiny_backend is loaded"):
        spacy.open(replace(one_job, artifact=copy))


def test_the_pipeline_folder_itself_is_an_artifact(backend, one_job, artifact):
    from parity.backends import spacy

    opened = spacy.open(replace(one_job, artifact=next(artifact.glob("*/*/config.cfg")).parent))
    _, expected = _answers(backend, one_job)
    _, got = _answers(opened, one_job)
    np.testing.assert_array_equal(got["layer.1"], expected["layer.1"])
    opened.close()
