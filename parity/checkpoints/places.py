"""Whether an index and its data files belong together, judged by names and sizes before a byte of data is read."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from parity.checkpoints.index import Stored, shown
from parity.checkpoints.locate import shard_path
from parity.errors import Problems


def check_places(prefix: Path, shards: int, tensors: Mapping[str, Stored]) -> None:
    """Check that every data file in use is there, holds all its pieces, and that no two pieces share a byte.

    Raises:
        ParityError: with every data file that does not fit.
    """
    spans: dict[int, list[tuple[int, int, str]]] = {}
    for name, stored in tensors.items():
        for piece in stored.pieces:
            spans.setdefault(piece.shard, []).append((piece.offset, piece.offset + piece.nbytes, name))
    problems = Problems("index and data files do not fit each other", where=prefix)
    paths = {shard: shard_path(prefix, shard, shards) for shard in sorted(spans)}
    for shard, path in paths.items():
        _check_shard(path, sorted(spans[shard]), set(paths.values()), problems)
        if len(problems) >= problems.limit:
            break
    problems.raise_if_any()


def _check_shard(path: Path, spans: list[tuple[int, int, str]], wanted: set[Path], problems: Problems) -> None:
    end, last = max((end, name) for _, end, name in spans)
    size = _size(path)
    if size is None:
        problems.add(f"the data file {path.name} is missing", remedy=_rename(path, end, wanted))
    elif size < end:
        problems.add(
            f"the data file {path.name} ends before tensor {shown(last)} does", got=size, expected=f"{end} bytes"
        )
    filled = [span for span in spans if span[1] > span[0]]
    shared = next(((one[2], two[2]) for one, two in pairwise(filled) if two[0] < one[1]), None)
    if shared:
        problems.add(f"tensors {shown(shared[0])} and {shown(shared[1])} share bytes of {path.name}")


def _size(path: Path) -> int | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _rename(path: Path, size: int, wanted: set[Path]) -> str:
    """Advice for a missing data file: a stranger of just its size has probably lost its name on the way."""
    near = (other for other in sorted(path.parent.iterdir()) if other not in wanted)
    alike = next((other.name for other in near if _size(other) == size), None)
    return f"rename {alike} to {path.name}" if alike and size else f"copy it into {path.parent}"
