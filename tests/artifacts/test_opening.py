"""A Hugging Face directory as the source of everything."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from parity.artifacts import convert_checkpoint
from parity.artifacts.opening import resolve_model
from parity.artifacts.source import Choices, understand
from parity.artifacts.verify import verify
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.models import resolve

SIZES = {
    "vocab_size": 1200,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARITY_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = resolve("rubert", scale="tiny").vocab
    assert found is not None
    return found


def saved(folder: Path, vocabulary: Path, made: type, **options: object) -> tuple[Path, object]:
    torch.manual_seed(1)
    shards = {key: options.pop(key) for key in ("safe_serialization", "max_shard_size") if key in options}
    model = made(BertConfig(**SIZES, **options)).eval()
    model.save_pretrained(folder, **shards)
    shutil.copyfile(vocabulary, folder / "vocab.txt")
    return folder, model


def test_the_checkpoint_holds_the_models_weights_under_the_sources_names(tmp_path: Path, vocabulary: Path) -> None:
    folder, model = saved(tmp_path / "mine", vocabulary, BertForSequenceClassification, num_labels=3)
    source = resolve_model(str(folder))
    assert (source.name, source.family, source.origin) == ("mine", "bert", folder)
    state = model.state_dict()  # type: ignore[attr-defined]
    with open_checkpoint(source.checkpoint) as checkpoint:
        kernel = checkpoint.read("bert/encoder/layer_1/attention/self/query/kernel")
        np.testing.assert_array_equal(kernel, state["bert.encoder.layer.1.attention.self.query.weight"].numpy().T)
        np.testing.assert_array_equal(checkpoint.read("output_weights"), state["classifier.weight"].numpy())
    understood = understand(source, Choices())
    assert (understood.head.name, understood.labels, understood.config.activation) == ("classifier", 3, "gelu_erf")


@pytest.mark.parametrize("made", [BertForQuestionAnswering, BertForMaskedLM])
def test_a_class_without_a_pooler_comes_without_one(made: type, tmp_path: Path, vocabulary: Path) -> None:
    folder, model = saved(tmp_path / "mine", vocabulary, made)
    understood = understand(resolve_model(str(folder)), Choices())
    assert "bert/pooler/dense/kernel" not in understood.checkpoint.entries
    assert "pooler" not in {tap.name for tap in understood.family.taps(understood.config, understood.head)}
    convert_checkpoint(str(resolve_model(str(folder)).checkpoint), tmp_path / "out")
    again = made.from_pretrained(tmp_path / "out")
    for name, tensor in model.state_dict().items():  # type: ignore[attr-defined]
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_bare_model_without_its_pooler_is_refused(tmp_path: Path, vocabulary: Path) -> None:
    folder, model = saved(tmp_path / "mine", vocabulary, BertModel)
    state = {name: tensor for name, tensor in model.state_dict().items() if "pooler" not in name}  # type: ignore[attr-defined]
    model.save_pretrained(folder, state_dict=state)  # type: ignore[attr-defined]
    with pytest.raises(ParityError, match="pooler"):
        resolve_model(str(folder))


def test_shards_of_pickles_and_the_spelling_of_the_first_years(tmp_path: Path, vocabulary: Path) -> None:
    folder, model = saved(tmp_path / "mine", vocabulary, BertModel, safe_serialization=False, max_shard_size="60KB")
    assert len(list(folder.glob("pytorch_model-*.bin"))) > 1
    with open_checkpoint(resolve_model(str(folder)).checkpoint) as checkpoint:
        words = checkpoint.read("bert/embeddings/word_embeddings")
    state = model.state_dict()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(words, state["embeddings.word_embeddings.weight"].numpy())
    old = tmp_path / "old"
    shutil.copytree(folder, old, ignore=shutil.ignore_patterns("pytorch_model*"))
    spelt = {
        f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): one
        for name, one in state.items()
    }
    torch.save(spelt, old / "pytorch_model.bin")
    with open_checkpoint(resolve_model(str(old)).checkpoint) as checkpoint:
        gamma = checkpoint.read("bert/embeddings/LayerNorm/gamma")
    np.testing.assert_array_equal(gamma, state["embeddings.LayerNorm.weight"].numpy())


def test_changed_weights_are_another_source_and_the_tokenizers_casing_counts(tmp_path: Path, vocabulary: Path) -> None:
    folder, model = saved(tmp_path / "mine", vocabulary, BertModel)
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    first = resolve_model(str(folder))
    assert first.casing == (True, True)
    assert resolve_model(str(folder)).checkpoint == first.checkpoint
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[0, 0] += 1  # type: ignore[attr-defined]
    model.save_pretrained(folder)  # type: ignore[attr-defined]
    assert resolve_model(str(folder)).checkpoint != first.checkpoint


def test_what_only_a_checkpoint_leaves_open_is_refused(tmp_path: Path, vocabulary: Path) -> None:
    folder, _ = saved(tmp_path / "mine", vocabulary, BertModel)
    with pytest.raises(ParityError, match="--config is for checkpoints"):
        resolve_model(str(folder), config=folder / "config.json")


@pytest.mark.parametrize(("act", "computed"), [("gelu", "gelu_erf"), ("gelu_new", "gelu_tanh"), ("relu", "relu")])
def test_the_activation_is_the_directorys_own_on_every_way(
    act: str, computed: str, tmp_path: Path, vocabulary: Path
) -> None:
    folder, _ = saved(tmp_path / "mine", vocabulary, BertModel, hidden_act=act, safe_serialization=False)
    assert understand(resolve_model(str(folder)), Choices()).config.activation == computed
    proof = convert_checkpoint(str(folder), tmp_path / "out")
    assert proof.activation == computed
    assert json.loads((tmp_path / "out" / "config.json").read_text())["hidden_act"] == act
    convert_checkpoint(str(folder), tmp_path / "back", to="tensorflow")
    again = understand(resolve(str(tmp_path / "back")), Choices())
    assert again.config.activation == computed
    assert any("conversion.json beside the checkpoint says" in line for line in again.assumptions) == (act != "relu")
    by_hand = understand(resolve(str(tmp_path / "back")), Choices(activation="erf" if act == "gelu_new" else None))
    assert (by_hand.config.activation == computed) == (act != "gelu_new")


def test_of_heads_with_the_same_variables_the_directorys_own_is_taken(tmp_path: Path, vocabulary: Path) -> None:
    folder, _ = saved(tmp_path / "mine", vocabulary, BertForTokenClassification, num_labels=5)
    understood = understand(resolve_model(str(folder)), Choices())
    assert (understood.head.name, understood.labels) == ("token-classifier", 5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_weights_by_others_become_artifacts_by_way_of_a_checkpoint(
    dtype: torch.dtype, tmp_path: Path, vocabulary: Path
) -> None:
    folder, model = saved(tmp_path / "mine", vocabulary, BertForSequenceClassification)
    model.to(dtype).save_pretrained(folder)  # type: ignore[attr-defined]
    convert_checkpoint(str(folder), tmp_path / "out")
    verify(tmp_path / "out", source=folder)
    again = BertForSequenceClassification.from_pretrained(tmp_path / "out").state_dict()
    for name, tensor in model.state_dict().items():  # type: ignore[attr-defined]
        assert again[name].dtype == torch.float32
        assert torch.equal(tensor.float(), again[name]), name
    with pytest.raises(ParityError, match="Hugging Face directory already"):
        convert_checkpoint(str(tmp_path / "out"), tmp_path / "again")


def test_a_bin_with_its_tied_tensors_goes_back_and_is_verified(tmp_path: Path, vocabulary: Path) -> None:
    folder, _ = saved(tmp_path / "mine", vocabulary, BertForMaskedLM, safe_serialization=False)
    for kind in ("tensorflow", "pytorch"):
        proof = convert_checkpoint(str(folder), tmp_path / kind, to=kind)
        verify(tmp_path / kind, source=folder)
        if kind == "tensorflow":
            assert "cls.predictions.decoder.weight" in {line.source for line in proof.dropped}


def test_an_architecture_that_is_not_held_is_refused_by_name(tmp_path: Path, vocabulary: Path) -> None:
    folder, _ = saved(tmp_path / "mine", vocabulary, BertModel)
    (folder / "config.json").write_text('{"model_type": "t5", "architectures": ["T5Model"]}')
    for ask in (lambda: resolve_model(str(folder)), lambda: convert_checkpoint(str(folder), tmp_path / "out")):
        with pytest.raises(ParityError, match=r"does not have \(got t5, expected model_type one of bert"):
            ask()


def test_a_class_without_a_pooler_becomes_a_spacy_pipeline_with_zeros_and_says_so(
    tmp_path: Path, vocabulary: Path
) -> None:
    pytest.importorskip("spacy_transformers", reason='pip install "parity[spacy]"')
    folder, _ = saved(tmp_path / "mine", vocabulary, BertForMaskedLM)
    proof = convert_checkpoint(str(folder), tmp_path / "out", to="spacy", package=False)
    assert {line.target for line in proof.tensors if line.operation == "zeros"} == {
        "pooler.dense.weight",
        "pooler.dense.bias",
    }
    assert any("pooler.dense.bias is written as zeros" in line for line in proof.assumptions)
    verify(tmp_path / "out", source=folder)
