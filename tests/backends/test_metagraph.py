"""The authors' own graph keeps the backend contract, and shows what TensorFlow 1.15 and our reference compute."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import GOLDENS

from parity.backends import oracle, runtime
from parity.backends.job import Job
from parity.backends.protocol import BatchSkipped
from parity.errors import ParityError
from parity.families import family
from parity.testing import BackendContract
from parity.traces import TraceBatch, read_batch, real_positions, write_batch

pytest.importorskip("tensorflow", reason='pip install "parity[tensorflow]"')

BERT = GOLDENS / "metagraph_bert"
TAPS = ("embeddings", "layer.0", "layer.1", "pooler", "logits.mlm", "logits.nsp")
FINE = (
    *(
        f"layer.1.attention.{part}"
        for part in ("query", "key", "value", "scores", "probs", "context", "output", "norm")
    ),
    "layer.0.intermediate",
    "layer.0.output",
    "mlm.transform",
)
GOLDEN = {
    "embeddings": "embeddings",
    "layer.0": "layer_0",
    "layer.1": "layer_1",
    "pooler": "pooled_output",
    "logits.mlm": "mlm_logits",
    "logits.nsp": "nsp_logits",
}
MakeJob = Callable[..., Job]


@pytest.fixture(scope="module")
def make_job(tmp_path_factory: pytest.TempPathFactory) -> MakeJob:
    """The golden's batch, and one of five rows and one with a single position, more than the training graph takes."""
    folder = tmp_path_factory.mktemp("metagraph")
    kept, rng = np.load(BERT / "golden.npz"), np.random.default_rng(3)
    first = {
        "input_ids": kept["input_ids"],
        "attention_mask": kept["input_mask"],
        "token_type_ids": kept["segment_ids"],
        "logit_positions": kept["masked_lm_positions"],
    }
    second = {
        "input_ids": rng.integers(0, 59, (5, 9), dtype=np.int32),
        "attention_mask": np.ones((5, 9), np.int32),
        "token_type_ids": np.zeros((5, 9), np.int32),
        "logit_positions": np.tile(np.arange(4, dtype=np.int32), (5, 1)),
    }
    for number, arrays in enumerate((first, second)):
        write_batch(folder / f"{number}.safetensors", TraceBatch({}, arrays))

    def make(graph: str = "", backend: str = "metagraph", **fields: Any) -> Job:
        source = {"checkpoint": str(BERT / "bert_model.ckpt"), "config": str(BERT / "bert_config.json")}
        return Job(
            **{
                "backend": backend,
                "family": "bert",
                "head": "pretraining",
                "artifact": BERT,
                "source": {**source, "activation": "erf"},
                "taps": TAPS + FINE,
                "inputs": (folder / "0.safetensors", folder / "1.safetensors"),
                "out": folder / "out",
                "settings": {"graph": str(BERT / graph)} if graph else {},
                **fields,
            }
        )

    return make


class TestInferenceGraph(BackendContract):
    rounding = 2e-6

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, make_job: MakeJob) -> Job:
        return make_job()


class TestTrainingGraph(BackendContract):
    rounding = 2e-6

    @pytest.fixture(scope="class")
    @classmethod
    def job(cls, make_job: MakeJob) -> Job:
        return make_job("train.meta")

    def test_it_says_what_was_taken_out_and_how_large_it_is(self, backend: Any) -> None:
        described = backend.describe()
        assert described["dropouts taken out"] == "7"
        assert described["size"] == "4 rows, 16 tokens"
        assert "input_ids = IteratorGetNext:0" in described["inputs"]
        assert "token_type_ids = IteratorGetNext:5" in described["inputs"]

    def test_a_longer_batch_is_a_declared_skip(self, backend: Any) -> None:
        ids = np.zeros((1, 17), np.int32)
        with pytest.raises(BatchSkipped, match="drawn for 16 tokens, the batch has 17"):
            backend.run({"input_ids": ids, "attention_mask": ids + 1, "token_type_ids": ids}, texts=None)


