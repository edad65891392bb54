"""`parity trace`: one artifact or checkpoint, one runtime, one set of inputs, one trace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from parity.artifacts.folder import check_free, new_folder
from parity.artifacts.hf_folder import read_hf_folder
from parity.artifacts.opening import resolve_model
from parity.artifacts.proof import FILE, read_proof
from parity.artifacts.source import Choices, understand
from parity.backends import FLOOR, Runtime, runtime
from parity.backends.inprocess import InProcess
from parity.backends.job import Job
from parity.backends.outcome import Outcome
from parity.backends.scheduler import Scheduler
from parity.errors import BrokenParity, MissingRuntime, ParityError, Problems
from parity.families import family
from parity.families.base import Family
from parity.families.values import Config, Head, gelu_option
from parity.inputs.batch import Batch, as_trace, digest
from parity.inputs.extras import limits_of
from parity.inputs.files import read_inputs
from parity.measure.aligned import input_trouble
from parity.measure.floor import names
from parity.runs.options import RunOptions
from parity.runs.outline import selected
from parity.traces import batch_path, batch_paths, read_batch, write_batch

_OWN_SETTINGS = ("weights", "seeds", "restart", "graph")
"""Settings of the references themselves; whatever else is set goes over the source's config."""


@dataclass(frozen=True)
class Subject:
    """What is to be run."""

    artifact: Path
    source: Mapping[str, str]
    family: Family
    config: Config
    head: Head


def trace(
    subject: str,
    inputs: Path,
    out: Path,
    *,
    backend: str,
    precision: str | None = None,
    taps: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
    config: Path | None = None,
    vocab: Path | None = None,
    choices: Choices | None = None,
    all_positions: bool = False,
    given: Path | None = None,
    options: RunOptions | None = None,
    force: bool = False,
) -> Outcome:
    """Run one runtime on the given inputs and leave its trace in `out`, which appears whole or not at all.

    Args:
        subject: for the references a card, folder or checkpoint; for the others a folder that `parity convert` wrote.
        inputs: an INPUTS file, a folder of them, or a trace.
        out: folder to make.
        backend: `oracle`, `torch:eager`, ..., or `floor`: what float32 rounding does, for `parity compare --floor`.
        precision: what the run shall claim; the runtime's own by default.
        taps: globs over tap names; by default every station.
        settings: the runtime's own options; for a reference also flags over the config, such as `mem_len`.
        config: config file of a checkpoint, if not beside it.
        vocab: vocabulary of a checkpoint, if not beside it.
        choices: decisions about a checkpoint, such as its activation or head.
        given: another runtime's trace of these inputs. Every stage of the reference is evaluated on that trace's own
            inputs to it: the deviation of the two traces is the residual, each station's own error.
        all_positions: trace vocabulary-sized taps at every position.
        options: threads, limits, interpreters.
        force: replace `out`.

    Raises:
        ParityError: subject, inputs or taps are wrong; BrokenParity: the runtime crashed;
        MissingRuntime: it is not installed.
    """
    chosen = options or RunOptions()
    row = FLOOR if backend == FLOOR.name else runtime(backend)
    check_free(out, force=force)
    own = {key: value for key, value in (settings or {}).items() if row.kind != "source" or key in _OWN_SETTINGS}
    flags = {key: value for key, value in (settings or {}).items() if key not in own}
    decided = choices or Choices()
    decided = replace(decided, settings={**decided.settings, **flags})
    found = _subject(subject, row, config=config, vocab=vocab, choices=decided)
    _check_flags(flags, found, row)
    limits = found.config
    batches = read_inputs(inputs, **limits_of(found.family, limits))
    if all_positions:
        batches = tuple(map(_everywhere, batches))
    if given is not None:
        _check_given(given, batches, row)
    stations = found.family.taps(limits, found.head)
    if taps:
        stations = selected((*stations, *found.family.fine_taps(limits, found.head)), taps)
    with TemporaryDirectory(prefix="parity-trace-") as scratch, new_folder(out, force=force) as folder:
        job = Job(
            backend=row.backend,
            variant=row.variant,
            precision=precision or ("float32" if row.precision == "default" else row.precision),
            family=found.family.name,
            head=found.head.name,
            artifact=found.artifact,
            source={**found.source, "config": str(_config_file(found, Path(scratch)))},
            taps=names(tap.name for tap in stations) if row is FLOOR else tuple(tap.name for tap in stations),
            module=row.module if row is FLOOR else "",
            inputs=_written(batches, Path(scratch)) if given is None else tuple(batch_paths(given)),
            given=given is not None,
            out=folder,
            threads=chosen.threads,
            batch_timeout_s=chosen.timeout_s,
            memory_limit=chosen.memory_limit,
            settings={**_spare(found, row), **own},
            meta={"model": Path(subject).name, "inputs": digest(batches)},
        )
        outcome = _run(job, chosen)
        _raise_unless_ok(outcome, row)
        # Paths of this machine, which the worker needed and a trace does not.
        (folder / "job.json").unlink(missing_ok=True)
    return outcome


