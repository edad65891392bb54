"""The Hugging Face directory: config.json, weights, tokenizer files, and the proof."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import parity
from parity.artifacts.proof import FILE, Dropped, Proof, TensorProof, Tied, sha256_file
from parity.artifacts.source import Understood
from parity.artifacts.stream import assembled, stream, target_specs
from parity.artifacts.tokenizers import write_tokenizer
from parity.errors import MissingRuntime, ParityError, Problems
from parity.tensorfile import Array, write_tensors
from parity.weights import BY_HAND

WEIGHTS = {"safetensors": "model.safetensors", "bin": "pytorch_model.bin"}
METADATA = {"format": "pt"}
BETWEEN = ".pytorch"
"""Where the Hugging Face directory lies while another kind of artifact is made from it."""


def write_pytorch(understood: Understood, folder: Path, *, form: str = "safetensors", hashing: bool = True) -> Proof:
    """Fill `folder` with a directory that `from_pretrained` loads.

    Args:
        understood: the source and its plan.
        folder: an empty folder.
        form: `safetensors` or `bin`.
        hashing: off only to measure what hashing costs; such a conversion proves nothing.

    Raises:
        ParityError: unreadable or non-finite weights; MissingRuntime: `bin` without PyTorch.
    """
    checkpoint, dtypes = understood.checkpoint, understood.dtypes
    problems = Problems("weights that are no numbers", where=checkpoint.prefix)
    proofs: list[TensorProof] = []

    def arrays() -> Iterator[Array]:
        turned = stream(understood.read, understood.plan.moves, dtypes, problems=problems, hashing=hashing)
        for parts in assembled(turned):
            proofs.extend(part.proof for part in parts)
            yield parts[0].array

    specs = target_specs(understood.plan.moves, dtypes)
    if form == "safetensors":
        write_tensors(folder / WEIGHTS[form], specs, arrays(), metadata=METADATA)
    else:
        _write_bin(folder / WEIGHTS[form], [spec.name for spec in specs], arrays(), dict(understood.table.tied))
    problems.raise_if_any()
    _check_dropped(understood)
    rules = understood.rules
    written = understood.family.target_config(
        understood.config, understood.head, labels=understood.labels, special=rules.vocab.ids if rules else {}
    )
    (folder / "config.json").write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if rules is not None:
        write_tokenizer(understood.family.tokenizer, folder, rules, positions=understood.config.positions)
    proof = make_proof(understood, "pytorch", tuple(proofs), folder, weights=WEIGHTS[form])
    proof.write(folder)
    return proof


def _check_dropped(understood: Understood) -> None:
    """Read what is left behind, too: a file that is damaged anywhere is not one to build on."""
    entries = understood.checkpoint.entries
    names = [name for name, reason in understood.plan.dropped if reason != BY_HAND and entries[name].dtype != "string"]

    def check(name: str) -> None:
        understood.checkpoint.read(name)

    with ThreadPoolExecutor(2, thread_name_prefix="parity-check") as pool:
        for _ in pool.map(check, names):
            pass


def make_proof(
    understood: Understood, to: str, tensors: tuple[TensorProof, ...], folder: Path, *, weights: str
) -> Proof:
    """Put together what was read, decided and written."""
    config = understood.config
    return Proof(
        to=to,
        family=understood.family.name,
        head=understood.head.name,
        labels=understood.labels,
        source_format=understood.checkpoint.format,
        config_file=understood.config_path.name if understood.config_path else "",
        config=config.raw,
        activation=config.activation,
        epsilon=config.epsilon,
        casing=dict(understood.rules.describe()) if understood.rules else {},
        assumptions=understood.assumptions,
        tensors=tensors,
        dropped=tuple(Dropped(name, reason) for name, reason in understood.plan.dropped),
        tied=tuple(Tied(target, other) for target, other in understood.table.tied),
        # The tensors of a .safetensors are proved one by one; of a .bin only PyTorch knows where they lie.
        files=hash_files(folder, leave_out={weights, FILE} if weights == WEIGHTS["safetensors"] else {FILE}),
        notes={"weights": weights},
        parity=parity.__version__,
    )


def hash_files(folder: Path, *, leave_out: set[str]) -> dict[str, str]:
    """SHA-256 of every file below `folder` but those left out, by relative name."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name.as_posix(): sha256_file(path)
        for name, path in files.items()
        if name.as_posix() not in leave_out and name.parts[0] != BETWEEN
    }


def _write_bin(path: Path, names: list[str], arrays: Iterator[Array], tied: dict[str, str]) -> None:
    try:
        import torch
    except ImportError as error:
        raise MissingRuntime(
            "--format bin is written by PyTorch itself", remedy='pip install "parity[torch]" or use safetensors'
        ) from error
    state: dict[str, Any] = {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}
    state |= {target: state[other] for target, other in tied.items()}
    torch.save(state, path)
    again = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    for name, tensor in state.items():
        # In a row: of an axis of length 1 the stride means nothing, and a view as bytes asks for it all the same.
        if not torch.equal(again[name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8)):
            raise ParityError(f"tensor {name} reads back with other bytes than were written", where=path)
