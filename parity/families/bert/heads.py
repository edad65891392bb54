"""The heads of a BERT checkpoint, told by the variables it holds, and the taps each one shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from parity.families.values import Config, Head, Tap

# Variables that a head's original graph adds to the encoder's.
MARKS: dict[str, frozenset[str]] = {
    "mlm": frozenset(
        {
            "cls/predictions/transform/dense/kernel",
            "cls/predictions/transform/dense/bias",
            "cls/predictions/transform/LayerNorm/gamma",
            "cls/predictions/transform/LayerNorm/beta",
            "cls/predictions/output_bias",
        }
    ),
    "nsp": frozenset({"cls/seq_relationship/output_weights", "cls/seq_relationship/output_bias"}),
    "classifier": frozenset({"output_weights", "output_bias"}),
    "qa": frozenset({"cls/squad/output_weights", "cls/squad/output_bias"}),
}
# Most specific first; `parts` are the marks it needs.
_HEADS: tuple[tuple[Head, tuple[str, ...]], ...] = (
    (Head("pretraining", "BertForPreTraining", ("logits.mlm", "logits.nsp")), ("mlm", "nsp")),
    (Head("classifier", "BertForSequenceClassification", ("logits.classifier",)), ("classifier",)),
    (Head("qa", "BertForQuestionAnswering", ("logits.qa",)), ("qa",)),
    (Head("mlm", "BertForMaskedLM", ("logits.mlm",)), ("mlm",)),
    (Head("nsp", "BertForNextSentencePrediction", ("logits.nsp",)), ("nsp",)),
    (Head("none", "BertModel", ()), ()),
)
ALL_HEADS = tuple(head for head, _ in _HEADS)
_AXES = {"logits.mlm": "BQC", "logits.nsp": "BC", "logits.classifier": "BC", "logits.qa": "BTC"}


def recognises(names: Collection[str]) -> bool:
    """BERT's encoder variables are there under their published scope."""
    return any(name.startswith("bert/embeddings/") for name in names) and any(
        name.startswith("bert/encoder/layer_") for name in names
    )


def parts(head: Head) -> tuple[str, ...]:
    """The marks that a head consists of."""
    return next(marks for candidate, marks in _HEADS if candidate.name == head.name)


def heads(names: Collection[str]) -> tuple[Head, ...]:
    """Heads this checkpoint can be converted to; the first leaves the fewest head variables behind.

    A head counts as held when any of its variables is there: a half-written head must be refused, not overlooked.
    """
    present = {mark for mark, variables in MARKS.items() if variables & set(names)}
    return tuple(head for head, marks in _HEADS if set(marks) <= present)


def has_labels(head: Head) -> bool:
    """Only run_classifier's head has as many outputs as its task has classes."""
    return "classifier" in parts(head)


def labels(head: Head, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Rows of the root-level `output_weights`; 2 for heads whose size is fixed."""
    return shapes["output_weights"][0] if has_labels(head) and shapes["output_weights"] else 2


_FINE = {
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


def fine_taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Values inside each layer, and the masked language model's transform."""
    inner = (Tap(f"layer.{i}.{name}", axes, "fine") for i in range(config.layers) for name, axes in _FINE.items())
    return (*inner, *((Tap("mlm.transform", "BQC", "fine"),) if "mlm" in parts(head) else ()))


def taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Stations in the order data flows: embeddings, layers, pooler, the head's logits."""
    layers = (Tap(f"layer.{i}", "BTC", "hidden") for i in range(config.layers))
    logits = (Tap(name, _AXES[name], "head") for name in head.taps)
    return (Tap("embeddings", "BTC", "hidden"), *layers, Tap("pooler", "BC", "head"), *logits)
