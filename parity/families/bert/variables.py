"""The variables of BERT's original graph, written from its modeling code, not from the weight table."""

from __future__ import annotations

from parity.families.bert.heads import parts, pooled
from parity.families.values import Config, Head, Variable


def variables(config: Config, head: Head, *, labels: int = 2) -> tuple[Variable, ...]:
    """Every trainable variable, in the order the original creates them.

    Args:
        config: the sizes.
        head: which head's graph.
        labels: rows of the classifier's `output_weights`.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    found = [
        Variable("bert/embeddings/word_embeddings", (config.vocab_size, hidden), "embedding"),
        Variable("bert/embeddings/token_type_embeddings", (config.token_types, hidden), "embedding"),
        Variable("bert/embeddings/position_embeddings", (config.positions, hidden), "embedding"),
        *_norm("bert/embeddings", hidden),
    ]
    for i in range(config.layers):
        layer = f"bert/encoder/layer_{i}"
        for part in ("query", "key", "value"):
            found += _dense(f"{layer}/attention/self/{part}", hidden, hidden)
        found += _dense(f"{layer}/attention/output/dense", hidden, hidden)
        found += _norm(f"{layer}/attention/output", hidden)
        found += _dense(f"{layer}/intermediate/dense", hidden, inner)
        found += _dense(f"{layer}/output/dense", inner, hidden)
        found += _norm(f"{layer}/output", hidden)
    if pooled(config, head):
        found += _dense("bert/pooler/dense", hidden, hidden)
    per_part = {
        "mlm": [
            *_dense("cls/predictions/transform/dense", hidden, hidden),
            *_norm("cls/predictions/transform", hidden),
            Variable("cls/predictions/output_bias", (config.vocab_size,), "bias"),
        ],
        "nsp": _output("cls/seq_relationship/", 2, hidden),
        "classifier": _output("", labels, hidden),
        "token-classifier": _output("", labels, hidden),
        "multiple-choice": _output("", 1, hidden),
        "qa": _output("cls/squad/", 2, hidden),
    }
    return (*found, *(variable for part in parts(head) for variable in per_part[part]))


def _dense(scope: str, inputs: int, outputs: int) -> list[Variable]:
    return [Variable(f"{scope}/kernel", (inputs, outputs), "kernel"), Variable(f"{scope}/bias", (outputs,), "bias")]


def _norm(scope: str, size: int) -> list[Variable]:
    return [
        Variable(f"{scope}/LayerNorm/gamma", (size,), "gamma"),
        Variable(f"{scope}/LayerNorm/beta", (size,), "beta"),
    ]


def _output(scope: str, rows: int, size: int) -> list[Variable]:
    return [
        Variable(f"{scope}output_weights", (rows, size), "kernel"),
        Variable(f"{scope}output_bias", (rows,), "bias"),
    ]
