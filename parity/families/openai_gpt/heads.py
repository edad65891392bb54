"""GPT's heads, told by the variables of a checkpoint, and the taps each one shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from parity.families.values import Config, Feeds, Head, Tap

LM = Head("lm", "OpenAIGPTLMHeadModel", ("logits.lm",))
CHOICE = Head("multiple-choice", "OpenAIGPTDoubleHeadsModel", ("logits.lm", "logits.classifier"))
NONE = Head("none", "OpenAIGPTModel", ())
ALL_HEADS = (LM, CHOICE, NONE)
CLASSIFIER = frozenset({"model/clf/w", "model/clf/b"})
FEEDS = Feeds(masked=False)
"""No mask: causal attention never looks at what follows."""

_AXES = {"logits.lm": "BQC", "logits.classifier": "BC"}
_FINE = {
    "attention.projection": "BTC",
    "attention.query": "BTC",
    "attention.key": "BTC",
    "attention.value": "BTC",
    "attention.scores": "BHTC",
    "attention.probs": "BHTC",
    "attention.context": "BTC",
    "attention.output": "BTC",
    "attention.norm": "BTC",
    "intermediate": "BTC",
    "output": "BTC",
}
_INPUTS = {"logits.lm": Tap("lm.input", "BQC", "fine"), "logits.classifier": Tap("classifier.input", "BC", "fine")}


def recognises(names: Collection[str]) -> bool:
    """Tokens and positions in tables without a scope, as published, or in one table after training."""
    tables = {"positions", "tokens"} <= set(names) or "model/we" in names
    return tables and "model/h0/attn/c_attn/w" in names


def heads(names: Collection[str]) -> tuple[Head, ...]:
    """The classifier's first where it has its variables: half of them must be refused, not overlooked."""
    return (CHOICE, LM, NONE) if CLASSIFIER & set(names) else (LM, NONE)


def has_labels(head: Head) -> bool:
    """No head has classes: multiple choice scores one row at a time."""
    return False


def labels(head: Head, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """1 for multiple choice, else 2, as for every head whose size is fixed."""
    return 1 if head == CHOICE else 2


def unused_by_class(head: Head) -> frozenset[str]:
    """Nothing: every class has every tensor that is written for it."""
    return frozenset()


def taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Stations in the order data flows: embeddings, blocks, the head's logits."""
    layers = (Tap(f"layer.{i}", "BTC", "hidden") for i in range(config.layers))
    logits = (Tap(name, _AXES[name], "head") for name in head.taps)
    return (Tap("embeddings", "BTC", "hidden"), *layers, *logits)


def fine_taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Values inside each block, and what the heads' matrices are multiplied with."""
    inner = (Tap(f"layer.{i}.{name}", axes, "fine") for i in range(config.layers) for name, axes in _FINE.items())
    return (*inner, *(_INPUTS[name] for name in head.taps))
