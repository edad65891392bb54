"""The Hugging Face config.json that makes transformers compute what the original does, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.errors import ParityError
from parity.families.values import Config, Head
from parity.families.xlnet.names import task
from parity.families.xlnet.numbers import ACTIVATIONS, EPSILON, RATES, SIZES, TARGET_ACTIVATIONS, numbers


def target_config(config: Config, head: Head, *, labels: int, special: Mapping[str, int]) -> dict[str, Any]:
    """The Hugging Face config.json.

    Args:
        config: the numbers.
        head: decides `architectures`.
        labels: outputs of the classifier, 0 without one.
        special: ids of the vocabulary's pieces by name.
    """
    config = numbers(config)
    remembers = config.mem_len > 0
    written: dict[str, Any] = {
        "architectures": [head.target_class],
        "attn_type": config.attn_type,
        "bi_data": config.bi_data,
        "bos_token_id": special.get("<s>", 1),
        "clamp_len": config.clamp_len,
        "d_head": config.hidden_size // config.heads,
        "d_inner": config.intermediate_size,
        "d_model": config.hidden_size,
        "dropout": config.raw.get("dropout", RATES["dropout"]),
        "eos_token_id": special.get("</s>", 2),
        "ff_activation": TARGET_ACTIVATIONS[config.activation],
        "initializer_range": config.raw.get("init_std", RATES["init_std"]),
        "layer_norm_eps": config.epsilon,
        # Left out, it would be 512 there; null alone would remember everything.
        "mem_len": config.mem_len if remembers else None,
        "model_type": "xlnet",
        "n_head": config.heads,
        "n_layer": config.layers,
        "pad_token_id": special.get("<pad>", 5),
        "reuse_len": config.reuse_len or None,
        "same_length": config.same_length,
        "summary_activation": "tanh" if config.summary_projected else None,
        "summary_last_dropout": 0.1,
        "summary_type": config.summary_type,
        "summary_use_proj": config.summary_projected,
        "torch_dtype": "float32",
        "untie_r": config.untied,
        "use_mems_eval": remembers,
        "use_mems_train": False,
        "vocab_size": config.vocab_size,
    }
    outputs = 1 if task(head.name).kind == "regression" else labels
    if outputs:
        written["id2label"] = {str(i): f"LABEL_{i}" for i in range(outputs)}
        written["label2id"] = {f"LABEL_{i}": i for i in range(outputs)}
    return dict(sorted(written.items()))


def source_config(config: Config) -> dict[str, Any]:
    """xlnet_config.json for these numbers, and beside them the run's flags where they are not the original's defaults.

    Raises:
        ParityError: the model computes GELU with erf, which the original code does not know.
    """
    config = numbers(config)
    names = {computed: name for name, computed in ACTIVATIONS.items()}
    if config.activation not in names:
        remedy = 'a model with ff_activation "gelu_new" has a way back; this one would compute something else there'
        raise ParityError(f"the original has no {config.activation}", expected=f"{', '.join(names)}", remedy=remedy)
    flags: dict[str, tuple[object, object]] = {
        "mem_len": (config.mem_len or None, None),
        "reuse_len": (config.reuse_len or None, None),
        "clamp_len": (config.clamp_len, -1),
        "same_length": (config.same_length, False),
        "bi_data": (config.bi_data, False),
        "attn_type": (config.attn_type, "bi"),
        "summary_type": (config.summary_type, "last"),
        "use_summ_proj": (config.summary_projected, True),
        "layer_norm_eps": (config.epsilon, EPSILON),
    }
    return {
        **{key: getattr(config, field) for key, field in sorted(SIZES.items())},
        "d_head": config.hidden_size // config.heads,
        "ff_activation": names[config.activation],
        "untie_r": config.untied,
        **{key: value for key, (value, usual) in flags.items() if value != usual},
    }


def notes(config: Config, head: Head) -> tuple[str, ...]:
    """Where the target's config is spelt otherwise than the source's, and what the target's class does besides."""
    config, said = numbers(config), list[str]()
    if config.activation == "gelu_tanh":
        said.append(
            'ff_activation is written as "gelu_new": the original\'s "gelu" is the tanh formula, '
            'and transformers computes erf for "gelu"'
        )
    if not config.mem_len:
        said.append("use_mems_eval is false: without mem_len the original remembers nothing, transformers everything")
    if not config.untied:
        said.append("untie_r is false: every layer of the target holds the same r_w_bias, r_r_bias and r_s_bias")
    if config.attn_type == "uni":
        said.append("attn_type uni: transformers cannot add a mask of several rows to its causal one")
    if task(head.name).kind == "qa":
        said.append("answers are compared where p_mask leaves only the last position, <cls>, as the start")
    return tuple(said)
