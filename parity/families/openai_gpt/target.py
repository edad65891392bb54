"""The Hugging Face config.json that says what an OpenAI GPT computes, and train.py's options for the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.errors import ParityError
from parity.families.openai_gpt.config import EPSILON, KEYS, RATES, SIZES, WIDER, GptConfig
from parity.families.values import Config, Head

_TARGET_ACTIVATIONS = {"gelu_tanh": "gelu", "relu": "relu", "swish": "swish"}


def target_config(config: Config, head: Head, *, labels: int, special: Mapping[str, int]) -> dict[str, Any]:
    """The Hugging Face config.json.

    Args:
        config: the numbers.
        head: decides `architectures`, and how one vector of a row is chosen for the classifier.
        labels: 0; multiple choice scores one row at a time.
        special: ids of the special tokens by name, where training added some.
    """
    if config.activation not in _TARGET_ACTIVATIONS:
        raise ParityError(f"no Hugging Face name for activation {config.activation}")
    added = config.special if isinstance(config, GptConfig) else 0
    written: dict[str, Any] = {
        **{key: config.raw.get(key, usual) for key, usual in RATES.items()},
        "afn": _TARGET_ACTIVATIONS[config.activation],
        "architectures": [head.target_class],
        "initializer_range": 0.02,
        "layer_norm_epsilon": config.epsilon,
        "model_type": "openai-gpt",
        "n_ctx": config.positions,
        "n_embd": config.hidden_size,
        "n_head": config.heads,
        "n_layer": config.layers,
        "n_positions": config.positions,
        "n_special": added,
        # One vector of each row, multiplied and nothing else: that is the original's classifier.
        "summary_activation": None,
        "summary_first_dropout": config.raw.get("clf_pdrop", 0.1),
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "torch_dtype": "float32",
        "vocab_size": config.vocab_size,
    }
    return dict(sorted(written.items()))


def source_config(config: Config) -> dict[str, Any]:
    """train.py's options for these numbers, and `n_vocab`, which it reads off the encoder.

    Raises:
        ParityError: they describe what the original's code cannot compute.
    """
    if config.epsilon != EPSILON or config.intermediate_size != WIDER * config.hidden_size:
        got = f"epsilon {config.epsilon}, inner layer {config.intermediate_size}"
        expected = f"{EPSILON} and {WIDER * config.hidden_size}"
        raise ParityError("train.py cannot compute this model", got=got, expected=expected, remedy="keep the directory")
    sizes = {KEYS[field]: getattr(config, field) for field in SIZES}
    return {**sizes, "afn": _TARGET_ACTIVATIONS[config.activation]}
