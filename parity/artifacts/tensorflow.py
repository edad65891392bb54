"""Back to a TensorFlow checkpoint: the weight table's inverse over a Hugging Face directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import parity
from parity.artifacts.hf_folder import BUFFERS, HfFolder, read_hf_folder
from parity.artifacts.proof import FILE, Dropped, Proof, TensorProof, sha256_array
from parity.artifacts.pytorch import hash_files
from parity.artifacts.stream import assembled, stream, target_dtype
from parity.artifacts.tokenizers import copy_vocabulary
from parity.checkpoints import WRITERS
from parity.errors import Problems
from parity.tensorfile import Array, TensorSpec
from parity.weights import Drop, Move, Table, Zeros, operation, plan


def derive(pytorch: Path, folder: Path, *, tokenizer: bool = True) -> Proof:
    """Fill `folder` with a checkpoint, config and vocabulary as Google's code reads them.

    Where the directory came from a checkpoint and its weights are as converted, the result is bit-identical to that
    checkpoint, which is checked here; its proof then says so.

    Raises:
        ParityError: not a Hugging Face BERT directory, or tensors missing or left over.
    """
    hf = read_hf_folder(pytorch)
    table = hf.family.table(hf.config, hf.head)
    # What the head's class does not have, a directory saved by transformers does not hold.
    absent = sorted(hf.family.unused_by_class(hf.head) - set(hf.specs))
    origin = {line.source: line for line in hf.proof.tensors} if hf.proof else {}
    put_in = [line for line in origin.values() if isinstance(operation(line.operation), Zeros) and hf.holds(line)]
    left = {*absent, *(line.target for line in put_in)}
    table = replace(table, rules=tuple(rule for rule in table.rules if rule.target not in left))
    shapes = {name: spec.shape for name, spec in hf.specs.items() if name not in dict(table.tied)}
    zeros = tuple(Drop(line.target, "zeros that the conversion put in") for line in put_in)
    planned = plan(replace(table.inverted(), drops=(*BUFFERS, *zeros)), shapes, where=hf.weights)
    tied = _tied(hf, dict(table.tied))
    _check_fit(hf, planned.moves)
    problems = Problems("weights that are no numbers", where=hf.weights)
    dtypes = {name: spec.dtype for name, spec in hf.specs.items()}
    # A checkpoint with names of its own (--map) returns under the published ones.
    published = _published(table)
    # Widened weights go back to what they were; trained further they would lose by it.
    widened = [line for line in origin.values() if _widened(line) and hf.holds(line)]
    narrow = {published(line): line.source_dtype for line in widened}
    wide = {move.target: target_dtype(dtypes[move.source]) for move in planned.moves}
    proofs: list[TensorProof] = []

    def arrays() -> Iterator[Array]:
        for parts in assembled(stream(hf.read, planned.moves, dtypes, problems=problems, dtype_of=narrow)):
            proofs.extend(part.proof for part in parts)
            yield parts[0].array

    specs = {
        move.target: TensorSpec(move.target, narrow.get(move.target, wide[move.target]), move.target_shape)
        for move in planned.moves
    }
    prefix, config_name = hf.family.prefix, hf.family.config_names[0]
    written = WRITERS[hf.family.container](folder / prefix, list(specs.values()), arrays())
    weights = prefix if hf.family.container == "bundle" else written[0].name
    problems.raise_if_any()
    said = dict(hf.config.raw) if hf.proof else hf.source_config()
    (folder / config_name).write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if tokenizer:
        copy_vocabulary(hf.family.tokenizer, pytorch, folder)
    made = {line.target: line.target_sha256 for line in proofs}
    kept = [line for line in (hf.proof.tensors if hf.proof else ()) if line not in put_in]
    before = {published(line): line.source_sha256 for line in kept}
    renamed = any(line.source != published(line) for line in kept)
    changed = [name for name in sorted(made | before) if made.get(name) != before.get(name)]
    data = f"{prefix}.data-00000-of-00001"
    base = hf.as_proof()
    proof = replace(
        base,
        to="tensorflow",
        tensors=tuple(proofs),
        dropped=tuple(dict.fromkeys((*base.dropped, *(Dropped(*pair) for pair in (*planned.dropped, *tied))))),
        tied=(),
        files=hash_files(folder, leave_out={data, FILE}),
        notes={"weights": weights, "origin": _origin(bool(origin), changed, renamed), "absent": absent},
        parity=parity.__version__,
    )
    proof.write(folder)
    return proof


def _published(table: Table) -> Callable[[TensorProof], str]:
    """What the original calls a proof's source tensor: of a target made of several parts, every part has its own."""
    sources: dict[str, list[str]] = {}
    for rule in table.expanded():
        sources.setdefault(rule.target, []).append(rule.source)

    def name(line: TensorProof) -> str:
        known = sources.get(line.target, [])
        return known[0] if len(known) == 1 else line.source

    return name


def _tied(hf: HfFolder, tied: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the directory holds twice, and where it stands once; the original has no place for two values."""
    problems = Problems("tied tensors with values of their own", where=hf.weights)
    found = [(name, f"the same as {other}") for name, other in tied.items() if name in hf.specs]
    for name, _ in found:
        if sha256_array(hf.read(name)) != sha256_array(hf.read(tied[name])):
            problems.add(f"{name} is not {tied[name]}", remedy="the original ties them: train with them tied")
    problems.raise_if_any()
    return found


def _check_fit(hf: HfFolder, moves: Sequence[Move]) -> None:
    problems = Problems("the weights are not what the config says", where=hf.folder)
    for move in moves:
        dtype = hf.specs[move.source].dtype
        if target_dtype(dtype) not in ("float32", "float64"):
            problems.add(f"{move.source} is no floating point tensor", got=dtype, remedy="save the model unquantised")
    for key, said, held, variable in hf.family.misfits(hf.config, {move.target: move.target_shape for move in moves}):
        remedy = "write the config that belongs to the weights, and delete conversion.json if it is of other weights"
        problems.add(f"{key} does not fit {variable}", got=said, expected=held, remedy=remedy)
    problems.raise_if_any()


def _widened(line: TensorProof) -> bool:
    return line.source_dtype != line.target_dtype


def _origin(known: bool, changed: list[str], renamed: bool) -> str:
    if not known:
        return "a Hugging Face directory without a proof"
    if changed:
        return f"{len(changed)} tensors changed since conversion, {changed[0]} among them"
    return "bit-identical to the checkpoint that was converted" + (", under the published names" if renamed else "")
