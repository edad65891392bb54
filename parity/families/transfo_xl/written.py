"""The same numbers as Hugging Face's config.json, and as the flags of the original again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.families.transfo_xl.config import RATES, SIZES
from parity.families.transfo_xl.numbers import EPSILON, TransfoXLConfig, numbers
from parity.families.values import Config, Head


def target_config(config: Config, head: Head, *, labels: int, special: Mapping[str, int]) -> dict[str, Any]:
    """The config.json of the old Hugging Face class; `parity.torch` reads `proj_same_dim` beside its keys.

    Args:
        config: the numbers.
        head: decides `architectures`.
        labels: always 0 here.
        special: ids of the special tokens by name, such as `{"<eos>": 0}`.
    """
    given = numbers(config)
    written = {
        **{key: config.raw.get(key, usual) for key, usual in RATES.items()},
        **{key: getattr(given, field) for key, field in SIZES.items() if key != "n_token"},
        "adaptive": bool(given.cutoffs),
        "architectures": [head.target_class],
        "attn_type": 0,
        "clamp_len": given.clamp_len,
        "cutoffs": list(given.cutoffs),
        "div_val": given.div_val,
        "eos_token_id": special.get("<eos>"),
        "layer_norm_epsilon": given.epsilon,
        "mem_len": given.mem_len,
        "model_type": "transfo-xl",
        "pre_lnorm": False,
        "proj_same_dim": given.proj_same_dim,
        "proj_share_all_but_first": any(given.tie_projs[1:]),
        "same_length": given.same_length,
        "sample_softmax": -1,
        "tgt_len": given.positions,
        "tie_projs": list(given.tie_projs),
        "tie_weight": True,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "untie_r": given.untie_r,
        "vocab_size": given.vocab_size,
    }
    return dict(sorted(written.items()))


def source_config(config: Config) -> dict[str, Any]:
    """model_flags.json for these numbers, under the names of the original's flags.

    `tie_projs` is no flag but an argument of the model; where a flag says the same, it is there, too.
    """
    given = numbers(config)
    written = {
        **{key: config.raw[key] for key in RATES if key in config.raw},
        **{key: getattr(given, field) for key, field in SIZES.items()},
        "clamp_len": given.clamp_len,
        "cutoffs": list(given.cutoffs),
        "div_val": given.div_val,
        "mem_len": given.mem_len,
        "proj_same_dim": given.proj_same_dim,
        "same_length": given.same_length,
        "tgt_len": given.positions,
        "tie_projs": list(given.tie_projs),
        "untie_r": given.untie_r,
        **({"layer_norm_epsilon": given.epsilon} if given.epsilon != EPSILON else {}),
        **_share(given),
    }
    return dict(sorted(written.items()))


def _share(config: TransfoXLConfig) -> dict[str, bool]:
    clusters = range(len(config.clusters))
    share = any(config.tie_projs[1:])
    flagged = tuple(k > 0 and share and config.embedding_projected(k) for k in clusters)
    return {"proj_share_all_but_first": share} if flagged == config.tie_projs or not config.cutoffs else {}


def notes(config: Config, head: Head) -> tuple[str, ...]:
    """What a proof says besides: where the class that transformers had would compute something else."""
    given = numbers(config)
    said = [
        f"layer_norm_epsilon {given.epsilon:g} is written out: transformers assumed 1e-5, the original's is 1e-12",
        "loaded by parity.torch: transformers removed Transformer-XL in 5.0, and its last version cannot run",
    ]
    if given.same_length:
        said.append("same_length masks as the original does; transformers let every position see one token more")
    if config.raw.get("tie_weight") is False:
        said.append("tie_weight false is without effect: the original never reads it and always ties")
    return tuple(said)
