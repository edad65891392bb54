"""A Hugging Face directory as the source of everything."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertForQuestionAnswering, BertForSequenceClassification, BertModel

from parity.artifacts import convert_checkpoint
from parity.artifacts.opening import resolve_model
from parity.artifacts.source import Choices, understand
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
