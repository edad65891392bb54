"""hparams.json as the original reads it, the Hugging Face config.json that says the same, and the way back."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from parity.errors import ParityError, Problems
from parity.families.reading import contradicted, quoted
from parity.families.values import Config, Head

EPSILON = 1e-5
"""Fixed in the original's `norm`; hparams.json has no field for it."""
END = "<|endoftext|>"
WIDER = 4
"""The original's inner layer is this many times as wide as the hidden one; hparams.json has no field for it."""

_SIZES = {
    "n_vocab": "vocab_size",
    "n_ctx": "positions",
    "n_embd": "hidden_size",
    "n_head": "heads",
    "n_layer": "layers",
}
# The same numbers in a config.json of transformers; older ones repeat n_positions as n_ctx, which nothing reads.
_TARGET_SIZES = {
    "vocab_size": "vocab_size",
    "n_positions": "positions",
    "n_embd": "hidden_size",
    "n_head": "heads",
    "n_layer": "layers",
}
_PUBLISHED = "take the hparams.json that was published with the checkpoint (--config FILE)"
_ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu_erf",
    "relu": "relu",
    "tanh": "tanh",
    "linear": "linear",
}
_TARGET_ACTIVATIONS = {"gelu_erf": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "tanh": "tanh", "linear": "linear"}
# Switches of transformers' GPT-2 that make it another model; what each has to say for the original's arithmetic.
_FIXED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
# Without effect on what is computed here, but the target says them again; beside each what transformers assumes.
_RATES = {"attn_pdrop": 0.1, "embd_pdrop": 0.1, "resid_pdrop": 0.1, "initializer_range": 0.02}


def read_config(raw: Mapping[str, Any], *, where: Path, activation: str | None = None) -> Config:
    """Check an hparams.json, or the config.json of a GPT-2 in transformers, and give its numbers their house names.

    Args:
        raw: the parsed JSON; one with `vocab_size` or `model_type` is read as transformers means it.
        where: the file, for messages.
        activation: `erf` or `tanh` where the caller knows it; it must not contradict the file. The original computes
            the tanh formula, and its hparams.json has no field for it.

    Raises:
        ParityError: fields missing, of the wrong type, or describing another computation; all problems at once.
    """
    problems = Problems("the config does not describe a GPT-2", where=where)
    ours = not _of_target(raw)
    sizes: dict[str, int] = {}
    for key, field in (_SIZES if ours else _TARGET_SIZES).items():
        if key not in raw:
            problems.add(f"{key} is missing", remedy=_PUBLISHED)
        elif _is_size(raw[key]):
            sizes[field] = raw[key]
        else:
            problems.add(f"{key} is not a positive whole number", got=quoted(raw[key]), remedy=_PUBLISHED)
    if {"hidden_size", "heads"} <= sizes.keys() and sizes["hidden_size"] % sizes["heads"]:
        got = f"{sizes['hidden_size']} and {sizes['heads']}"
        problems.add("n_embd is no multiple of n_head", got=got, remedy=_PUBLISHED)
    said = {} if ours else raw
    inner = said.get("n_inner")
    if inner is not None and not _is_size(inner):
        problems.add("n_inner is not a positive whole number", got=quoted(inner), remedy="leave it out")
    for key, fixed in _FIXED.items():
        if said.get(key, fixed) is not fixed:
            remedy = "this model computes what the original's code cannot"
            problems.add(
                f"{key} is not as in the original", got=quoted(said[key]), expected=quoted(fixed), remedy=remedy
            )
    epsilon = said.get("layer_norm_epsilon", EPSILON)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        problems.add("layer_norm_epsilon is not a number between 0 and 1", got=quoted(epsilon), remedy="leave it out")
    computed = _activation(said.get("activation_function", "gelu_new"), activation, problems)
    problems.raise_if_any()
    return Config(
        **sizes,
        intermediate_size=inner or WIDER * sizes["hidden_size"],
        token_types=0,
        activation=computed,
        epsilon=float(epsilon),
        raw=dict(raw),
    )


def _of_target(raw: Mapping[str, Any]) -> bool:
    return "vocab_size" in raw or "model_type" in raw


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31


