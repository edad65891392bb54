"""PyTorch on a tiny randomly initialised BERT: the backend contract, every tap, and folders that do not fit."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from parity.backends.job import Job
from parity.errors import ParityError
from parity.testing import BackendContract
from parity.traces import read_batch

from .conftest import SIZES, TAPS

torch = pytest.importorskip("torch", reason='pip install "parity[torch]"')
transformers = pytest.importorskip("transformers", reason='pip install "parity[torch]"')
from parity.backends import torch as runtime  # noqa: E402

PARTS = ("query", "key", "value", "context", "output", "norm")
FINE = (*(f"layer.1.attention.{part}" for part in PARTS), "layer.0.intermediate", "layer.0.output", "mlm.transform")
CLASSES = {
    "pretraining": "BertForPreTraining",
    "mlm": "BertForMaskedLM",
    "qa": "BertForQuestionAnswering",
    "classifier": "BertForSequenceClassification",
    "token-classifier": "BertForTokenClassification",
    "multiple-choice": "BertForMultipleChoice",
    "lm": "BertLMHeadModel",
    "none": "BertModel",
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(11)
    found = {}
    for head, name in CLASSES.items():
        config = transformers.BertConfig(**SIZES, initializer_range=0.2, layer_norm_eps=1e-12, num_labels=3)
        found[head] = tmp_path_factory.mktemp(head)
        if head == "qa":
            config.num_labels = 2
        getattr(transformers, name)(config).save_pretrained(found[head])
    return found


@pytest.fixture(scope="session")
def torch_job(folders, inputs, tmp_path_factory):
    def make(head: str = "pretraining", variant: str = "eager", **fields) -> Job:
        given = {
            "backend": "torch", "variant": variant, "family": "bert", "head": head, "artifact": folders[head],
            "taps": TAPS, "inputs": inputs, "out": tmp_path_factory.mktemp("out"), "threads": 2,
        }  # fmt: skip
        return Job(**{**given, **fields})

    return make


def answers(job: Job) -> dict[str, np.ndarray]:
    opened = runtime.open(job)
    batch = read_batch(job.inputs[0])
    found = dict(opened.run(batch.inputs, texts=batch.texts))
    hooks = [
        hook for m in opened._model.modules() for hook in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())
    ]
    ours = {runtime._keep, runtime._gather}  # transformers 5 leaves some of its own
    assert not ours & {getattr(hook, "func", None) for hook in hooks}
    opened.close()
    return found


class TestEager(BackendContract):
    rounding = 2e-6

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, torch_job) -> Job:
        return torch_job(taps=(*TAPS, *FINE, "layer.0.attention.probs"))


class TestSdpa(BackendContract):
    rounding = 2e-6

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, torch_job) -> Job:
        return torch_job(variant="sdpa", taps=(*TAPS, *FINE, "layer.0.attention.probs"))

    def test_what_it_cannot_show_has_a_reason(self, backend) -> None:
        assert backend.describe()["attention"] == "sdpa"
        assert "only attention eager" in backend.unavailable()["layer.0.attention.probs"]


class TestBfloat16(BackendContract):
    dtype = "bfloat16"
    rounding = 2e-2

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, torch_job) -> Job:
        return torch_job(precision="bfloat16")


def test_taps_are_the_models_own_outputs(torch_job) -> None:
    job = torch_job(taps=(*TAPS, "layer.1.attention.probs", "mlm.transform"))
    found, given = answers(job), read_batch(job.inputs[0]).inputs
    model = transformers.BertForPreTraining.from_pretrained(job.artifact, attn_implementation="eager").eval()
    fed = {name: torch.tensor(array, dtype=torch.long) for name, array in given.items() if name != "logit_positions"}
    with torch.no_grad():
        full = model(**fed, output_hidden_states=True, output_attentions=True)
        pooled = model.bert(**fed).pooler_output
    for tap, value in {
        "embeddings": full.hidden_states[0],
        "layer.0": full.hidden_states[1],
        "layer.1": full.hidden_states[2],
        "pooler": pooled,
        "logits.nsp": full.seq_relationship_logits,
        "layer.1.attention.probs": full.attentions[1],
    }.items():
        np.testing.assert_array_equal(found[tap], value.numpy(), err_msg=tap)
    rows, at = np.arange(3)[:, None], given["logit_positions"]
    np.testing.assert_allclose(found["logits.mlm"], full.prediction_logits.numpy()[rows, at], atol=1e-5)
    assert found["mlm.transform"].shape == (3, 2, SIZES["hidden_size"])


def test_fine_taps_fit_together(torch_job) -> None:
    heads, size = SIZES["num_attention_heads"], SIZES["hidden_size"] // SIZES["num_attention_heads"]
    parts = ("query", "key", "value", "probs", "context", "output", "norm")
    taps = ("layer.0", "layer.1", "layer.1.output", *(f"layer.1.attention.{part}" for part in parts))
    job = torch_job(taps=taps)
    found = answers(job)
    q, k, v = (found[f"layer.1.attention.{part}"].reshape(3, 9, heads, size) for part in ("query", "key", "value"))
    mask = read_batch(job.inputs[0]).inputs["attention_mask"]
    scores = np.einsum("bthd,bshd->bhts", q, k) / np.sqrt(size) - 1e9 * (1.0 - mask[:, None, None, :])
    probs = np.exp(scores - scores.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)
    np.testing.assert_allclose(found["layer.1.attention.probs"], probs, atol=1e-5)
    context = np.einsum("bhts,bshd->bthd", probs, v).reshape(3, 9, -1)
    np.testing.assert_allclose(found["layer.1.attention.context"], context, atol=1e-5)
    for tap, summed in {
        "layer.1.attention.norm": found["layer.1.attention.output"] + found["layer.0"],
        "layer.1": found["layer.1.output"] + found["layer.1.attention.norm"],
    }.items():
        centred = summed - summed.mean(-1, keepdims=True)
        np.testing.assert_allclose(found[tap], centred / centred.std(-1, keepdims=True), atol=1e-4, err_msg=tap)


@pytest.mark.parametrize(
    ("head", "tap", "shape"),
    [
        ("mlm", "logits.mlm", (3, 2, 50)),
        ("lm", "logits.mlm", (3, 2, 50)),
        ("qa", "logits.qa", (3, 9, 2)),
        ("classifier", "logits.classifier", (3, 3)),
        ("token-classifier", "logits.tokens", (3, 9, 3)),
        ("multiple-choice", "logits.classifier", (3, 1)),
    ],
)
def test_every_head_shows_its_logits(torch_job, head: str, tap: str, shape: tuple[int, ...]) -> None:
    assert answers(torch_job(head, taps=(tap,)))[tap].shape == shape


def test_a_model_without_heads_shows_its_layers(torch_job) -> None:
    found = answers(torch_job("none", taps=("layer.1", "pooler")))
    assert found["layer.1"].shape == (3, 9, 32)
    assert found["pooler"].shape == (3, 32)


def test_taps_a_class_does_not_have_are_declared(torch_job) -> None:
    opened = runtime.open(
        torch_job("mlm", taps=("layer.0", "pooler", "layer.7", "logits.qa", "layer.0.attention.scores"))
    )
    reasons = opened.unavailable()
    opened.close()
    assert reasons == {
        "pooler": "BertForMaskedLM has no module pooler",
        "layer.7": "the model has 2 layers",
        "logits.qa": "BertForMaskedLM has no module qa_outputs",
        "layer.0.attention.scores": "no module of the model hands it on",
    }


def test_a_setting_overrides_the_claim(torch_job) -> None:
    job = torch_job(settings={"dtype": "bfloat16"}, taps=("layer.0",))
    opened = runtime.open(job)
    assert opened.describe()["precision"] == "bfloat16"
    opened.close()
    with pytest.raises(ParityError, match="does not run in int3"):
        runtime.open(dataclasses.replace(job, settings={"dtype": "int3"}))


def rewritten(folder: Path, to: Path, change) -> Path:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(folder, to)
    tensors = load_file(to / "model.safetensors")
    change(tensors)
    save_file(tensors, to / "model.safetensors", metadata={"format": "pt"})
    return to


def test_weights_that_are_not_exactly_the_classs_are_refused(torch_job, folders, tmp_path: Path) -> None:
    def lose(tensors) -> None:
        del tensors["bert.pooler.dense.bias"]

    def gain(tensors) -> None:
        tensors["bert.extra.weight"] = np.zeros(3, np.float32)

    for name, change, message in (
        ("lose", lose, "missing key bert.pooler.dense.bias"),
        ("gain", gain, "unexpected key bert.extra.weight"),
    ):
        folder = rewritten(folders["pretraining"], tmp_path / name, change)
        with pytest.raises(ParityError, match=message):
            runtime.open(torch_job(artifact=folder))


def test_only_the_tensors_named_as_spare_may_be_left_over(torch_job, folders, tmp_path: Path) -> None:
    def gain(tensors) -> None:
        tensors["bert.extra.weight"] = tensors["bert.other.weight"] = np.zeros(3, np.float32)

    folder = rewritten(folders["pretraining"], tmp_path / "gain", gain)
    with pytest.raises(ParityError, match=r"unexpected key bert\.other\.weight"):
        runtime.open(torch_job(artifact=folder, settings={"spare": "bert.extra.weight"}))
    runtime.open(torch_job(artifact=folder, settings={"spare": "bert.extra.weight,bert.other.weight"})).close()
    with pytest.raises(ParityError, match="there is no setting colour"):
        runtime.open(torch_job(artifact=folder, settings={"colour": "red"}))


def test_a_folder_without_a_known_class_is_refused(torch_job, folders, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(folders["none"], folder)
    config = json.loads((folder / "config.json").read_text())
    for architectures, message in (([], "no architectures"), (["NoSuchBert"], "has no class NoSuchBert")):
        (folder / "config.json").write_text(json.dumps({**config, "architectures": architectures}))
        with pytest.raises(ParityError, match=message):
            runtime.open(torch_job(artifact=folder))
    with pytest.raises(ParityError, match="unknown family albert"):
        runtime.open(torch_job("none", family="albert"))
