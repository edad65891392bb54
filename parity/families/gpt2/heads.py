"""GPT-2's one head, which has no variables of its own, and the taps it shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from parity.families.values import Config, Feeds, Head, Tap

LM = Head("lm", "GPT2LMHeadModel", ("logits.lm",))
NONE = Head("none", "GPT2Model", ())
ALL_HEADS = (LM, NONE)

_FINE = {
    "attention.norm": "BTC",
    "attention.projection": "BTC",
    "attention.query": "BTC",
    "attention.key": "BTC",
    "attention.value": "BTC",
    "attention.scores": "BHTC",
    "attention.probs": "BHTC",
    "attention.context": "BTC",
    "attention.output": "BTC",
    "attention.residual": "BTC",
    "norm": "BTC",
    "intermediate": "BTC",
    "output": "BTC",
}
PAST = ("key", "value")


def _empty(config: Config, rows: int, length: int) -> tuple[int, ...]:
    return rows, config.heads, length, config.hidden_size // config.heads


FEEDS = Feeds(masked=False, states=tuple(f"past.{{k}}.{part}" for part in PAST), empty=_empty)
"""No mask: causal attention never looks at what follows. Keys and values of what came before may be fed."""


def recognises(names: Collection[str]) -> bool:
    """GPT-2's tables are there under their published names, and blocks; GPT has one table for tokens and positions."""
    return {"model/wte", "model/wpe"} <= set(names) and any(name.startswith("model/h0/") for name in names)


def heads(names: Collection[str]) -> tuple[Head, ...]:
    """Both: the language model's logits are the final states against the table of tokens, which is always there."""
    return ALL_HEADS


def has_labels(head: Head) -> bool:
    """No head has classes."""
    return False


def labels(head: Head, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """2, as for every head whose size is fixed."""
    return 2


def unused_by_class(head: Head) -> frozenset[str]:
    """Nothing: both classes have every tensor."""
    return frozenset()


def taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Stations in the order data flows: embeddings, blocks, the final norm, keys and values, the head's logits."""
    layers = (Tap(f"layer.{i}", "BTC", "hidden") for i in range(config.layers))
    past = (Tap(f"past.{i}.{part}", "BHTC", "head") for i in range(config.layers) for part in PAST)
    logits = (Tap(name, "BQC", "head") for name in head.taps)
    return (Tap("embeddings", "BTC", "hidden"), *layers, Tap("final_norm", "BTC", "hidden"), *past, *logits)


def fine_taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Values inside each block, and what the vocabulary is multiplied with."""
    inner = (Tap(f"layer.{i}.{name}", axes, "fine") for i in range(config.layers) for name, axes in _FINE.items())
    return (*inner, *((Tap("lm.input", "BQC", "fine"),) if head.taps else ()))
