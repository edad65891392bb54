"""The variables of GPT's original graph, written from its modeling code, not from the weight table."""

from __future__ import annotations

from parity.families.openai_gpt.config import GptConfig
from parity.families.openai_gpt.heads import CHOICE
from parity.families.values import Config, Head, Variable


def variables(config: Config, head: Head, *, labels: int = 1) -> tuple[Variable, ...]:
    """Every trainable variable, in the order of the published files, or after training of the graph.

    Args:
        config: the sizes.
        head: which head's graph.
        labels: without effect: the classifier scores one row at a time.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    rows = config.rows if isinstance(config, GptConfig) else None
    found = [
        Variable("positions", (config.positions, hidden), "embedding"),
        Variable("tokens", (config.vocab_size, hidden), "embedding"),
    ]
    if rows is not None:
        found = [Variable("model/we", (rows, hidden), "embedding")]
    for i in range(config.layers):
        block = f"model/h{i}"
        found += _conv(f"{block}/attn/c_attn", hidden, 3 * hidden)
        found += _conv(f"{block}/attn/c_proj", hidden, hidden)
        found += _norm(f"{block}/ln_1", hidden)
        found += _conv(f"{block}/mlp/c_fc", hidden, inner)
        found += _conv(f"{block}/mlp/c_proj", inner, hidden)
        found += _norm(f"{block}/ln_2", hidden)
    if head == CHOICE:
        found += [Variable("model/clf/w", (hidden, 1), "kernel"), Variable("model/clf/b", (1,), "bias")]
    return tuple(found)


def _conv(scope: str, inputs: int, outputs: int) -> list[Variable]:
    return [Variable(f"{scope}/w", (1, inputs, outputs), "kernel"), Variable(f"{scope}/b", (outputs,), "bias")]


def _norm(scope: str, size: int) -> list[Variable]:
    return [Variable(f"{scope}/g", (size,), "gamma"), Variable(f"{scope}/b", (size,), "beta")]
