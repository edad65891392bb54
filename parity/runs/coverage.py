"""What a run looks at, told once per model: what its inputs touch, which weights' bits it can see, what is left.

The walk behind the weights' part is cached like the floor, by checkpoint, inputs and code.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from parity.artifacts.proof import read_proof
from parity.backends.visibility import uses_of
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError
from parity.families import family
from parity.inputs.coverage import Count, Unseen, coverage
from parity.measure.visibility import Seen, Use, names, pool, seen
from parity.runs.store import reference_traces
from parity.traces import batch_path, read_batch

if TYPE_CHECKING:
    from parity.runs.model import ModelRun

WEIGHTS: Final = "weights"
"""The subject of counts that are about one variable at one stage."""
_CANCELLED: Final = {
    "*/attention/self/key/bias": "softmax takes a key bias out again: no station moves with it, only the keys do"
}
_FILE: Final = "visibility.json"


def record(model: ModelRun, *, weights: bool) -> None:
    """Write the event `coverage` of one model.

    Args:
        model: in its run.
        weights: tell the smallest visible changes too, which takes a walk of the reference unless it is cached.
    """
    config = model.outline.config
    with model.times.stage("coverage", own=True):
        inputs = coverage(
            model.batches,
            vocabulary=model.tokenizer.vocab,
            rows=config.vocab_size,
            positions=config.positions,
            token_types=config.token_types,
        )
    counts, unseen, problem = list(inputs.counts()), list(inputs.unseen()), None
    if weights:
        try:
            counts += _visible(model)
        except ParityError as error:
            problem = str(error)
        unseen += _by_proof_alone(model)
    model.log.write(
        "coverage",
        model=model.outline.name,
        counts=[count._asdict() for count in counts],
        unseen=[asdict(one) for one in unseen],
        problem=problem,
    )


def _visible(model: ModelRun) -> list[Count]:
    source, outlined = model.source, model.outline
    architecture = family(outlined.family)
    with open_checkpoint(source.checkpoint) as checkpoint:
        labels = architecture.labels(outlined.head, {name: entry.shape for name, entry in checkpoint.entries.items()})
    variables = architecture.variables(outlined.config, outlined.head, labels=labels)
    uses = uses_of(architecture.stages(outlined.config, outlined.head), variables)

    def build(folder: Path) -> None:
        lines = [_line(one) for one in _walked(model, uses, folder / "traces")]
        (folder / _FILE).write_text(json.dumps(lines), encoding="utf-8")

    folder = reference_traces("visibility", source, model.inputs_digest, names(uses), outlined.head.name, build)
    return [
        Count(WEIGHTS, f"{line['variable']} at {line['stage']}", measure, value)
        for line in json.loads((folder / _FILE).read_text(encoding="utf-8"))
        for measure, value in line["numbers"].items()
    ]


def _walked(model: ModelRun, uses: tuple[Use, ...], out: Path) -> Iterator[Seen]:
    job = model.make_job(
        "visibility",
        precision="float32",
        taps=names(uses),
        out=out,
        inputs=model.input_files,
        module="parity.backends.visibility",
    )
    outcome = model.wait([job])
    if not outcome.ok:
        raise ParityError(f"the walk for visibility failed: {outcome.reason}", remedy=outcome.stderr_tail)
    model.times.worker("visibility", outcome)
    with model.times.stage("visibility", own=True):
        sights = pool(uses, (read_batch(batch_path(out, number)) for number in range(len(model.batches))))
        with open_checkpoint(model.source.checkpoint) as checkpoint:
            for sight in sights:
                yield seen(sight, checkpoint.read(sight.use.variable))
        shutil.rmtree(out)


def _line(one: Seen) -> dict[str, Any]:
    numbers: dict[str, float] = {
        "weights": one.weights,
        "zeros": one.zeros,
        "untouched": one.untouched,
        "median bit": one.median_bit or 0,
    }
    numbers |= {f"bit {bit}": share for bit, share in one.bits.items()}
    return {"variable": one.use.variable, "stage": one.use.stage, "numbers": numbers}


def _by_proof_alone(model: ModelRun) -> Iterator[Unseen]:
    """What is left behind on the way, and what every forward pass forgets."""
    with suppress(ParityError):  # told where the artifact is asked for
        proof = read_proof(model.artifact("pytorch"))
        # Every slot names its variable: together they are one reason.
        reasons = Counter(re.sub(r"^(optimizer slot).*", r"\1", line.reason) for line in proof.dropped)
        yield from (Unseen("tensors that are left behind", count, why) for why, count in reasons.items())
        for pattern, why in _CANCELLED.items():
            count = len(fnmatch.filter((line.source for line in proof.tensors), pattern))
            yield from [Unseen("tensors that cancel", count, why)] if count else []
