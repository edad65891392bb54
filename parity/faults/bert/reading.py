"""R: reading the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from parity.checkpoints.sstable import read_table, write_table
from parity.faults.bert.tensors import HERE, POSITIONS, QUERY, WIDE, WORDS
from parity.faults.edits import added, drawn, rounded, scrambled, spoilt_row
from parity.faults.values import Artifact, Fault, Layout, Runtime, Source, Tensors
from parity.tensorfile import Array

_PREFIX = "bert_model.ckpt"


def _scalar(value: int) -> Callable[[Tensors], Array]:
    return lambda tensors: np.array(value, np.int64)


def _like_positions(tensors: Tensors) -> Array:
    return np.zeros_like(tensors["bert/embeddings/position_embeddings"])


def _first_query(tensors: Tensors) -> Array:
    return tensors["bert/encoder/layer_0/attention/self/query/kernel"]


def _shard(folder: Path) -> Path:
    return next(folder.glob(f"{_PREFIX}.data-*"))


def _without_index(folder: Path) -> None:
    (folder / f"{_PREFIX}.index").unlink()


def _state_file(folder: Path) -> Path:
    """The text file that names a checkpoint, copied without it."""
    _without_index(folder)
    path = folder / "checkpoint"
    path.write_text(f'model_checkpoint_path: "{_PREFIX}"\n')
    return path


def _index_is_data(folder: Path) -> None:
    (folder / f"{_PREFIX}.index").write_bytes(_shard(folder).read_bytes()[:4096])


def _shard_renamed(folder: Path) -> None:
    _shard(folder).rename(folder / _PREFIX)


def _cut(folder: Path) -> None:
    shard = _shard(folder)
    shard.write_bytes(shard.read_bytes()[:-64])


def _flipped(folder: Path) -> None:
    shard = _shard(folder)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))


def _big_endian(folder: Path) -> None:
    """The header is the entry of the empty key: num_shards = 1, endianness = 1 (big), version."""
    index = folder / f"{_PREFIX}.index"
    entries = dict(read_table(index.read_bytes()))
    header = entries.pop(b"")
    index.write_bytes(write_table([(b"", b"\x08\x01\x10\x01" + header[2:]), *sorted(entries.items())]))


def _object_based(folder: Path) -> None:
    """Names as tf.train.Checkpoint (TensorFlow 2) writes them, and the graph of objects beside them."""
    index = folder / f"{_PREFIX}.index"
    entries = dict(read_table(index.read_bytes()))
    header = entries.pop(b"")
    named = {
        b"model/layer-%d/.ATTRIBUTES/VARIABLE_VALUE" % number: entry for number, entry in enumerate(entries.values())
    }
    named[b"_CHECKPOINTABLE_OBJECT_GRAPH"] = next(iter(entries.values()))
    index.write_bytes(write_table([(b"", header), *sorted(named.items())]))


def _spare_rows(folder: Path) -> None:
    vocab = folder / "vocab.txt"
    lines = vocab.read_text(encoding="utf-8").splitlines(keepends=True)
    vocab.write_text("".join(lines[:-6]), encoding="utf-8")


def _whole_numbers(tensors: Tensors, layout: Layout) -> None:
    name = "bert/encoder/layer_0/attention/self/query/kernel"
    tensors[name] = np.rint(tensors[name] * 127).astype(np.int8)


FAULTS = (
    Fault(
        id="R-01", variant="slot inside the name", verdict="refused", place="adam_m",
        what="an Adam slot is not the last part of its variable's name",
        inject=Source(added("bert/encoder/layer_0/attention/self/query/adam_m/kernel", _first_query)),
    ),
    Fault(
        id="R-01", variant="slot loaded", place=HERE,
        what="the query kernel holds its Adam moment",
        inject=Artifact(drawn(f"{QUERY}.weight", 1e-4)),
    ),
    Fault(
        id="R-02", variant="slot glued to the name", verdict="refused", place="AdamWeightDecayOptimizer",
        what="DeepPavlov's slot name is joined to the variable's without a slash",
        inject=Source(added("bert/embeddings/position_embeddings_AdamWeightDecayOptimizer", _like_positions)),
    ),
    Fault(
        id="R-02", variant="slot loaded", place="embeddings",
        what="the positions hold AdamWeightDecayOptimizer's moment",
        inject=Artifact(drawn(POSITIONS, 1e-4)),
    ),
    Fault(
        id="R-03", variant="unknown scalar", verdict="refused", place="examples_seen",
        what="a training counter that is no variable of the model",
        inject=Source(added("examples_seen", _scalar(7))),
    ),
    Fault(
        id="R-04", variant="Adafactor slot", verdict="refused", place="kernel_slot_vc",
        what="an Adafactor slot as Mesh TensorFlow names it",
        inject=Source(added("bert/encoder/layer_0/output/dense/kernel_slot_vc", lambda t: np.ones(4, np.float32))),
    ),
    Fault(
        id="R-05", variant="object based", verdict="refused", place="object",
        what="a TensorFlow 2 checkpoint, named by objects", inject=Source(files=_object_based),
    ),
    Fault(
        id="R-06", variant="no index", verdict="refused", place=".index",
        what="only the data file was copied", inject=Source(files=_without_index),
    ),
    Fault(
        id="R-06", variant="state file", verdict="refused", place="checkpoint",
        what="the text file `checkpoint` was copied without what it names", inject=Source(files=_state_file),
    ),
    Fault(
        id="R-06", variant="data as index", verdict="refused", place=".index",
        what="the data file lies under the index's name", inject=Source(files=_index_is_data),
    ),
    Fault(
        id="R-07", variant="shard renamed", verdict="refused", place="data-00000-of-00001",
        what="the data file was renamed to the bare prefix", inject=Source(files=_shard_renamed),
    ),
    Fault(
        id="R-06", variant="cut off", verdict="refused", place=_PREFIX,
        what="the last bytes of the data file are missing", inject=Source(files=_cut),
    ),
    Fault(
        id="R-06", variant="one bit", verdict="refused", place="checksum",
        what="one bit in the middle of the data file is flipped", inject=Source(files=_flipped),
    ),
    Fault(
        id="R-11", variant="half", verdict="completeness", place="embeddings",
        what="the model silently became float16, and claims float32", inject=Runtime(settings={"dtype": "float16"}),
    ),
    Fault(
        id="R-11", variant="one tensor through half", place=HERE, causes=("low-precision-weights: intermediate",),
        what="one kernel went through float16", inject=Artifact(rounded(f"{WIDE}.weight", "float16")),
    ),
    Fault(
        id="R-11", variant="one tensor through bfloat16", place=HERE, causes=("low-precision-weights: intermediate",),
        what="one kernel went through bfloat16", inject=Artifact(rounded(f"{WIDE}.weight", "bfloat16")),
    ),
    Fault(
        id="R-11", variant="integers", verdict="refused", place="no floating point",
        what="a kernel is stored as int8", inject=Source(_whole_numbers),
    ),
    Fault(
        id="R-12", variant="view saved", place=HERE,
        what="a transposed view was saved as if contiguous: right shape, other bytes",
        inject=Artifact(scrambled(f"{WIDE}.weight")),
    ),
    Fault(
        id="R-13", variant="big endian", verdict="refused", place="endian",
        what="the bundle's header says big endian", inject=Source(files=_big_endian),
    ),
    Fault(
        id="R-14", variant="fewer lines than rows", verdict="refused", place="vocab",
        what="the table is padded beyond the vocabulary, and nothing says so", inject=Source(files=_spare_rows),
    ),
    Fault(
        id="R-14", variant="row that no input touches", place="logits.mlm",
        what="a vocabulary row that no input touches is zero: the tied product shows it",
        inject=Artifact(spoilt_row(WORDS, lambda layout: layout.unused_row)),
    ),
)  # fmt: skip
