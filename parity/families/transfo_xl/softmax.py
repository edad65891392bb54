"""The original's adaptive softmax over the whole vocabulary, op for op: mask_adaptive_logsoftmax of tf/model.py.

The original computes the log-probability of one target at a time; asked for every target, it gives what stands here,
in the order of the vocabulary. The first cluster's softmax has one entry for each further cluster; a word of cluster k
has the log-probability of that entry plus its own within the cluster.

Shapes: B rows, Q positions, V words.
"""

from __future__ import annotations

from collections.abc import Callable

from parity.families.transfo_xl.heads import EMBEDDING, SOFTMAX
from parity.families.transfo_xl.numbers import TransfoXLConfig
from parity.ops import Ops, Stage, Tensor

_POSITIONS = "inputs/logit_positions"
_Function = Callable[[Ops, Tensor], Tensor]


def softmax(config: TransfoXLConfig, before: str) -> list[Stage]:
    """Stages from the last layer `before` to `log_probs` [B,Q,V]."""
    found = [Stage("lm.input", (before, _POSITIONS), lambda ops, x, at: ops.take_positions(x, at))]
    for k in range(len(config.clusters)):
        found.append(Stage(f"log_probs.{k}.input", ("lm.input",), _projected(config, k)))
        found.append(Stage(f"log_probs.{k}.logits", (f"log_probs.{k}.input",), _logits(config, k)))
    needs = tuple(f"log_probs.{k}.logits" for k in range(len(config.clusters)))
    return [*found, Stage("log_probs", needs, lambda ops, *logits: _join(ops, config, logits))]


def _projected(config: TransfoXLConfig, k: int) -> _Function:
    """From d_model to the cluster's own width, by the embedding's matrix or its own, read backwards."""
    kind = config.softmax_projection(k)
    cluster = "" if config.div_val == 1 else f"cutoff_{k}/"
    name = {"tied": f"{EMBEDDING}{cluster}proj_W", "own": f"{SOFTMAX}cutoff_{k}/proj"}.get(kind)
    return lambda ops, x: x if name is None else ops.matmul(x, ops.weight(name), transpose_b=True)


def _logits(config: TransfoXLConfig, k: int) -> _Function:
    first, end = config.clusters[k]

    def logits(ops: Ops, x: Tensor) -> Tensor:
        if config.div_val == 1:
            table = ops.weight(f"{EMBEDDING}lookup_table")
            table = ops.slice(table, first, end, axis=0) if config.cutoffs else table
        else:
            table = ops.weight(f"{EMBEDDING}cutoff_{k}/lookup_table")
        bias = f"{SOFTMAX}cutoff_{k}/b" if config.cutoffs else f"{SOFTMAX}bias"
        words = ops.add(ops.matmul(x, table, transpose_b=True), ops.weight(bias))
        if k or not config.cutoffs:
            return words
        # The original appends these rows to the table: the same products, one behind the other.
        scope = f"{SOFTMAX}cutoff_0/cluster_"
        tails = ops.add(ops.matmul(x, ops.weight(f"{scope}W"), transpose_b=True), ops.weight(f"{scope}b"))
        return ops.concat([words, tails], axis=-1)

    return logits


def _join(ops: Ops, config: TransfoXLConfig, logits: tuple[Tensor, ...]) -> Tensor:
    head = ops.log_softmax(logits[0])
    words = config.clusters[0][1]
    parts = [ops.slice(head, 0, words, axis=-1)]
    for k in range(1, len(logits)):
        entry = ops.slice(head, words + k - 1, words + k, axis=-1)
        parts.append(ops.add(entry, ops.log_softmax(logits[k])))
    return parts[0] if len(parts) == 1 else ops.concat(parts, axis=-1)
