"""The plain forward: one walk over a reference's stages that keeps only what is still needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from parity.errors import ParityError
from parity.ops import Ops, Stage, Tensor
from parity.traces import INPUTS


def walk(stages: Sequence[Stage], ops: Ops, inputs: Mapping[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """Evaluate the stages that `wanted` depends on, in order.

    Args:
        stages: the reference; a stage only needs inputs and earlier stages.
        ops: the executor.
        inputs: the batch as the executor's tensors, by bare name.
        wanted: names of stages.

    Returns:
        The wanted values, in the order of the stages.

    Raises:
        ParityError: no stage has a wanted name, or the batch lacks an input that is needed.
    """
    chosen = needed(stages, wanted)
    values = {INPUTS + name: tensor for name, tensor in inputs.items()}
    uses = Counter(need for stage in chosen for need in stage.needs)
    absent = sorted(need for need in uses if need.startswith(INPUTS) and need not in values)
    if absent:
        raise ParityError(
            f"the batch has no {', '.join(absent)}", got=", ".join(values), remedy="add the array to INPUTS"
        )
    kept: dict[str, Tensor] = {}
    for stage in chosen:
        value = stage.fn(ops, *(values[need] for need in stage.needs))
        for need in stage.needs:
            uses[need] -= 1
            if not uses[need]:
                values.pop(need, None)
        if uses[stage.name]:
            values[stage.name] = value
        if stage.name in wanted:
            kept[stage.name] = value
    return kept


def needed(stages: Sequence[Stage], wanted: Collection[str]) -> list[Stage]:
    """The stages that `wanted` depends on, in order.

    Raises:
        ParityError: no stage has a wanted name.
    """
    unknown = sorted(set(wanted) - {stage.name for stage in stages})
    if unknown:
        raise ParityError(
            f"the reference has no tap {', '.join(unknown)}",
            expected=f"among {', '.join(stage.name for stage in stages[:3])}, ..., {stages[-1].name}",
            remedy="name other taps",
        )
    open_names, chosen = set(wanted), list[Stage]()
    for stage in reversed(stages):
        if stage.name in open_names:
            open_names.update(stage.needs)
            chosen.append(stage)
    return chosen[::-1]
