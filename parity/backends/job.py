"""What a worker is asked to do, as a value and as the JSON file that the worker reads.

Imports nothing but the standard library: a worker reads its job before it sets the thread environment, and that has
to happen before NumPy is loaded.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import ParityError, Problems


@dataclass(frozen=True, kw_only=True)
class Job:
    """One artifact, run by one runtime on a list of batches."""

    backend: str
    """Name of the runtime without its variant: `torch`."""
    variant: str = ""
    """`eager` in `torch:eager`; empty where the runtime has only one."""
    precision: str = "float32"
    """What the run claims: `float32`, `bfloat16`, `float16`, `int8`, `default`."""
    family: str
    head: str
    artifact: Path
    """Folder of the artifact; for the references, of the checkpoint."""
    source: Mapping[str, str] = field(default_factory=dict)
    """For the references: `checkpoint`, `config`, and `activation` where it is not the config's."""
    taps: tuple[str, ...]
    inputs: tuple[Path, ...]
    """Batch files in the trace layout: arrays under `inputs/<name>`, texts in the metadata."""
    out: Path
    """Folder for the answer, `batch-NNN.safetensors` in the order of `inputs`; every job has one of its own."""
    threads: int = 1
    batch_timeout_s: float = 900.0
    start_timeout_s: float = 300.0
    """Limit of the import, and again of loading the artifact."""
    memory_limit: int = 0
    """Bytes of resident memory, children included, at which the worker is ended; 0 = no limit."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The runtime's own options (`--set KEY=VALUE`)."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that are copied into every trace: model, digests, run flags."""
    given: bool = False
    """The batch files are another runtime's trace: every stage is evaluated on that runtime's own inputs to it."""
    module: str = ""
    """Import path of a runtime module that the table does not know; empty = the table's."""

    @property
    def name(self) -> str:
        """`backend:variant`, or `backend` alone."""
        return f"{self.backend}:{self.variant}" if self.variant else self.backend

    def to_json(self) -> str:
        """The job as JSON; `Job.from_json` is the inverse."""
        return json.dumps(dataclasses.asdict(self), default=str, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str, *, where: Path | None = None) -> Job:
        """Read a job.

        Raises:
            ParityError: not JSON, or fields missing or unknown.
        """
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise ParityError(f"not JSON: {error}", where=where, remedy="write it with Job.write") from error
        fields = {item.name: item for item in dataclasses.fields(cls)}
        if not isinstance(raw, dict):
            raise ParityError("not a job: no JSON object", where=where, remedy="write it with Job.write")
        problems = Problems("not a job", where=where)
        for name in sorted(set(raw) - set(fields)):
            problems.add(f"unknown field {name}", expected=f"one of {', '.join(fields)}")
        for name, item in fields.items():
            if name not in raw and item.default is item.default_factory is dataclasses.MISSING:
                problems.add(f"field {name} is missing")
        problems.raise_if_any()
        for name in ("artifact", "out"):
            raw[name] = Path(raw[name])
        raw["inputs"] = tuple(Path(path) for path in raw["inputs"])
        raw["taps"] = tuple(raw["taps"])
        return cls(**raw)

    def write(self, path: Path) -> None:
        """Write the job file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read the job file.

        Raises:
            ParityError: unreadable, or not a job.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ParityError(f"cannot read the job: {error.strerror}", where=path) from error
        return cls.from_json(text, where=path)


def check_settings(job: Job, known: Collection[str]) -> None:
    """Check the names of a job's settings.

    Raises:
        ParityError: this runtime does not know one of them.
    """
    problems = Problems("settings that are not known", where=job.name)
    for name in sorted(set(job.settings) - set(known)):
        expected = f"one of {', '.join(known)}" if known else "no settings"
        problems.add(f"there is no setting {name}", expected=expected, remedy="mend --set")
    problems.raise_if_any()
