"""The heads of a Transformer-XL checkpoint, and the taps each one shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from parity.families.transfo_xl.numbers import numbers
from parity.families.values import Config, Feeds, Head, Tap

EMBEDDING, SOFTMAX = "transformer/adaptive_embed/", "transformer/adaptive_softmax/"
LM = Head("lm", "TransfoXLLMHeadModel", ("log_probs",))
NONE = Head("none", "TransfoXLModel", ())
ALL_HEADS = (LM, NONE)
FEEDS = Feeds(
    masked=False,
    states=("mems.{k}",),
    empty=lambda config, rows, length: (rows, length, config.hidden_size),
    zeros_first=True,
)
_FINE = {
    "attention.query": "BTC",
    "attention.scores": "BHTC",
    "attention.probs": "BHTC",
    "attention.context": "BTC",
    "attention.output": "BTC",
    "attention.norm": "BTC",
    "intermediate": "BTC",
    "output": "BTC",
}


def recognises(names: Collection[str]) -> bool:
    """The embedding and a layer of relative attention are there under their published scopes."""
    return any(name.startswith(EMBEDDING) for name in names) and any(
        name.startswith("transformer/layer_") and "/rel_attn/" in name for name in names
    )


def heads(names: Collection[str]) -> tuple[Head, ...]:
    """With any variable of the softmax it is a language model: a half-written softmax must be refused."""
    return ALL_HEADS if any(name.startswith(SOFTMAX) for name in names) else (NONE,)


def has_labels(head: Head) -> bool:
    """No head here has a free number of outputs."""
    return False


def labels(head: Head, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Never asked for more than the number that stands for a fixed size."""
    return 2


def unused_by_class(head: Head) -> frozenset[str]:
    """The classes of `parity.torch` use every tensor."""
    return frozenset()


def taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Stations in the order data flows: embeddings, layers, what each hands on to the next segment, the softmax."""
    layers = range(config.layers)
    return (
        Tap("embeddings", "BTC", "hidden"),
        *(Tap(f"layer.{i}", "BTC", "hidden") for i in layers),
        *(Tap(f"mems.{i}", "BMC", "head") for i in layers),
        *(Tap(name, "BQC", "head") for name in head.taps),
    )


def fine_taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Values inside each layer, each embedding table's part, and each cluster's part of the softmax."""
    given = numbers(config)
    tables = [Tap(f"embeddings.{k}", "BTC", "fine") for k in range(len(given.tables))]
    inner = [Tap(f"layer.{i}.{name}", axes, "fine") for i in range(config.layers) for name, axes in _FINE.items()]
    if head.name != LM.name:
        return (*tables, *inner)
    softmax = [
        Tap(f"log_probs.{k}.{part}", "BQC", "fine") for k in range(len(given.clusters)) for part in ("input", "logits")
    ]
    return (*tables, *inner, Tap("lm.input", "BQC", "fine"), *softmax)