def _activation(name: object, activation: str | None, problems: Problems) -> str:
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        problems.add("unknown activation_function", got=quoted(name), expected=f"one of {', '.join(_ACTIVATIONS)}")
        return "gelu_tanh"
    if activation not in (None, "erf", "tanh"):
        problems.add("unknown activation", got=activation, expected="erf or tanh", remedy="choose one")
    elif activation is not None and _ACTIVATIONS[name] != f"gelu_{activation}":
        got = f"{name}, which is {_ACTIVATIONS[name].replace('_', ' by ')}"
        problems.add(f"--activation {activation} contradicts GPT-2's", got=got, remedy="leave it out")
    return _ACTIVATIONS[name]


def target_config(config: Config, head: Head, *, labels: int, special: Mapping[str, int]) -> dict[str, Any]:
    """The Hugging Face config.json.

    Every switch is written out, so that another version's defaults change nothing.

    Args:
        config: the numbers.
        head: decides `architectures`.
        labels: 0; no head of GPT-2 has classes.
        special: ids of the special tokens by name; `<|endoftext|>` begins and ends a text.
    """
    if config.activation not in _TARGET_ACTIVATIONS:
        raise ParityError(f"no Hugging Face name for activation {config.activation}")
    inner = config.intermediate_size
    written: dict[str, Any] = {
        **{key: config.raw.get(key, usual) for key, usual in _RATES.items()},
        **{key: getattr(config, field) for key, field in _TARGET_SIZES.items()},
        **_FIXED,
        "activation_function": _TARGET_ACTIVATIONS[config.activation],
        "architectures": [head.target_class],
        "bos_token_id": special.get(END),
        "eos_token_id": special.get(END),
        "layer_norm_epsilon": config.epsilon,
        "model_type": "gpt2",
        "n_ctx": config.positions,
        "n_inner": None if inner == WIDER * config.hidden_size else inner,
        "reorder_and_upcast_attn": False,
        "torch_dtype": "float32",
        "use_cache": True,
    }
    return dict(sorted(written.items()))


def source_config(config: Config) -> dict[str, Any]:
    """hparams.json for these numbers.

    Raises:
        ParityError: they describe what the original's code cannot compute.
    """
    problems = Problems("the original's GPT-2 cannot say this model in its hparams.json")
    expected = {"activation": "gelu_tanh", "epsilon": EPSILON, "intermediate_size": WIDER * config.hidden_size}
    for field, only in expected.items():
        if getattr(config, field) != only:
            problems.add(f"another {field}", got=getattr(config, field), expected=only, remedy="keep the directory")
    problems.raise_if_any()
    return {key: getattr(config, field) for key, field in _SIZES.items()}


# Which axis of which variable each size is read off; the original creates all of them.
_FIT = (
    ("n_vocab", "model/wte", 0),
    ("n_embd", "model/wte", 1),
    ("n_ctx", "model/wpe", 0),
)
_LAYER = re.compile(r"model/h(\d+)/")


def layers(names: Collection[str]) -> int:
    """Number of blocks that these variable names speak of."""
    return max((int(match[1]) for match in map(_LAYER.match, names) if match), default=-1) + 1


def misfits(config: Config, shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, int, int, str]]:
    """Sizes that the config gives and the tensors contradict: (config key, config's, tensors', variable).

    Blocks that the checkpoint has and the config does not count as a contradiction: they would be dropped silently.
    """
    found = contradicted(config, shapes, sizes=_SIZES, fit=_FIT)
    held = layers(shapes)
    if held != config.layers:
        found.append(("n_layer", config.layers, held, "model/h*"))
    return found


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """What tensors tell of hparams.json: everything but `n_head`, of which no shape speaks."""
    found = {key: shapes[name][axis] for key, name, axis in _FIT if len(shapes.get(name, ())) > axis}
    return found | ({"n_layer": layers(shapes)} if layers(shapes) else {})


def unread_keys(raw: Mapping[str, Any]) -> list[str]:
    """Keys of an hparams.json that the original code never reads; transformers' own config says many things more."""
    return [] if _of_target(raw) else sorted(set(raw) - set(_SIZES))