def _spare(found: Subject, row: Runtime) -> dict[str, str]:
    """Tensors that the head's class is known not to use lie in its folder all the same."""
    unused = sorted(found.family.unused_by_class(found.head))
    return {"spare": ",".join(unused)} if row.backend == "torch" and unused else {}


def _check_flags(flags: Mapping[str, str], found: Subject, row: Runtime) -> None:
    """A flag that nothing reads would be without effect, unnoticed."""
    known = sorted(set(found.config.raw) - set(found.family.unread_keys(found.config.raw)) | {*_OWN_SETTINGS})
    problems = Problems("settings that are not known", where=row.name)
    for name in found.family.unread_keys(flags):
        near = get_close_matches(name, [key for key in known if key not in flags], n=3)
        expected = f"the runtime's own ({', '.join(_OWN_SETTINGS)}) or a key of the source's config"
        problems.add(
            f"{name} is no setting", expected=expected, remedy=f"did you mean {', '.join(near)}?" if near else "drop it"
        )
    problems.raise_if_any()


def _raise_unless_ok(outcome: Outcome, row: Runtime) -> None:
    if outcome.status == "missing":
        raise MissingRuntime(f"{row.name}: {outcome.reason}", remedy=row.pip)
    if any(phase.detail["kind"] == ParityError.__name__ for phase in outcome.of("failed")):
        raise ParityError(f"{row.name}: {outcome.reason}")
    if not outcome.ok:
        raise BrokenParity(f"{row.name} {outcome.status}: {outcome.reason}\n{outcome.stderr_tail}".rstrip())


def _subject(subject: str, row: Runtime, *, config: Path | None, vocab: Path | None, choices: Choices) -> Subject:
    if row.kind == "source":
        source = resolve_model(subject, config=config, vocab=vocab, family=choices.family, tokenizer=False)
        understood = understand(source, replace(choices, tokenizer=False))
        understood.checkpoint.close()
        activation = gelu_option(understood.config.activation) or ""
        where = {"checkpoint": str(source.checkpoint), "activation": activation}
        return Subject(source.checkpoint.parent, where, understood.family, understood.config, understood.head)
    folder = Path(subject)
    if row.kind == "pytorch" and not (folder / FILE).is_file():
        hf = read_hf_folder(folder)
        return Subject(folder, {}, hf.family, hf.config, hf.head)
    proof = read_proof(folder)
    if proof.to != row.kind:
        raise ParityError(
            f"{row.name} cannot run this artifact", where=folder, got=proof.to, expected=row.kind, remedy="--backend"
        )
    architecture = family(proof.family)
    numbers = architecture.read_config(
        dict(proof.config), where=folder / FILE, activation=gelu_option(proof.activation)
    )
    head = architecture.head(proof.head)
    if head is None:
        raise ParityError(
            "the proof names an unknown head", where=folder / FILE, got=proof.head, remedy="convert again"
        )
    return Subject(folder, {}, architecture, numbers, head)


def _config_file(found: Subject, folder: Path) -> Path:
    """The config as it is computed with, flags given by hand included, where a worker reads it."""
    path = folder / "config.json"
    path.write_text(json.dumps(dict(found.config.raw)), encoding="utf-8")
    return path


def _check_given(given: Path, batches: tuple[Batch, ...], row: Runtime) -> None:
    """Only references can be walked so, and only on a trace of the same inputs."""
    if row.kind != "source":
        raise ParityError(
            "only a reference can be given another runtime's values", got=row.name, remedy="--backend oracle"
        )
    paths, problems = batch_paths(given), Problems("not a trace of these inputs", where=given)
    if len(paths) != len(batches):
        problems.add("another number of batches", got=len(paths), expected=len(batches), remedy="name its INPUTS")
    for path, batch in zip(paths, batches, strict=False):
        trouble = input_trouble(as_trace(batch), read_batch(path, ()))
        if trouble:
            problems.add(f"{path.name} {trouble}", remedy="name the INPUTS that it was traced with")
    problems.raise_if_any()


def _everywhere(batch: Batch) -> Batch:
    rows, length = batch.arrays["input_ids"].shape
    positions = np.tile(np.arange(length, dtype=np.int32), (rows, 1))
    return replace(batch, arrays={**batch.arrays, "logit_positions": positions})


def _written(batches: tuple[Batch, ...], folder: Path) -> tuple[Path, ...]:
    for number, batch in enumerate(batches):
        write_batch(batch_path(folder, number), as_trace(batch))
    return tuple(batch_path(folder, number) for number in range(len(batches)))


def _run(job: Job, options: RunOptions) -> Outcome:
    if options.in_process:
        runner = InProcess()
        runner.submit([job])
        return runner.result(job)
    with Scheduler(python={name: Path(path) for name, path in options.python.items()}) as scheduler:
        scheduler.submit([job])
        return scheduler.result(job)
