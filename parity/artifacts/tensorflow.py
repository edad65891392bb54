"""Back to a TensorFlow checkpoint: the weight table's inverse over a Hugging Face directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import parity
from parity.artifacts.hf_folder import read_hf_folder
from parity.artifacts.proof import FILE, Proof, TensorProof
from parity.artifacts.pytorch import hash_files
from parity.artifacts.stream import stream
from parity.checkpoints import write_bundle
from parity.errors import ParityError, Problems
from parity.tensorfile import Array, TensorSpec
from parity.weights import plan

PREFIX = "bert_model.ckpt"


def derive(pytorch: Path, folder: Path) -> Proof:
    """Fill `folder` with a checkpoint, config and vocabulary as Google's code reads them.

    Where the directory came from a checkpoint and its weights are as converted, the result is bit-identical to that
    checkpoint, which is checked here; its proof then says so.

    Raises:
        ParityError: not a Hugging Face BERT directory, or tensors missing or left over.
    """
    hf = read_hf_folder(pytorch)
    table = hf.family.table(hf.config, hf.head)
    shapes = {name: spec.shape for name, spec in hf.specs.items() if name not in dict(table.tied)}
    planned = plan(table.inverted(), shapes, where=hf.weights)
    origin = {line.source: line for line in hf.proof.tensors} if hf.proof else {}
    problems = Problems("weights that are no numbers", where=hf.weights)
    dtypes = {name: spec.dtype for name, spec in hf.specs.items()}
    narrow = {move.target: origin[move.target].source_dtype for move in planned.moves if move.target in origin}
    proofs: list[TensorProof] = []

    def arrays() -> Iterator[Array]:
        for turned in stream(hf.read, planned.moves, dtypes, problems=problems, dtype_of=narrow):
            proofs.append(turned.proof)
            yield turned.array

    specs = [
        TensorSpec(move.target, narrow.get(move.target, dtypes[move.source]), move.target_shape)
        for move in planned.moves
    ]
    write_bundle(folder / PREFIX, specs, arrays())
    problems.raise_if_any()
    said = dict(hf.config.raw) if hf.proof else hf.source_config()
    (folder / "bert_config.json").write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if not (pytorch / "vocab.txt").is_file():
        raise ParityError(
            "no vocab.txt in the Hugging Face directory", where=pytorch, remedy="save its tokenizer there"
        )
    shutil.copyfile(pytorch / "vocab.txt", folder / "vocab.txt")
    changed = [line.target for line in proofs if line.target in origin and not _same(line, origin[line.target])]
    weights = {f"{PREFIX}.index", f"{PREFIX}.data-00000-of-00001"}
    proof = replace(
        hf.as_proof(),
        to="tensorflow",
        tensors=tuple(proofs),
        tied=(),
        files=hash_files(folder, leave_out={*weights, FILE}),
        notes={"weights": PREFIX, "origin": _origin(bool(origin), changed)},
        parity=parity.__version__,
    )
    proof.write(folder)
    return proof


def _same(line: TensorProof, origin: TensorProof) -> bool:
    return line.target_sha256 == origin.source_sha256


def _origin(known: bool, changed: list[str]) -> str:
    if not known:
        return "a Hugging Face directory without a proof"
    if changed:
        return f"{len(changed)} tensors changed since conversion, {changed[0]} among them"
    return "bit-identical to the checkpoint that was converted"
