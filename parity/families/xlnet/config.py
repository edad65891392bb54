"""xlnet_config.json and the run's flags as the original reads them, or a Hugging Face config.json that says the same.

The original keeps what a checkpoint is in xlnet_config.json (`XLNetConfig`) and what a run may choose on the command
line (`RunConfig`, and the flags of run_classifier.py): such flags are read from the same JSON, or given with `--set`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import Problems
from parity.families.xlnet.numbers import (
    ACTIVATIONS,
    CHOICES,
    EPSILON,
    LENGTHS,
    LONGEST,
    READ_TARGET_ACTIVATIONS,
    ROW,
    SEGMENTS,
    SIZES,
    SWITCHES,
    XLNetConfig,
    shown,
    whole,
)

_PUBLISHED = "take the config that was published with the checkpoint (--config FILE)"
_LEAVE_OUT = "leave it out, or --set it right"


def read_config(raw: Mapping[str, Any], *, where: Path, activation: str | None = None) -> XLNetConfig:
    """Check an xlnet_config.json, or the config.json of a Hugging Face XLNet, and give its numbers their house names.

    Args:
        raw: the parsed JSON, with the run's flags where they are not the original's defaults.
        where: the file, for messages.
        activation: None or `tanh`: the original's "gelu" has no other form. A Hugging Face config says itself which.

    Raises:
        ParityError: fields missing, of the wrong type, or describing another computation; all problems at once.
    """
    problems = Problems("the config does not describe an XLNet", where=where)
    target = "vocab_size" in raw and ("model_type" in raw or "n_token" not in raw)
    said = _as_source(raw, problems) if target else dict(raw)
    sizes: dict[str, int] = {}
    for key in (*SIZES, "d_head"):
        value: Any = said.get(key)
        if key not in said:
            problems.add(f"{key} is missing", remedy=_PUBLISHED)
        elif not whole(value) or not 0 < value < 1 << 31:
            problems.add(f"{key} is not a positive whole number", got=shown(value), remedy=_PUBLISHED)
        else:
            sizes[key] = value
    _check_width(sizes, problems)
    computed = _activation(said, activation, target, problems)
    untied = said.get("untie_r")
    if not isinstance(untied, bool):
        problems.add("untie_r is not true or false", got=shown(untied), remedy=_PUBLISHED)
    lengths = {key: _length(said, key, usual, problems) for key, usual in LENGTHS.items()}
    for key, usual in SWITCHES.items():
        if not isinstance(said.get(key, usual), bool):
            problems.add(f"{key} is not true or false", got=shown(said[key]), remedy=_LEAVE_OUT)
    for key, known in CHOICES.items():
        if said.get(key, known[0]) not in known:
            problems.add(f"{key} is none that has a class", got=shown(said[key]), expected=known, remedy=_LEAVE_OUT)
    row: Any = said.get(ROW, LONGEST)
    if not whole(row) or not 0 < row < 1 << 20:
        problems.add(f"{ROW} is not a positive whole number", got=shown(row), remedy=_LEAVE_OUT)
    epsilon = said.get("layer_norm_eps", EPSILON)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        problems.add("layer_norm_eps is not a number between 0 and 1", got=shown(epsilon), remedy="leave it out")
    problems.raise_if_any()
    return XLNetConfig(
        **{field: sizes[key] for key, field in SIZES.items()},
        positions=row,
        token_types=SEGMENTS,
        activation=computed,
        epsilon=float(epsilon),
        raw=dict(raw),
        untied=bool(untied),
        mem_len=max(lengths["mem_len"] or 0, 0),
        reuse_len=max(lengths["reuse_len"] or 0, 0),
        clamp_len=lengths["clamp_len"] or -1,
        same_length=said.get("same_length", False),
        bi_data=said.get("bi_data", False),
        attn_type=said.get("attn_type", "bi"),
        summary_type=said.get("summary_type", "last"),
        summary_projected=said.get("use_summ_proj", True),
    )


def _as_source(raw: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """The same in the source's keys.

    transformers gives every layer its own biases whatever `untie_r` says; where it is false they have to be equal, or
    the way back is refused.
    """
    said = {key: value for key, value in raw.items() if key not in ("vocab_size", "summary_use_proj", "pad_token_id")}
    said |= {"n_token": raw["vocab_size"], "use_summ_proj": raw.get("summary_use_proj", True)}
    said.setdefault("untie_r", True)
    width: Any = raw.get("d_model")
    count: Any = raw.get("n_head")
    if "d_head" not in raw and whole(width) and whole(count) and count > 0:
        said["d_head"] = width // count
    # transformers remembers everything where the length is missing or 0, and 512 where the key is left out.
    if raw.get("use_mems_eval", True) is False:
        said["mem_len"] = None
    elif raw.get("mem_len", 512) in (None, 0):
        said["mem_len"] = (1 << 31) - 1
    else:
        said.setdefault("mem_len", 512)
    act = raw.get("summary_activation", "tanh")
    if act != ("tanh" if said["use_summ_proj"] else None) and raw.get("architectures") in (
        ["XLNetForSequenceClassification"],
        ["XLNetForMultipleChoice"],
    ):
        problems.add("summary_activation is not the original's", got=shown(act), remedy="this is another computation")
    return said


def _check_width(sizes: Mapping[str, int], problems: Problems) -> None:
    if {"d_model", "n_head", "d_head"} <= sizes.keys() and sizes["n_head"] * sizes["d_head"] != sizes["d_model"]:
        got = f"{sizes['n_head']} * {sizes['d_head']} and {sizes['d_model']}"
        remedy = f"transformers has no class for such a model; for a published one, {_PUBLISHED}"
        problems.add("n_head * d_head is not d_model", got=got, remedy=remedy)
    if sizes.get("d_model", 0) % 2:
        problems.add("d_model is odd: positions are pairs of sine and cosine", got=sizes["d_model"], remedy=_PUBLISHED)


def _activation(said: Mapping[str, Any], activation: str | None, target: bool, problems: Problems) -> str:
    known = {**READ_TARGET_ACTIVATIONS, "relu": "relu"} if target else ACTIVATIONS
    name = said.get("ff_activation")
    if not isinstance(name, str) or name not in known:
        what = "ff_activation is none the original knows" if name is not None else "ff_activation is missing"
        problems.add(what, got=shown(name), expected=f"one of {', '.join(known)}", remedy=_PUBLISHED)
        return "relu"
    if activation is not None and known[name] != f"gelu_{activation}":
        remedy = "leave it out: XLNet's gelu is the tanh formula in every version of the original code"
        problems.add(f"--activation {activation} contradicts ff_activation", got=shown(name), remedy=remedy)
    return known[name]


def _length(said: Mapping[str, Any], key: str, usual: int | None, problems: Problems) -> int | None:
    value: int | None = said.get(key, usual)
    if value is None or (whole(value) and -1 <= value < 1 << 31):
        return value
    problems.add(f"{key} is not a whole number", got=shown(value), remedy=_LEAVE_OUT)
    return None
