"""The heads of a BERT checkpoint, told by the variables it holds, and the taps each one shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from parity.families.bert.config import has_pooler
from parity.families.values import Config, Head, Tap

# run_classifier keeps its output layer under no scope, and so do the scripts that were made from it for other tasks:
# which of the three heads it is, the variables do not tell.
_ROOT = frozenset({"output_weights", "output_bias"})
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
    "classifier": _ROOT,
    "token-classifier": _ROOT,
    "multiple-choice": _ROOT,
    "qa": frozenset({"cls/squad/output_weights", "cls/squad/output_bias"}),
}
# Most specific first; `parts` are the marks it needs. Of heads that need the same, the first is what Google's scripts
# make, and the others are taken only when asked for.
_HEADS: tuple[tuple[Head, tuple[str, ...]], ...] = (
    (Head("pretraining", "BertForPreTraining", ("logits.mlm", "logits.nsp")), ("mlm", "nsp")),
    (Head("classifier", "BertForSequenceClassification", ("logits.classifier",)), ("classifier",)),
    (Head("token-classifier", "BertForTokenClassification", ("logits.tokens",)), ("token-classifier",)),
    (Head("multiple-choice", "BertForMultipleChoice", ("logits.classifier",)), ("multiple-choice",)),
    (Head("qa", "BertForQuestionAnswering", ("logits.qa",)), ("qa",)),
    (Head("mlm", "BertForMaskedLM", ("logits.mlm",)), ("mlm",)),
    (Head("lm", "BertLMHeadModel", ("logits.mlm",)), ("mlm",)),
    (Head("nsp", "BertForNextSentencePrediction", ("logits.nsp",)), ("nsp",)),
    (Head("none", "BertModel", ()), ()),
)
ALL_HEADS = tuple(head for head, _ in _HEADS)
_AXES = {
    "logits.mlm": "BQC",
    "logits.nsp": "BC",
    "logits.classifier": "BC",
    "logits.tokens": "BTC",
    "logits.qa": "BTC",
}


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
    """Classifiers have as many outputs as their task has classes; multiple choice scores one row at a time."""
    return parts(head) in (("classifier",), ("token-classifier",))


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
    pooler = (Tap("pooler", "BC", "head"),) if pooled(config, head) else ()
    return (Tap("embeddings", "BTC", "hidden"), *layers, *pooler, *logits)


def pooled(config: Config, head: Head) -> bool:
    """Is there a pooler to look at? A head that does without may come without."""
    return has_pooler(config) or not poolerless(head)


def poolerless(head: Head) -> bool:
    """Does the head's class in transformers have no pooler?"""
    return parts(head) in (("qa",), ("mlm",), ("token-classifier",))
