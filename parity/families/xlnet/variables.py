"""The variables of XLNet's original graph, written from its modeling code, not from the weight table."""

from __future__ import annotations

from parity.families.values import Config, Head, Role, Variable
from parity.families.xlnet.heads import has_summary
from parity.families.xlnet.names import task
from parity.families.xlnet.numbers import numbers


def variables(config: Config, head: Head, *, labels: int = 2) -> tuple[Variable, ...]:
    """Every trainable variable, in the order the original creates them.

    Args:
        config: the sizes.
        head: which head's graph. Only pre-training has the second stream, hence `mask_emb`.
        labels: outputs of the classifier.
    """
    hidden, inner, count = config.hidden_size, config.intermediate_size, config.heads
    size = hidden // count
    shared = ((config.layers,) if numbers(config).untied else ()) + (count, size)
    scope, kind = "model/transformer", task(head.name).kind
    found = [Variable(f"{scope}/{name}", shared, "bias") for name in ("r_w_bias", "r_r_bias")]
    found.append(Variable(f"{scope}/word_embedding/lookup_table", (config.vocab_size, hidden), "embedding"))
    if kind == "lm":
        found.append(Variable(f"{scope}/mask_emb/mask_emb", (1, 1, hidden), "embedding"))
    found.append(Variable(f"{scope}/r_s_bias", shared, "bias"))
    found.append(Variable(f"{scope}/seg_embed", (config.layers, 2, count, size), "embedding"))
    for i in range(config.layers):
        layer = f"{scope}/layer_{i}"
        found += [Variable(f"{layer}/rel_attn/{part}/kernel", (hidden, count, size), "kernel") for part in "qkvro"]
        found += _norm(f"{layer}/rel_attn", hidden)
        found += [*_dense(f"{layer}/ff/layer_1", hidden, inner), *_dense(f"{layer}/ff/layer_2", inner, hidden)]
        found += _norm(f"{layer}/ff", hidden)
    if has_summary(config, head):
        found += _dense("model/sequnece_summary/summary", hidden, hidden)
    return (*found, *_head(config, head, labels))


def _head(config: Config, head: Head, labels: int) -> list[Variable]:
    hidden, scope = config.hidden_size, task(head.name).scope
    answer = f"{scope}answer_class"
    found = {
        "lm": [Variable("model/lm_loss/bias", (config.vocab_size,), "bias")],
        "none": [],
        "classifier": _dense(scope.removesuffix("/"), hidden, labels),
        "regression": _dense(scope.removesuffix("/"), hidden, 1),
        "multiple-choice": _dense(f"{scope}dense", hidden, 1),
        "qa": [
            *_dense(f"{scope}start_logits/dense", hidden, 1),
            *_dense(f"{scope}end_logits/dense_0", 2 * hidden, hidden),
            *_norm(f"{scope}end_logits", hidden),
            *_dense(f"{scope}end_logits/dense_1", hidden, 1),
            *_dense(f"{answer}/dense_0", 2 * hidden, hidden),
            *_dense(f"{answer}/dense_1", hidden, 1)[:1],
        ],
    }
    return found[task(head.name).kind]


def _dense(scope: str, inputs: int, outputs: int) -> list[Variable]:
    roles: tuple[tuple[str, tuple[int, ...], Role], ...] = (
        ("kernel", (inputs, outputs), "kernel"),
        ("bias", (outputs,), "bias"),
    )
    return [Variable(f"{scope}/{name}", shape, role) for name, shape, role in roles]


def _norm(scope: str, size: int) -> list[Variable]:
    return [
        Variable(f"{scope}/LayerNorm/beta", (size,), "beta"),
        Variable(f"{scope}/LayerNorm/gamma", (size,), "gamma"),
    ]
