"""GPT's numbers: read off the tensors, said by train.py's own options, or by a Hugging Face config.json.

The original keeps no config file: its numbers are options of train.py, and their defaults. A JSON object with those
options' names is read here (`--config`), or a `--set` for each; shapes tell all but the number of heads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import Problems
from parity.families.reading import quoted
from parity.families.values import Config, Head

EPSILON = 1e-5
"""Fixed in the original's `_norm`."""
WIDER = 4
"""The inner layer is this many times as wide as the hidden one: fixed in the original's `block`."""
SPECIAL = ("_start_", "_delimiter_", "_classify_")
"""What train.py adds to the vocabulary, in this order."""
PUBLISHED_WIDTH, PUBLISHED_HEADS = 768, 12

# House name: the keys that say it, transformers' own first, then the original's.
SIZES = {
    "vocab_size": ("vocab_size", "n_vocab"),
    "positions": ("n_positions", "n_ctx"),
    "hidden_size": ("n_embd",),
    "layers": ("n_layer",),
    "heads": ("n_head",),
}
KEYS = {field: keys[-1] for field, keys in SIZES.items()}
# In transformers, too, "gelu" is the tanh formula for this architecture alone (its table ACT_FNS).
_ACTIVATIONS = {"gelu": "gelu_tanh", "gelu_new": "gelu_tanh", "relu": "relu", "swish": "swish", "silu": "swish"}
RATES = {"attn_pdrop": 0.1, "embd_pdrop": 0.1, "resid_pdrop": 0.1}
_GIVE = "give it with --set {key}=N, or in a JSON file with --config"
_LAYER = re.compile(r"model/h(\d+)/")


@dataclass(frozen=True)
class GptConfig(Config):
    """The house's numbers, and two of this architecture."""

    special: int = 0
    """How many of the last rows among `vocab_size` are special tokens that training added."""
    rows: int | None = None
    """Rows of the one table `model/we` = [tokens; special tokens; positions]; None where tokens and positions have
    tables of their own, as published."""

    @property
    def classify(self) -> int | None:
        """Id of `_classify_`, at whose place the classifier reads; None where there are no special tokens."""
        return self.vocab_size - 1 if self.special else None


def read_config(raw: Mapping[str, Any], *, where: Path, activation: str | None = None) -> GptConfig:
    """Check train.py's options, or the config.json of an OpenAI GPT in transformers.

    Args:
        raw: the parsed JSON, with what shapes tell (`infer`) where it says nothing. `n_rows` are those of `model/we`;
            of `n_vocab` and `n_ctx` one is then enough.
        where: the file, for messages.
        activation: `tanh`, the only GELU this architecture has; None says the same.

    Raises:
        ParityError: numbers missing, of the wrong type, or describing another computation; all problems at once.
    """
    problems = Problems("the numbers of this GPT are not all known", where=where)
    special = _special(raw, problems)
    rows = raw.get("n_rows")
    filled = {**raw, **_rest_of_rows(raw, special, problems)} if rows is not None else dict(raw)
    sizes: dict[str, int] = {}
    for field, keys in SIZES.items():
        key = next((key for key in keys if key in filled), keys[-1])
        if _is_size(filled.get(key)):
            sizes[field] = filled[key]
        elif key in filled:
            problems.add(f"{key} is not a positive whole number", got=quoted(filled[key]), remedy=_GIVE.format(key=key))
        elif field == "heads" and sizes.get("hidden_size") == PUBLISHED_WIDTH:
            sizes[field] = PUBLISHED_HEADS
        elif rows is None or field not in ("vocab_size", "positions"):
            why = ", which no tensor tells" if field == "heads" else ""
            problems.add(f"{key} is missing{why}", remedy=_GIVE.format(key=key))
    if {"hidden_size", "heads"} <= sizes.keys() and sizes["hidden_size"] % sizes["heads"]:
        got = f"{sizes['hidden_size']} and {sizes['heads']}"
        problems.add("n_embd is no multiple of n_head", got=got, remedy=_GIVE.format(key="n_head"))
    epsilon = raw.get("layer_norm_epsilon", EPSILON)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        problems.add("layer_norm_epsilon is not a number between 0 and 1", got=quoted(epsilon), remedy="leave it out")
    computed = _activation(raw.get("afn", "gelu"), activation, problems)
    problems.raise_if_any()
    return GptConfig(
        **sizes,
        intermediate_size=WIDER * sizes["hidden_size"],
        token_types=0,
        activation=computed,
        epsilon=float(epsilon),
        raw=dict(raw),
        special=special,
        rows=rows,
    )


