"""Walks over a reference's stages that keep only what is still needed: the plain forward, and the residual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from parity.errors import ParityError
from parity.ops import Ops, Stage, Tensor
from parity.traces import INPUTS


def walk(
    stages: Sequence[Stage],
    ops: Ops,
    inputs: Mapping[str, Tensor],
    wanted: Collection[str],
    *,
    given: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Evaluate the stages that `wanted` depends on, in order.

    Args:
        stages: the reference; a stage only needs inputs and earlier stages.
        ops: the executor.
        inputs: the batch as the executor's tensors, by bare name.
        wanted: names of stages.
        given: what a runtime computed, by name of stage. A stage named here hands that value on, while its own is what
            is returned: L_k on the runtime's own inputs to it (numerics.md, "Own error").

    Returns:
        The wanted values, in the order of the stages, but for those that are not there for this batch.

    Raises:
        ParityError: no stage has a wanted name, or the batch lacks an input that is needed.
    """
    handed_on = given or {}
    chosen = needed(stages, wanted, given=handed_on)
    values = {INPUTS + name: tensor for name, tensor in inputs.items()} | dict(handed_on)
    uses = Counter(need for stage in chosen for need in stage.needs)
    required = {need for stage in chosen for need in stage.needs if need not in stage.optional}
    absent = sorted(need for need in required if need.startswith(INPUTS) and need not in values)
    if absent:
        raise ParityError(
            f"the batch has no {', '.join(absent)}", got=", ".join(values), remedy="add the array to INPUTS"
        )
    kept: dict[str, Tensor] = {}
    for stage in chosen:
        value = stage(ops, values)
        for need in stage.needs:
            uses[need] -= 1
            if not uses[need]:
                values.pop(need, None)
        if value is None:
            continue
        if uses[stage.name] and stage.name not in handed_on:
            values[stage.name] = value
        if stage.name in wanted:
            kept[stage.name] = value
    return kept


def needed(stages: Sequence[Stage], wanted: Collection[str], *, given: Collection[str] = ()) -> list[Stage]:
    """The stages that have to be evaluated for `wanted`, in order: those it depends on, but not through given values.

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
            open_names.update(need for need in stage.needs if need not in given)
            chosen.append(stage)
    return chosen[::-1]


def nearest(stages: Sequence[Stage], name: str, among: Collection[str]) -> frozenset[str]:
    """Which of these stages a stage is fed by, directly or through others that are not among them."""
    needs = {stage.name: stage.needs for stage in stages}
    found, open_names = set[str](), set(needs[name])
    while open_names:
        need = open_names.pop()
        if need in among:
            found.add(need)
        else:
            open_names.update(needs.get(need, ()))
    return frozenset(found)


def inside(stages: Sequence[Stage], name: str, among: Collection[str]) -> frozenset[str]:
    """The stages between a stage and the nearest that are among those named: what it is made of."""
    needs = {stage.name: stage.needs for stage in stages}
    found, open_names = set[str](), set(needs[name])
    while open_names:
        need = open_names.pop()
        if need in needs and need not in among and need not in found:
            found.add(need)
            open_names.update(needs[need])
    return frozenset(found)