@pytest.mark.parametrize("graph", ["", "train.meta"])
def test_both_graphs_are_what_tensorflow_1_15_computed_and_what_our_reference_says(
    make_job: MakeJob, graph: str
) -> None:
    from parity.backends import metagraph

    opened = metagraph.open(make_job(graph))
    reference = oracle.open(make_job(backend="oracle", precision="float64"))
    kept = np.load(BERT / "golden.npz")
    for number, path in enumerate(make_job().inputs):
        batch = read_batch(path)
        found, expected = opened.run(batch.inputs, texts=None), reference.run(batch.inputs, texts=None)
        real = real_positions(batch.inputs)
        for tap in TAPS + FINE:
            assert found[tap].shape == expected[tap].shape, tap
            chosen = real if found[tap].shape[:2] == real.shape else ...
            np.testing.assert_allclose(
                found[tap][chosen], expected[tap][chosen], atol=1e-4 if "scores" in tap else 2e-5
            )
            if not number and tap in GOLDEN:
                golden = kept[GOLDEN[tap]].reshape(found[tap].shape)
                np.testing.assert_allclose(found[tap][chosen], golden[chosen], atol=1e-5, err_msg=tap)
    opened.close()
    reference.close()


def test_the_graph_tells_its_activation(make_job: MakeJob) -> None:
    from parity.backends import metagraph

    opened = metagraph.open(make_job(taps=("pooler",)))
    assert opened.describe()["activation"] == "gelu_erf"
    assert opened.describe()["drawn by"] == "1.15.5"
    opened.close()


def test_every_tap_of_the_family_is_known_or_unavailable_with_a_reason(make_job: MakeJob) -> None:
    from parity.backends import metagraph

    bert = family("bert")
    raw = {"vocab_size": 59, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    raw |= {"intermediate_size": 48, "max_position_embeddings": 24, "type_vocab_size": 2}
    config = bert.read_config(raw, where=BERT)
    for head in bert.all_heads:
        stations = (*bert.taps(config, head), *bert.fine_taps(config, head))
        opened = metagraph.open(make_job(taps=tuple(tap.name for tap in stations)))
        lacking = opened.unavailable()
        assert set(lacking) == set(head.taps) - {"logits.mlm", "logits.nsp"}
        assert all("nothing in the graph adds" in reason for reason in lacking.values())
        opened.close()


def test_a_frozen_graph_shows_its_classifier(make_job: MakeJob) -> None:
    from parity.backends import metagraph

    opened = metagraph.open(make_job("inference_graph.pb", taps=("pooler", "logits.classifier", "logits.tokens")))
    assert dict(opened.unavailable()) == {
        "logits.tokens": "what the graph adds output_bias to is computed from the pooler"
    }
    batch = read_batch(make_job().inputs[0])
    found = opened.run(batch.inputs, texts=None)
    assert found["logits.classifier"].shape == (3, 3)
    opened.close()


def test_a_variable_that_the_checkpoint_lacks_makes_its_taps_unavailable(make_job: MakeJob, tmp_path: Path) -> None:
    from small_bert import read_source

    from parity.backends import metagraph
    from parity.checkpoints import write_bundle
    from parity.tensorfile import TensorSpec

    held = read_source(BERT / "bert_model.ckpt")
    del held["cls/seq_relationship/output_bias"]
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in held.items()]
    write_bundle(tmp_path / "bert_model.ckpt", specs, held.values())
    shutil.copyfile(BERT / "bert_model.ckpt.meta", tmp_path / "bert_model.ckpt.meta")
    job = make_job()
    job = dataclasses.replace(job, source={**job.source, "checkpoint": str(tmp_path / "bert_model.ckpt")})
    opened = metagraph.open(job)
    assert dict(opened.unavailable()) == {
        "logits.nsp": "the checkpoint has no variable cls/seq_relationship/output_bias"
    }
    opened.close()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"precision": "float64"}, "does not compute in float64"),
        ({"given": True}, "cannot be given another runtime's values"),
        ({"family": "gpt2"}, "knows the node names of bert only"),
        ({"settings": {"grph": "x"}}, "there is no setting grph"),
        ({"settings": {"graph": "/nowhere.meta"}}, "cannot read the graph"),
        (
            {"source": {"checkpoint": str(GOLDENS / "bert_cyrillic"), "config": ""}},
            "the checkpoint has no graph beside it",
        ),
    ],
)
def test_what_does_not_fit_is_told(make_job: MakeJob, fields: dict[str, Any], message: str) -> None:
    from parity.backends import metagraph

    with pytest.raises(ParityError, match=message):
        metagraph.open(make_job(**fields))


def test_it_is_a_row_of_the_table_and_no_part_of_a_run_that_names_no_backend() -> None:
    row = runtime("metagraph")
    assert (row.kind, row.standard, row.precision, row.distributions) == ("source", False, "float32", ("tensorflow",))
