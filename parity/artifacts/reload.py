"""Does an artifact load the way its users load it? Runs in a process of its own: `python -m parity.artifacts.reload`.

Prints one JSON object: `problems`, a list of sentences, and `seen`, what was loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.families import family


def reload(
    kind: str, folder: Path, *, spare: tuple[str, ...] = (), lacking: tuple[str, ...] = ()
) -> tuple[list[str], str]:
    """Load an artifact in a fresh interpreter.

    Args:
        kind: `pytorch`.
        folder: the artifact.
        spare: tensors that its class is known not to use.
        lacking: of those, the ones that the source lacks, and AutoModel asks for in vain.

    Returns:
        What is wrong, and what was loaded.

    Raises:
        ParityError: the process died.
    """
    quiet = {"USE_TF": "0", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "parity.artifacts.reload", kind, str(folder), *spare, *(f"-{one}" for one in lacking)],
        capture_output=True,
        text=True,
        env={**os.environ, **quiet, "PYTHONPATH": path},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ParityError(f"does not load: {last}", where=folder, remedy="convert again")
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return list(answer["problems"]), str(answer["seen"])


def _pytorch(folder: Path, spare: frozenset[str], lacking: frozenset[str]) -> tuple[list[str], str]:
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    named, package = raw["architectures"][0], family(raw["model_type"]).target
    if package != "transformers":
        # A class of this house checks itself that it is given exactly its weights.
        getattr(import_module(package), named).from_pretrained(folder)
        return [], f"{named} of {package}"
    import transformers

    problems: list[str] = []
    for name, strict in ((named, True), ("AutoModel", False)):
        loader = getattr(transformers, name)
        _, loading = loader.from_pretrained(folder, output_loading_info=True, local_files_only=True)
        # A head is unexpected to AutoModel, which has none; missing is never right.
        kinds = ("missing_keys", "mismatched_keys", *(("unexpected_keys",) if strict else ()))
        for kind in kinds:
            excused = spare if strict else lacking
            keys = sorted({str(key) for key in loading.get(kind) or ()} - excused)
            problems += [f"{name}: {kind.replace('_', ' ')} {', '.join(keys)}"] if keys else []
    return problems, f"{named} and AutoModel, transformers {transformers.__version__}"


_LOADERS: Mapping[str, Callable[[Path, frozenset[str], frozenset[str]], tuple[list[str], str]]] = {"pytorch": _pytorch}


def main(arguments: list[str]) -> int:
    """Entry point of the fresh interpreter."""
    kind, folder, *spare = arguments
    # AutoModel has no prefix for what a class with a head keeps under one.
    lacking = frozenset(name[1:].partition(".")[2] for name in spare if name.startswith("-"))
    problems, seen = _LOADERS[kind](Path(folder), frozenset(spare), lacking)
    answer: dict[str, Any] = {"problems": problems, "seen": seen}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
