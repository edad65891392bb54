"""The flags as a JSON, or Hugging Face's config.json; read, checked, and written again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from parity.errors import Problems
from parity.families.reading import quoted
from parity.families.transfo_xl.numbers import EPSILON, TransfoXLConfig, embedding_projected, width

HF_EPSILON = 1e-5
"""What transformers assumed where a config.json of its own does not say."""
_ROW = 128
"""Longest row that inputs are made with where no `tgt_len` is given; without effect on what is computed."""
SIZES = {
    "n_token": "vocab_size",
    "n_layer": "layers",
    "n_head": "heads",
    "d_model": "hidden_size",
    "d_inner": "intermediate_size",
    "d_embed": "d_embed",
    "d_head": "d_head",
}
_PUBLISHED = "take the flags of the script that trained or evaluated the model (--config FILE, --set KEY=VALUE)"
# Nothing in a checkpoint tells these, and every value computes something.
_ASKED = {
    "mem_len": "the scripts give it, 1600 for the evaluation of wt103; --set mem_len=N",
    "clamp_len": "the scripts give it, -1 for none; --set clamp_len=N",
    "same_length": "true in all the original's evaluation scripts, false in training; --set same_length=true",
}
# Flags whose value the variables confirm or refute: where one is left out, the original's own default holds.
_FLAGS = {"untie_r": False, "proj_share_all_but_first": False, "proj_same_dim": True, "tie_weight": True}
RATES = {"dropout": 0.1, "dropatt": 0.1}
_MOST_CUTOFFS = 64
_READ = {*SIZES, *_ASKED, *_FLAGS, "vocab_size", "cutoffs", "div_val", "tie_projs", "tgt_len"}
_HF_ONLY = {"layer_norm_epsilon", "layer_norm_eps", "model_type", "pre_lnorm", "attn_type", "tie_word_embeddings"}


def read_config(raw: Mapping[str, Any], *, where: Path, activation: str | None = None) -> TransfoXLConfig:
    """Check the flags and give their numbers the house's names.

    Args:
        raw: a JSON with the original's flag names (`model_flags.json`), or Hugging Face's config.json, told by its
            `model_type`; `cutoffs` as the model takes them or as corpus-info.json has them, with 0 and the size.
        where: the file, for messages.
        activation: must be None: the original computes ReLU.

    Raises:
        ParityError: flags missing, of the wrong type, or contradicting each other; all problems at once.
    """
    problems = Problems("the flags do not describe a Transformer-XL", where=where)
    hf = "model_type" in raw
    if "vocab_size" in raw and "n_token" not in raw:
        raw = {**raw, "n_token": raw["vocab_size"]}
    sizes: dict[str, Any] = {field: _whole(raw, key, 1, problems) for key, field in SIZES.items()}
    div_val = _whole({"div_val": 1, **raw}, "div_val", 1, problems)
    asked = {key: _asked(raw, key, problems) for key in _ASKED}
    flags = {key: _flag(raw.get(key, usual), key, problems) for key, usual in _FLAGS.items()}
    cutoffs = _cutoffs(raw, sizes["vocab_size"], problems)
    tgt_len = _whole({"tgt_len": _ROW, **raw}, "tgt_len", 1, problems)
    epsilon = raw.get("layer_norm_epsilon", raw.get("layer_norm_eps", HF_EPSILON if hf else EPSILON))
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        problems.add("layer_norm_epsilon is not a number between 0 and 1", got=quoted(epsilon), remedy="leave it out")
    for key, only in {"pre_lnorm": False, "attn_type": 0, "tie_word_embeddings": True}.items():
        if hf and raw.get(key, only) != only:
            problems.add(
                f"{key} is none the original has", got=quoted(raw[key]), expected=quoted(only), remedy=_PUBLISHED
            )
    if activation is not None:
        problems.add("Transformer-XL computes ReLU", got=f"--activation {activation}", remedy="leave the option out")
    problems.raise_if_any()
    if width(sizes["d_embed"], div_val, len(cutoffs)) < 1:
        got = f"{sizes['d_embed']} // {div_val} ** {len(cutoffs)} = 0"
        problems.add("d_embed leaves no column for the last cluster", got=got, remedy=_PUBLISHED)
    if div_val > 1 and not cutoffs:
        what = "div_val divides the width of clusters and there are none: the original cannot build that graph"
        problems.add(what, got=f"div_val {div_val}, cutoffs []", expected="div_val 1 or cutoffs", remedy=_PUBLISHED)
    projected = [
        embedding_projected(
            d_model=sizes["hidden_size"],
            width=width(sizes["d_embed"], div_val, k),
            div_val=div_val,
            proj_same_dim=flags["proj_same_dim"],
        )
        for k in range(len(cutoffs) + 1)
    ]
    tied = _tied(raw, projected, flags["proj_share_all_but_first"], problems)
    problems.raise_if_any()
    return TransfoXLConfig(
        **sizes,
        positions=tgt_len,
        token_types=0,
        activation="relu",
        epsilon=float(epsilon),
        raw=dict(raw),
        cutoffs=cutoffs,
        div_val=div_val,
        untie_r=flags["untie_r"],
        tie_projs=tied,
        proj_same_dim=flags["proj_same_dim"],
        **asked,
    )


def _whole(raw: Mapping[str, Any], key: str, least: int, problems: Problems) -> int:
    value = raw.get(key)
    if key not in raw:
        problems.add(f"{key} is missing", remedy=_PUBLISHED)
    elif not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 31:
        problems.add(f"{key} is not a whole number from {least}", got=quoted(value), remedy=_PUBLISHED)
    else:
        return value
    return least


def _asked(raw: Mapping[str, Any], key: str, problems: Problems) -> Any:
    if key not in raw:
        problems.add(f"{key} is missing, and no tensor tells it", remedy=_ASKED[key])
        return 0
    if key == "same_length":
        return _flag(raw[key], key, problems)
    return _whole(raw, key, 0 if key == "mem_len" else -(1 << 31), problems)


def _flag(value: Any, key: str, problems: Problems) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"  # as on the original's command line
    if not isinstance(value, bool):
        problems.add(f"{key} is neither true nor false", got=quoted(value), remedy=_PUBLISHED)
    return value is True


def _cutoffs(raw: Mapping[str, Any], n_token: int, problems: Problems) -> tuple[int, ...]:
    value = raw.get("cutoffs")
    if "cutoffs" not in raw:
        problems.add("cutoffs is missing", remedy=f"[] where the vocabulary is not cut; {_PUBLISHED}")
        return ()
    listed: list[Any] = list(value) if isinstance(value, list | tuple) else [None]
    if len(listed) > _MOST_CUTOFFS or not all(isinstance(cut, int) and not isinstance(cut, bool) for cut in listed):
        problems.add("cutoffs is no list of whole numbers", got=quoted(value), remedy=_PUBLISHED)
        return ()
    # corpus-info.json has the ends among them; the original's main() takes them off.
    inner = listed[1:-1] if len(listed) > 1 and listed[0] == 0 and listed[-1] == n_token else listed
    bounds = [0, *inner, n_token]
    if any(low >= high for low, high in pairwise(bounds)):
        problems.add("cutoffs do not rise from 1 to below n_token", got=f"{inner} of {n_token}", remedy=_PUBLISHED)
        return ()
    return tuple(inner)


def _tied(raw: Mapping[str, Any], projected: Sequence[bool], share: bool, problems: Problems) -> tuple[bool, ...]:
    """Per cluster, and only where there is a projection: without clusters the original always ties it."""
    by_flag = [k > 0 and share for k in range(len(projected))] if len(projected) > 1 else [True]
    said = raw.get("tie_projs")
    said = list(said) if isinstance(said, tuple) else said
    if said is None:
        return tuple(tie and there for tie, there in zip(by_flag, projected, strict=True))
    if isinstance(said, list) and len(said) != len(projected):
        got, expected = f"{len(projected) - 1} cutoffs", f"{len(said) - 1}, one less than tie_projs"
        what = "cutoffs and tie_projs, which was given or read off the tensors, make different numbers of clusters"
        problems.add(what, got=got, expected=expected, remedy=_PUBLISHED)
        return tuple(by_flag)
    if not isinstance(said, list) or not all(isinstance(tie, bool) for tie in said):
        expected = f"{len(projected)} times true or false, one for each cluster"
        problems.add("tie_projs is no list of true and false", got=quoted(said), expected=expected, remedy=_PUBLISHED)
        return tuple(by_flag)
    if len(projected) == 1:
        return (projected[0],)
    ties = tuple(tie and there for tie, there in zip(said, projected, strict=True))
    flagged = tuple(tie and there for tie, there in zip(by_flag, projected, strict=True))
    if "proj_share_all_but_first" in raw and "model_type" not in raw and ties != flagged:
        what = "proj_share_all_but_first contradicts tie_projs, which was given or read off the tensors"
        problems.add(what, got=quoted(list(ties)), expected=quoted(list(flagged)), remedy="leave one of them out")
    return ties


def unread_keys(raw: Mapping[str, Any]) -> list[str]:
    """Flags that the original never reads when it evaluates: without effect on what it computes.

    `tie_weight` is among them when it is false: the original defines the flag and always ties.
    """
    unread = set(raw) - _READ - _HF_ONLY - set(RATES)
    return sorted(unread | ({"tie_weight"} if raw.get("tie_weight") is False else set()))
