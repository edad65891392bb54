"""The heads of an XLNet checkpoint, told by the variables it holds, and the taps each one shows.

run_classifier names a task's output layer after the task: a head is called `classifier-imdb` or `regression-sts-b`, and
`classifier` or `regression` alone means the only one of its kind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from parity.families.values import Config, Head, Tap
from parity.families.xlnet.names import INNER, task, tasks
from parity.families.xlnet.numbers import numbers

SUMMARY = frozenset({"model/sequnece_summary/summary/kernel", "model/sequnece_summary/summary/bias"})
"""Misspelt in the original."""
_CLASSES = {
    "classifier": ("XLNetForSequenceClassification", ("logits.classifier",)),
    "regression": ("XLNetForSequenceClassification", ("logits.classifier",)),
    "multiple-choice": ("XLNetForMultipleChoice", ("logits.classifier",)),
    "qa": ("XLNetForQuestionAnswering", ("logits.start", "logits.end", "logits.answer")),
    "lm": ("XLNetLMHeadModel", ("logits.lm",)),
    "none": ("XLNetModel", ()),
}
_FIXED = ("multiple-choice", f"multiple-choice-{INNER}", "qa", f"qa-{INNER}", "lm", "none")
_QA = (
    *("start_logits/dense/kernel", "start_logits/dense/bias"),
    *(
        "end_logits/dense_0/kernel",
        "end_logits/dense_0/bias",
        "end_logits/LayerNorm/gamma",
        "end_logits/LayerNorm/beta",
    ),
    *("end_logits/dense_1/kernel", "end_logits/dense_1/bias"),
    *("answer_class/dense_0/kernel", "answer_class/dense_0/bias", "answer_class/dense_1/kernel"),
)
_AXES = {
    "logits.lm": "BQC",
    "logits.classifier": "BC",
    "logits.start": "BTC",
    "logits.end": "BTC",
    "logits.answer": "BC",
}


def of_task(name: str) -> Head | None:
    """The head for a task's own output layer, such as `classifier-imdb`; None if the name is of another kind."""
    kind, _, of = name.partition("-")
    return named(name) if kind in ("classifier", "regression") and of else None


def named(name: str) -> Head:
    """The head of that name, whatever its task is called."""
    target, taps = _CLASSES[task(name).kind]
    return Head(name, target, taps)


ALL_HEADS = tuple(map(named, ("classifier", "regression", *_FIXED)))


def marks(head: Head) -> frozenset[str]:
    """The variables that this head's graph has and the bare model has not, without the summary that tasks share."""
    scope = task(head.name).scope
    return frozenset(
        {
            "lm": ("model/lm_loss/bias",),
            "none": (),
            "qa": tuple(scope + name for name in _QA),
            "multiple-choice": (f"{scope}dense/kernel", f"{scope}dense/bias"),
        }.get(task(head.name).kind, (f"{scope}kernel", f"{scope}bias"))
    )


def recognises(names: Collection[str]) -> bool:
    """XLNet's variables are there under their published scope."""
    return any(name.startswith("model/transformer/word_embedding/") for name in names) and any(
        name.startswith("model/transformer/layer_") for name in names
    )


def heads(names: Collection[str]) -> tuple[Head, ...]:
    """Heads this checkpoint can be converted to, a task's first: its summary and output layer are what was trained.

    A head counts as held when any of its variables is there: a half-written head must be refused, not overlooked.
    """
    held = set(names)
    return tuple(h for h in map(named, (*tasks(names), *_FIXED)) if h.name == "none" or marks(h) & held)


def cannot_with(config: Config, head: Head) -> dict[str, str]:
    """Graphs are drawn for fixed flows of data whose rows are alike."""
    reason = ""
    if task(head.name).kind == "qa":
        reason = "exported graphs have no beam search (topk over starts), from which XLNet's answers follow"
    elif numbers(config).bi_data:
        reason = "exported graphs run every row forward, bi_data half of them backward"
    return dict.fromkeys(("openvino", "onnx"), reason) if reason else {}


def has_labels(head: Head) -> bool:
    """A classifier has as many outputs as its task has classes; regression and multiple choice have one."""
    return task(head.name).kind == "classifier"


def labels(head: Head, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Columns of the output layer's kernel; 2 for heads whose size is fixed."""
    return shapes[f"{task(head.name).scope}kernel"][-1] if has_labels(head) else 2


def has_summary(config: Config, head: Head) -> bool:
    """Is the last layer summed up by a layer of its own before the output layer?"""
    return numbers(config).summary_projected and is_summed(head)


def is_summed(head: Head) -> bool:
    """Does the head look at one position (or the mean of all) alone?"""
    return task(head.name).kind in ("classifier", "regression", "multiple-choice")


_FINE = {
    "attention.query": "BTC",
    "attention.probs": "BHTC",
    "attention.context": "BTC",
    "attention.output": "BTC",
    "attention.norm": "BTC",
    "intermediate": "BTC",
    "output": "BTC",
}


def fine_taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Values inside the content stream of each layer, and what enters the product with the vocabulary."""
    inner = (Tap(f"layer.{i}.{name}", axes, "fine") for i in range(config.layers) for name, axes in _FINE.items())
    return (*inner, *((Tap("lm.input", "BQC", "fine"),) if task(head.name).kind == "lm" else ()))


def taps(config: Config, head: Head) -> tuple[Tap, ...]:
    """Stations in the order data flows: embeddings, then each layer's memory and both streams, then the head's."""
    found = [Tap("embeddings", "BTC", "hidden")]
    for i in range(config.layers):
        if numbers(config).mem_len:
            found.append(Tap(f"mems.{i}", "BMC", "hidden"))
        found.append(Tap(f"layer.{i}", "BTC", "hidden"))
        # Fine-tuning has one stream, and its checkpoints lack what the second begins with.
        if task(head.name).kind in ("lm", "none"):
            found.append(Tap(f"query.{i}", "BQC", "hidden"))
    if is_summed(head):
        found.append(Tap("summary", "BC", "head"))
    return (*found, *(Tap(name, _AXES[name], "head") for name in head.taps))
