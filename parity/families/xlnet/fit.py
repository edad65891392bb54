"""What an XLNet checkpoint's tensors say of its config."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from parity.families.values import Config
from parity.families.xlnet.names import layers
from parity.families.xlnet.numbers import CHOICES, LENGTHS, RATES, ROW, SIZES, SWITCHES, numbers

_TABLE, _FIRST = "model/transformer/word_embedding/lookup_table", "model/transformer/layer_0"
# Which axis of which variable each size is read off; the original creates all of them.
_FIT = (
    ("n_token", _TABLE, 0),
    ("d_model", _TABLE, 1),
    ("n_head", f"{_FIRST}/rel_attn/q/kernel", 1),
    ("d_head", f"{_FIRST}/rel_attn/q/kernel", 2),
    ("d_inner", f"{_FIRST}/ff/layer_1/kernel", 1),
)
_BIAS = "model/transformer/r_w_bias"
_UNTIED_RANK = 3


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """What the tensors tell of the config; `ff_activation` they do not tell."""
    sizes = {key: shapes[name][axis] for key, name, axis in _FIT if len(shapes.get(name, ())) > axis}
    tied = {"untie_r": len(shapes[_BIAS]) == _UNTIED_RANK} if _BIAS in shapes else {}
    return {**sizes, "n_layer": layers(shapes), **tied}


def misfits(config: Config, shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, int, int, str]]:
    """What the config gives and the tensors contradict: (config key, config's, tensors', variable).

    Layers that the checkpoint has and the config does not count as a contradiction: they would be dropped silently.
    """
    said = {key: getattr(config, field) for key, field in SIZES.items()}
    said |= {"d_head": config.hidden_size // config.heads, "untie_r": numbers(config).untied}
    where = {key: name for key, name, _ in _FIT} | {"n_layer": "model/transformer/layer_*", "untie_r": _BIAS}
    held = infer(shapes)
    return [(key, said[key], held[key], where[key]) for key in held if held[key] != said[key]]


def unread_keys(raw: Mapping[str, Any]) -> list[str]:
    """Config keys that the original code never reads: without effect on what it computes."""
    read: Collection[str] = {*SIZES, *LENGTHS, *SWITCHES, *CHOICES, *RATES, "d_head", "ff_activation", "untie_r"}
    return sorted(set(raw) - set(read) - {ROW, "layer_norm_eps"})
