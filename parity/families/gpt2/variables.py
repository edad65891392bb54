"""The variables of GPT-2's original graph, written from its modeling code, not from the weight table."""

from __future__ import annotations

from parity.families.values import Config, Head, Variable


def variables(config: Config, head: Head, *, labels: int = 2) -> tuple[Variable, ...]:
    """Every trainable variable, in the order the original creates them; both heads have the same.

    Args:
        config: the sizes.
        head: which head's graph.
        labels: without effect.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    found = [
        Variable("model/wpe", (config.positions, hidden), "embedding"),
        Variable("model/wte", (config.vocab_size, hidden), "embedding"),
    ]
    for i in range(config.layers):
        block = f"model/h{i}"
        found += _norm(f"{block}/ln_1", hidden)
        found += _conv(f"{block}/attn/c_attn", hidden, 3 * hidden)
        found += _conv(f"{block}/attn/c_proj", hidden, hidden)
        found += _norm(f"{block}/ln_2", hidden)
        found += _conv(f"{block}/mlp/c_fc", hidden, inner)
        found += _conv(f"{block}/mlp/c_proj", inner, hidden)
    return (*found, *_norm("model/ln_f", hidden))


def _conv(scope: str, inputs: int, outputs: int) -> list[Variable]:
    return [Variable(f"{scope}/w", (1, inputs, outputs), "kernel"), Variable(f"{scope}/b", (outputs,), "bias")]


def _norm(scope: str, size: int) -> list[Variable]:
    return [Variable(f"{scope}/g", (size,), "gamma"), Variable(f"{scope}/b", (size,), "beta")]
