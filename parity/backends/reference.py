"""What the references share: a checkpoint, its architecture's stages, and the walk over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from parity.backends.executors.walk import needed
from parity.backends.job import Job, check_settings
from parity.checkpoints import Checkpoint, open_checkpoint
from parity.errors import ParityError
from parity.families import family
from parity.families.values import Head
from parity.ops import Stage
from parity.tensorfile import Array
from parity.traces import GIVEN

PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class Reference:
    """An opened checkpoint and what its architecture computes from it."""

    checkpoint: Checkpoint
    stages: Sequence[Stage]
    variables: tuple[str, ...]
    """What the graph is made of; loaded before the first batch."""
    shipped: Mapping[str, Array] = field(default_factory=dict)
    """Tensors that an artifact ships in place of the checkpoint's."""
    placed: Callable[[int], Mapping[str, Array]] = lambda rows: {}
    """(rows) -> inputs that say what a row's place in its batch decides."""

    def read(self, name: str) -> Array:
        """A variable: as shipped where an artifact was named, else as the checkpoint has it, checksum verified.

        Raises:
            ParityError: the checkpoint has none of that name, or its bytes are damaged.
        """
        if name not in self.checkpoint.entries:
            raise ParityError(f"no variable {name}", where=self.checkpoint.prefix, remedy="check --head and --family")
        return self.shipped[name] if name in self.shipped else self.checkpoint.read(name)

    def apart(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """A batch whose rows may be parted: where their places in it count, each says its own.

        Raises:
            ParityError: a number of rows that the graph cannot take.
        """
        return {**inputs, **self.placed(len(inputs["input_ids"]))}

    def parted(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """What a batch feeds, apart: its inputs, and the values of stages that a runtime computed on it."""
        known = {stage.name for stage in self.stages}
        given = {name.removeprefix(GIVEN): array for name, array in inputs.items() if name.startswith(GIVEN)}
        fed = {name: array for name, array in inputs.items() if not name.startswith(GIVEN)}
        return fed, {tap: array for tap, array in given.items() if tap in known}

    def close(self) -> None:
        """Close the checkpoint; a second call does nothing."""
        self.checkpoint.close()


def open_reference(job: Job) -> Reference:
    """Open the job's checkpoint and check that the reference can show the job's taps.

    The setting `weights` names a folder that `parity.artifacts.shipped.write_shipped` wrote: the reference then
    computes with what that artifact ships.

    Raises:
        ParityError: checkpoint or config are unreadable, or head, taps, precision or settings unknown.
    """
    check_settings(job, ("weights",))
    if job.precision not in PRECISIONS:
        expected = " or ".join(PRECISIONS)
        raise ParityError(
            f"{job.name} does not compute in {job.precision}", expected=expected, remedy="drop --precision"
        )
    config_path = Path(job.source["config"])
    try:
        raw = json.loads(config_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParityError(
            f"not a readable config: {error}", where=config_path, remedy="name it with --config"
        ) from error
    architecture = family(job.family)
    config = architecture.read_config(raw, where=config_path, activation=job.source.get("activation") or None)
    checkpoint = open_checkpoint(Path(job.source["checkpoint"]))
    try:
        head = _head(job, architecture.heads(checkpoint.entries), checkpoint.prefix)
        stages = architecture.stages(config, head)
        needed(stages, job.taps)
        names = tuple(variable.name for variable in architecture.variables(config, head))
        placed = partial(architecture.feeds.placed, config)
        return Reference(checkpoint, stages, names, _shipped(job, checkpoint), placed)
    except BaseException:
        checkpoint.close()
        raise


def _shipped(job: Job, checkpoint: Checkpoint) -> Mapping[str, Array]:
    if "weights" not in job.settings:
        return {}
    from parity.artifacts.shipped import read_shipped  # most references have no need of it

    folder = Path(job.settings["weights"])
    found = read_shipped(folder)
    shapes = {name: entry.shape for name, entry in checkpoint.entries.items()}
    foreign = sorted(name for name, array in found.items() if shapes.get(name) != array.shape)
    if foreign:
        raise ParityError(
            f"shipped weights of another checkpoint: {foreign[0]}", where=folder, remedy="read them again"
        )
    return found


def _head(job: Job, heads: Sequence[Head], where: Path) -> Head:
    for head in heads:
        if head.name == job.head:
            return head
    names = ", ".join(head.name for head in heads)
    raise ParityError(f"the checkpoint does not hold the head {job.head}", where=where, expected=f"one of {names}")
