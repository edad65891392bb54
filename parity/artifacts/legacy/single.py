"""Results that are no folder: a `.bin`, or an IR under a name of its own, with their proof beside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from parity.artifacts.proof import FILE
from parity.artifacts.pytorch import WEIGHTS
from parity.errors import ParityError

IR = "openvino_model"
"""What an IR is called in a folder that `parity convert` writes."""


def proof_beside(result: Path) -> Path:
    """Where the proof of such a result lies: `x.bin.conversion.json`; `x.conversion.json` for an `x.xml`."""
    return result.with_suffix(f".{FILE}") if result.suffix == ".xml" else result.with_name(f"{result.name}.{FILE}")


@contextmanager
def as_folder(result: Path) -> Iterator[Path]:
    """A folder in which the result and its proof lie under the names that `parity verify` reads.

    Raises:
        ParityError: there is no proof beside the file.
    """
    proof = proof_beside(result)
    if not proof.is_file():
        raise ParityError("no proof beside this file", where=result, expected=proof.name, remedy="convert again")
    ir = {f"{IR}.xml": result, f"{IR}.bin": result.with_suffix(".bin")}
    with TemporaryDirectory(prefix="parity-") as made:
        for name, path in ({FILE: proof} | (ir if result.suffix == ".xml" else {WEIGHTS["bin"]: result})).items():
            (Path(made) / name).symlink_to(path.absolute())
        try:
            yield Path(made)
        except ParityError as error:
            # The folder is gone when the message is read.
            error.where = result
            raise
