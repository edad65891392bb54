"""bert_config.json as the original reads it, and the Hugging Face config.json that says the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import ParityError, Problems
from parity.families.reading import contradicted, quoted
from parity.families.values import Config, Head


@dataclass(frozen=True)
class BertConfig(Config):
    """BERT's numbers."""

    pooler: bool = True
    """False: trained without one, as some Hugging Face classes are; the original always has it."""


EPSILON = 1e-12
"""Fixed in tf.contrib.layers.layer_norm, which the original calls; its config has no field for it."""

_SIZES = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "positions",
    "type_vocab_size": "token_types",
}
_PUBLISHED = "take the config that was published with the checkpoint (--config FILE)"
# Without effect on what is computed here, but the target says them again; beside each what the original assumes.
_RATES = {"attention_probs_dropout_prob": 0.1, "hidden_dropout_prob": 0.1, "initializer_range": 0.02}
# What the original's get_activation knows, and the spellings that later tools wrote into the same file.
_ACTIVATIONS = {
    "relu": "relu",
    "tanh": "tanh",
    "linear": "linear",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
_TARGET_ACTIVATIONS = {"gelu_erf": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "tanh": "tanh", "linear": "linear"}


def read_config(raw: Mapping[str, Any], *, where: Path, activation: str | None = None) -> Config:
    """Check a bert_config.json and give its numbers their house names.

    Args:
        raw: the parsed JSON.
        where: the file, for messages.
        activation: `erf` or `tanh`, what "gelu" means here; None assumes erf. The config says "gelu" for both eras of
            the original code (erf until 2019-02-07, tanh after).

    Raises:
        ParityError: fields missing, of the wrong type, or describing another computation; all problems at once.
    """
    problems = Problems("the config does not describe a BERT", where=where)
    sizes: dict[str, int] = {}
    for key, field in _SIZES.items():
        value = raw.get(key)
        if key not in raw:
            problems.add(f"{key} is missing", remedy=_PUBLISHED)
        elif not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 31:
            problems.add(f"{key} is not a positive whole number", got=quoted(value), remedy=_PUBLISHED)
        else:
            sizes[field] = value
    if len(sizes) == len(_SIZES) and sizes["hidden_size"] % sizes["heads"]:
        got = f"{sizes['hidden_size']} and {sizes['heads']}"
        problems.add("hidden_size is no multiple of num_attention_heads", got=got, remedy=_PUBLISHED)
    computed = _activation(raw, activation, problems)
    for key, usual in _RATES.items():
        rate = raw.get(key, usual)
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
            problems.add(f"{key} is not a number from 0 to 1", got=quoted(rate), remedy=_PUBLISHED)
    epsilon = raw.get("layer_norm_eps", EPSILON)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        problems.add("layer_norm_eps is not a number between 0 and 1", got=quoted(epsilon), remedy="leave it out")
    if raw.get("position_embedding_type", "absolute") != "absolute":
        got = quoted(raw["position_embedding_type"])
        problems.add("only absolute positions are BERT", got=got, remedy="this model is of another architecture")
    for key in ("is_decoder", "add_cross_attention"):
        if raw.get(key, False) is not False:
            problems.add(
                f"{key}: only an encoder is BERT", got=quoted(raw[key]), remedy="this model computes another way"
            )
    problems.raise_if_any()
    pooler = raw.get("pooler", True) is not False
    return BertConfig(**sizes, activation=computed, epsilon=float(epsilon), raw=dict(raw), pooler=pooler)


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """`pooler` = false where the variables lack one: checkpoints made from a class that has none."""
    return {} if "bert/pooler/dense/kernel" in shapes else {"pooler": False}


def _activation(raw: Mapping[str, Any], activation: str | None, problems: Problems) -> str:
    name = raw.get("hidden_act", "gelu")
    if activation not in (None, "erf", "tanh"):
        problems.add("unknown activation", got=activation, expected="erf or tanh", remedy="choose one")
    if name == "gelu":
        return f"gelu_{activation or 'erf'}"
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        expected = f"gelu, {', '.join(_ACTIVATIONS)}"
        problems.add("hidden_act is none the original knows", got=quoted(name), expected=expected, remedy=_PUBLISHED)
        return "gelu_erf"
    known = _ACTIVATIONS[name]
    if activation is not None and known != f"gelu_{activation}":
        problems.add(
            f"--activation {activation} contradicts hidden_act", got=quoted(name), remedy="leave one of them out"
        )
    return known


def target_config(config: Config, head: Head, *, labels: int, special: Mapping[str, int]) -> dict[str, Any]:
    """The Hugging Face config.json.

    Args:
        config: the numbers.
        head: decides `architectures`.
        labels: rows of the classifier head, 0 without one.
        special: ids of the special tokens by name, such as `{"[PAD]": 0}`.
    """
    if config.activation not in _TARGET_ACTIVATIONS:
        raise ParityError(f"no Hugging Face name for activation {config.activation}")
    written: dict[str, Any] = {
        **{key: config.raw.get(key, usual) for key, usual in _RATES.items()},
        "architectures": [head.target_class],
        "classifier_dropout": None,
        "hidden_act": _TARGET_ACTIVATIONS[config.activation],
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "layer_norm_eps": config.epsilon,
        "max_position_embeddings": config.positions,
        "model_type": "bert",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "pad_token_id": special.get("[PAD]", 0),
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
        "type_vocab_size": config.token_types,
        "use_cache": True,
        "vocab_size": config.vocab_size,
    }
    if labels:
        written["id2label"] = {str(i): f"LABEL_{i}" for i in range(labels)}
        written["label2id"] = {f"LABEL_{i}": i for i in range(labels)}
    return dict(sorted(written.items()))


def has_pooler(config: Config) -> bool:
    """Has this model a pooler?"""
    return not isinstance(config, BertConfig) or config.pooler


def source_config(config: Config) -> dict[str, Any]:
    """bert_config.json for these numbers; an epsilon of its own only where it is not the original's."""
    return {
        **{key: config.raw[key] for key in _RATES if key in config.raw},
        **{key: getattr(config, field) for key, field in sorted(_SIZES.items())},
        **({"layer_norm_eps": config.epsilon} if config.epsilon != EPSILON else {}),
        **({} if has_pooler(config) else {"pooler": False}),
        "hidden_act": "gelu" if config.activation.startswith("gelu") else config.activation,
    }


# Which axis of which variable each size is read off; the original creates all of them.
_FIT = (
    ("vocab_size", "bert/embeddings/word_embeddings", 0),
    ("hidden_size", "bert/embeddings/word_embeddings", 1),
    ("max_position_embeddings", "bert/embeddings/position_embeddings", 0),
    ("type_vocab_size", "bert/embeddings/token_type_embeddings", 0),
    ("intermediate_size", "bert/encoder/layer_0/intermediate/dense/kernel", 1),
)
_LAYER = re.compile(r"bert/encoder/layer_(\d+)/")


def layers(names: Collection[str]) -> int:
    """Number of encoder layers that these variable names speak of."""
    return max((int(match[1]) for match in map(_LAYER.match, names) if match), default=-1) + 1


def misfits(config: Config, shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, int, int, str]]:
    """Sizes that the config gives and the tensors contradict: (config key, config's, tensors', variable).

    Layers that the checkpoint has and the config does not count as a contradiction: they would be dropped silently.
    """
    found = contradicted(config, shapes, sizes=_SIZES, fit=_FIT)
    held = layers(shapes)
    if held != config.layers:
        found.append(("num_hidden_layers", config.layers, held, "bert/encoder/layer_*"))
    return found


def unread_keys(raw: Mapping[str, Any]) -> list[str]:
    """Config keys that the original code never reads: without effect on what it computes."""
    read = {*_SIZES, *_RATES, "hidden_act"}
    return sorted(set(raw) - read - {"layer_norm_eps", "position_embedding_type", "pooler"})
