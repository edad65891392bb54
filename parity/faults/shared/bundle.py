"""R: a bundle that is damaged, incomplete or of another kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from parity.checkpoints.sstable import read_table, write_table
from parity.faults.values import Fault, Source


def _shard(folder: Path, prefix: str) -> Path:
    return next(folder.glob(f"{prefix}.data-*"))


def _without_index(folder: Path, prefix: str) -> None:
    (folder / f"{prefix}.index").unlink()


def _state_file(folder: Path, prefix: str) -> Path:
    """The text file that names a checkpoint, copied without it."""
    _without_index(folder, prefix)
    path = folder / "checkpoint"
    path.write_text(f'model_checkpoint_path: "{prefix}"\n')
    return path


def _index_is_data(folder: Path, prefix: str) -> None:
    (folder / f"{prefix}.index").write_bytes(_shard(folder, prefix).read_bytes()[:4096])


def _shard_renamed(folder: Path, prefix: str) -> None:
    _shard(folder, prefix).rename(folder / prefix)


def _cut(folder: Path, prefix: str) -> None:
    shard = _shard(folder, prefix)
    shard.write_bytes(shard.read_bytes()[:-64])


def _flipped(folder: Path, prefix: str) -> None:
    shard = _shard(folder, prefix)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))


def _big_endian(folder: Path, prefix: str) -> None:
    """The header is the entry of the empty key: num_shards = 1, endianness = 1 (big), version."""
    index = folder / f"{prefix}.index"
    entries = dict(read_table(index.read_bytes()))
    header = entries.pop(b"")
    index.write_bytes(write_table([(b"", b"\x08\x01\x10\x01" + header[2:]), *sorted(entries.items())]))


def _object_based(folder: Path, prefix: str) -> None:
    """Names as tf.train.Checkpoint (TensorFlow 2) writes them, and the graph of objects beside them."""
    index = folder / f"{prefix}.index"
    entries = dict(read_table(index.read_bytes()))
    header = entries.pop(b"")
    # The graph stands in the place of the first variable: two tensors may not share their bytes.
    graph, *variables = entries.values()
    named = {b"model/layer-%d/.ATTRIBUTES/VARIABLE_VALUE" % number: entry for number, entry in enumerate(variables)}
    named[b"_CHECKPOINTABLE_OBJECT_GRAPH"] = graph
    index.write_bytes(write_table([(b"", header), *sorted(named.items())]))


def damaged(prefix: str) -> tuple[Fault, ...]:
    """What no reader may take, of a bundle of that prefix."""

    def spoilt(files: Callable[..., Path | None]) -> Source:
        return Source(files=partial(files, prefix=prefix))

    return (
        Fault(
            id="R-05", variant="object based", verdict="refused", place="object",
            what="a TensorFlow 2 checkpoint, named by objects", inject=spoilt(_object_based),
        ),
        Fault(
            id="R-06", variant="no index", verdict="refused", place=".index",
            what="only the data file was copied", inject=spoilt(_without_index),
        ),
        Fault(
            id="R-06", variant="state file", verdict="refused", place="checkpoint",
            what="the text file `checkpoint` was copied without what it names", inject=spoilt(_state_file),
        ),
        Fault(
            id="R-06", variant="data as index", verdict="refused", place=".index",
            what="the data file lies under the index's name", inject=spoilt(_index_is_data),
        ),
        Fault(
            id="R-07", variant="shard renamed", verdict="refused", place="data-00000-of-00001",
            what="the data file was renamed to the bare prefix", inject=spoilt(_shard_renamed),
        ),
        Fault(
            id="R-06", variant="cut off", verdict="refused", place=prefix,
            what="the last bytes of the data file are missing", inject=spoilt(_cut),
        ),
        Fault(
            id="R-06", variant="one bit", verdict="refused", place="checksum",
            what="one bit in the middle of the data file is flipped", inject=spoilt(_flipped),
        ),
    )  # fmt: skip


def big_endian(prefix: str) -> Fault:
    """R-13."""
    return Fault(
        id="R-13", variant="big endian", verdict="refused", place="endian",
        what="the bundle's header says big endian", inject=Source(files=partial(_big_endian, prefix=prefix)),
    )  # fmt: skip
