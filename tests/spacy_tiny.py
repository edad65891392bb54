"""A tiny BERT folder as `parity convert --to pytorch` writes it, made without any framework."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from parity.artifacts.proof import Proof, TensorProof, sha256_array
from parity.artifacts.tokenizers.wordpiece import write
from parity.inputs.wordpiece import guess_casing, of_casing, read_vocab
from parity.tensorfile import Array, TensorSpec, write_tensors

WIDTH, LAYERS, INNER = 32, 2, 64
_LETTERS = "abcdefghijklmnopqrstuvwxyzæøåёйабвгдежзиклмнопрстуфхцчшщъыьэюя0123456789"
_WORDS = ["the", "river", "bank", "money", "sål", "sal", "##ing", "walk", "мир", "中", "文"]
_PUNCTUATION = list(".,!?-'\"()/:;")
TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *_LETTERS,
    *(f"##{c}" for c in _LETTERS),
    *_PUNCTUATION,
    *_WORDS,
]


def make_bert(folder: Path, *, positions: int = 64, pooler: bool = True, head: bool = True) -> Path:
    """Write the folder; random weights from a fixed seed."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    arrays = {name: _values(name, rng.standard_normal(shape)) for name, shape in _shapes(positions, pooler, head)}
    specs = [TensorSpec(name, "float32", array.shape) for name, array in arrays.items()]
    write_tensors(folder / "model.safetensors", specs, arrays.values(), metadata={"format": "pt"})
    config: dict[str, Any] = {
        "architectures": ["BertForPreTraining" if head else "BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": INNER,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": positions,
        "model_type": "bert",
        "num_attention_heads": 2,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": len(TOKENS),
    }
    (folder / "config.json").write_text(json.dumps(config))
    vocab = folder / "words.txt"
    vocab.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    vocabulary = read_vocab(vocab)
    write(folder, of_casing(vocabulary, guess_casing(vocabulary)), positions=positions)
    vocab.unlink()
    _proof(arrays, config).write(folder)
    return folder


def _values(name: str, noise: Array) -> Array:
    if name.endswith("LayerNorm.weight"):
        return (1 + 0.1 * noise).astype(np.float32)
    return (noise * (0.1 if name.endswith("bias") else 0.3)).astype(np.float32)


def _shapes(positions: int, pooler: bool, head: bool) -> list[tuple[str, tuple[int, ...]]]:
    def linear(name: str, rows: int, columns: int) -> list[tuple[str, tuple[int, ...]]]:
        return [(f"{name}.weight", (rows, columns)), (f"{name}.bias", (rows,))]

    def norm(name: str) -> list[tuple[str, tuple[int, ...]]]:
        return [(f"{name}.weight", (WIDTH,)), (f"{name}.bias", (WIDTH,))]

    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("bert.embeddings.word_embeddings.weight", (len(TOKENS), WIDTH)),
        ("bert.embeddings.position_embeddings.weight", (positions, WIDTH)),
        ("bert.embeddings.token_type_embeddings.weight", (2, WIDTH)),
        *norm("bert.embeddings.LayerNorm"),
    ]
    for number in range(LAYERS):
        layer = f"bert.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            shapes += linear(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        shapes += [
            *linear(f"{layer}.attention.output.dense", WIDTH, WIDTH),
            *norm(f"{layer}.attention.output.LayerNorm"),
        ]
        shapes += linear(f"{layer}.intermediate.dense", INNER, WIDTH)
        shapes += [*linear(f"{layer}.output.dense", WIDTH, INNER), *norm(f"{layer}.output.LayerNorm")]
    if pooler:
        shapes += linear("bert.pooler.dense", WIDTH, WIDTH)
    if head:
        shapes += [("cls.predictions.bias", (len(TOKENS),)), *linear("cls.seq_relationship", 2, WIDTH)]
    return shapes


def _proof(arrays: dict[str, Array], config: dict[str, Any]) -> Proof:
    def line(name: str, array: Array) -> TensorProof:
        digest = sha256_array(array)
        return TensorProof(name, name, "copy", array.shape, array.shape, "float32", "float32", digest, digest)

    return Proof(
        to="pytorch",
        family="bert",
        head="pretraining" if config["architectures"] == ["BertForPreTraining"] else "none",
        labels=2,
        source_format="tensorflow-v2",
        config_file="bert_config.json",
        config=config,
        activation="gelu_erf",
        epsilon=1e-12,
        casing={},
        assumptions=(),
        tensors=tuple(line(name, array) for name, array in arrays.items()),
        dropped=(),
        tied=(),
    )