def _special(raw: Mapping[str, Any], problems: Problems) -> int:
    usual = len(SPECIAL) if "n_rows" in raw else 0
    special = raw.get("n_special", usual)
    if type(special) is not int or special not in (0, len(SPECIAL)):
        expected = f"0, or {len(SPECIAL)} ({', '.join(SPECIAL)})"
        problems.add(
            "n_special is none that train.py makes",
            got=quoted(special),
            expected=expected,
            remedy=_GIVE.format(key="n_special"),
        )
        return usual
    return special


def _rest_of_rows(raw: Mapping[str, Any], special: int, problems: Problems) -> dict[str, Any]:
    """Tokens and positions of the one table, from either of them; `n_vocab` is the number of the encoder's entries."""
    rows = raw["n_rows"]
    positions = next((raw[key] for key in ("n_positions", "n_ctx") if key in raw), None)
    tokens = raw.get("vocab_size", raw["n_vocab"] + special if _is_size(raw.get("n_vocab")) else None)
    if not _is_size(rows) or not (_is_size(tokens) or _is_size(positions)):
        remedy = "give one of them: --set n_vocab=N (entries of the encoder's file) or --set n_ctx=N"
        problems.add(
            "how many rows of model/we are tokens and how many positions, no tensor tells",
            got=quoted(rows),
            remedy=remedy,
        )
        return {}
    tokens = rows - positions if tokens is None else tokens
    positions = rows - tokens if positions is None else positions
    if tokens <= special or positions < 1 or tokens + positions != rows:
        got = f"{tokens - special} tokens, {special} special tokens and {positions} positions"
        remedy = "n_ctx is what training computed from its texts, at most the option: leave it out, and give n_vocab"
        problems.add("model/we has another number of rows", got=got, expected=f"{rows} in all", remedy=remedy)
    return {"vocab_size": tokens, "n_positions": positions}


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31


def _activation(name: object, activation: str | None, problems: Problems) -> str:
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        expected = f"one of {', '.join(_ACTIVATIONS)}"
        problems.add("unknown afn", got=quoted(name), expected=expected, remedy=_GIVE.format(key="afn"))
        return "gelu_tanh"
    if activation is not None and _ACTIVATIONS[name] != f"gelu_{activation}":
        got = f"{name}, which is {_ACTIVATIONS[name].replace('_', ' by ')}"
        problems.add(f"--activation {activation} contradicts GPT's", got=got, remedy="leave it out")
    return _ACTIVATIONS[name]


# Which axis of which variable each size is read off.
_FIT = (
    ("vocab_size", "tokens", 0),
    ("positions", "positions", 0),
    ("hidden_size", "tokens", 1),
    ("hidden_size", "model/we", 1),
    ("intermediate_size", "model/h0/mlp/c_fc/w", 2),
)


def layers(names: Collection[str]) -> int:
    """Number of blocks that these variable names speak of."""
    return max((int(match[1]) for match in map(_LAYER.match, names) if match), default=-1) + 1


def misfits(config: Config, shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, int, int, str]]:
    """Sizes that the config gives and the tensors contradict: (config key, config's, tensors', variable).

    Blocks that the checkpoint has and the config does not count as a contradiction: they would be dropped silently.
    """
    found = [
        (KEYS.get(field, field), getattr(config, field), shapes[name][axis], name)
        for field, name, axis in _FIT
        if len(shapes.get(name, ())) > axis and shapes[name][axis] != getattr(config, field)
    ]
    held = layers(shapes)
    if held != config.layers:
        found.append(("n_layer", config.layers, held, "model/h*"))
    return found


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """What tensors tell: all sizes but `n_head`; of the one table after training only the sum of its rows."""
    found: dict[str, Any] = {
        KEYS[field]: shapes[name][axis]
        for field, name, axis in _FIT
        if field in KEYS and len(shapes.get(name, ())) > axis
    }
    if shapes.get("model/we"):
        found["n_rows"] = shapes["model/we"][0]
    return found | ({"n_layer": layers(shapes)} if layers(shapes) else {})


def unread_keys(raw: Mapping[str, Any]) -> list[str]:
    """Keys that say nothing of what is computed; transformers' own config says many things more."""
    if "model_type" in raw:
        return []
    read = {key for keys in SIZES.values() for key in keys}
    return sorted(set(raw) - read - set(RATES) - {"afn", "clf_pdrop", "layer_norm_epsilon", "n_rows", "n_special"})


def notes(config: Config, head: Head) -> tuple[str, ...]:
    """What was taken as published, and where the target's spelling differs."""
    said = ['afn "gelu" is the tanh formula in the original and in transformers\' OpenAI GPT alike']
    if "n_head" not in config.raw:
        said.append(f"n_head taken as {config.heads}, as published for n_embd {config.hidden_size}; --set n_head=N")
    if isinstance(config, GptConfig) and config.rows is not None:
        tokens = config.vocab_size - config.special
        said.append(f"model/we = {tokens} tokens, {config.special} special tokens, {config.positions} positions")
    return tuple(said)
