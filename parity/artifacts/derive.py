"""Artifacts made from a converted Hugging Face directory, each with its proof: OpenVINO IR, ONNX file, spaCy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import parity
from parity.artifacts.graph_constants import Constant, constants, sha256
from parity.artifacts.hf_folder import read_hf_folder
from parity.artifacts.proof import FILE, Dropped, Proof, TensorProof, sha256_array
from parity.artifacts.pytorch import hash_files
from parity.artifacts.quantised import Quantised, quantised
from parity.errors import BrokenParity, ParityError, Problems
from parity.graphfile import Place, ir_places, onnx_file
from parity.tensorfile import Array

_SIDE_FILES = ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def openvino(pytorch: Path, folder: Path, *, compress: str | None = None) -> Proof:
    """Fill `folder` with openvino_model.xml and .bin.

    Args:
        pytorch: the Hugging Face directory.
        folder: where to.
        compress: `fp16` stores weights in half precision, `int8` dense kernels as integers with a scale per output.

    Raises:
        ParityError: the directory or the option is unusable; BrokenParity: a weight is not in the IR.
    """
    from parity.artifacts.openvino import export

    _check_compression(compress, ("fp16", "int8"))
    export(pytorch, folder, compress=compress)
    places = ir_places(folder / "openvino_model.xml")
    return _graph_proof(pytorch, folder, "openvino", places, {"openvino_model.xml", "openvino_model.bin"}, compress)


def onnx(pytorch: Path, folder: Path, *, compress: str | None = None) -> Proof:
    """Fill `folder` with model.onnx (and its external data above 2 GB).

    Args:
        pytorch: the Hugging Face directory.
        folder: where to.
        compress: `int8` has ONNX Runtime's `quantize_dynamic` store weights as integers.

    Raises:
        ParityError: the directory is unusable; BrokenParity: a weight is not in the graph.
    """
    from parity.artifacts.onnx import export

    _check_compression(compress, ("int8",))
    export(pytorch, folder)
    if compress == "int8":
        from parity.artifacts.onnx_int8 import quantise

        quantise(folder)
    weights = {path.name for path in folder.iterdir() if path.name.startswith("model.onnx")}
    return _graph_proof(pytorch, folder, "onnx", onnx_file(folder / "model.onnx").places, weights, compress)


def spacy(
    pytorch: Path, folder: Path, *, name: str | None = None, lang: str | None = None, package: bool | None = None
) -> Proof:
    """Fill `folder` with a spaCy pipeline and, if asked for, an sdist and a wheel of it.

    Raises:
        ParityError: the directory or the name is unusable.
    """
    from parity.artifacts.spacy import export

    return export(pytorch, folder, name=name, lang=lang or "xx", package=bool(package))


def _check_compression(compress: str | None, known: Sequence[str]) -> None:
    if compress is not None and compress not in known:
        raise ParityError("unknown compression", got=compress, expected=" or ".join(known))


def _graph_proof(
    pytorch: Path, folder: Path, to: str, places: Sequence[Place], weights: set[str], compress: str | None
) -> Proof:
    hf = read_hf_folder(pytorch)
    base = hf.as_proof()
    found, kept, missing = find_constants(base.tensors, constants(places), hf.read, half=compress == "fp16")
    if compress == "int8":
        integers = quantised(places)
        lines = [(line, quantised_line(line, integers, hf.read)) for line in missing]
        kept += [line for _, line in lines if line is not None]
        missing = [line for line, stored in lines if stored is None]
        found |= dict.fromkeys((line.target for _, line in lines if line is not None), "as integers")
    unused = hf.family.unused_by_class(hf.head)
    problems = Problems("weights that did not arrive in the graph", where=folder.name)
    for line in missing:
        if line.target not in unused:
            problems.add(f"{line.target} is none of the graph's constants", remedy="report this as a bug")
    problems.raise_if_any(BrokenParity)
    for name in _SIDE_FILES:
        if (pytorch / name).is_file():
            shutil.copyfile(pytorch / name, folder / name)
    left = tuple(Dropped(line.source, f"{hf.head.target_class} does not use {line.target}") for line in missing)
    proof = replace(
        base,
        to=to,
        tensors=tuple(kept),
        dropped=(*base.dropped, *left),
        # Constants that are no weights (an epsilon, a mask) lie in the same files: those are proved as a whole, too.
        files=hash_files(folder, leave_out={FILE}),
        notes={"weights": sorted(weights), "found": dict(sorted(found.items())), "compress": compress or "none"},
        parity=parity.__version__,
    )
    proof.write(folder)
    return proof


def find_constants(
    lines: Iterable[TensorProof], constants: Iterable[Constant], read: Callable[[str], Array], *, half: bool
) -> tuple[dict[str, str], list[TensorProof], list[TensorProof]]:
    """Find every proved tensor among a graph's constants by content, as stored or transposed.

    Args:
        lines: the proof's tensors.
        constants: the graph's.
        read: gives a target tensor by name, to cast it.
        half: the graph stores float16 where the values allow.

    Returns:
        How each target was found, its line as stored in the graph, and the lines that were not found.
    """
    stored: dict[str, str] = {}
    for constant in constants:
        stored.setdefault(constant.sha256, "as stored")
        if constant.sha256_transposed:
            stored.setdefault(constant.sha256_transposed, "transposed")
    found: dict[str, str] = {}
    kept: list[TensorProof] = []
    missing: list[TensorProof] = []
    for line in lines:
        candidates = [line]
        if half:
            digest = sha256_array(read(line.target).astype(np.float16))
            candidates.append(replace(line, target_dtype="float16", target_sha256=digest))
        match = next((candidate for candidate in candidates if candidate.target_sha256 in stored), None)
        if match is None:
            missing.append(line)
        else:
            found[line.target] = stored[match.target_sha256]
            kept.append(match)
    return found, kept, missing


def quantised_line(
    line: TensorProof, integers: Mapping[str, Quantised], read: Callable[[str], Array]
) -> TensorProof | None:
    """A tensor's line of the proof where a graph holds it as integers; None where it does not.

    Args:
        line: the tensor as the Hugging Face directory holds it.
        integers: the graph's integer weights by name.
        read: gives a target tensor by name: every value must be the nearest step to it.
    """
    stored = integers.get(line.target)
    if stored is None:
        return None
    array = read(line.target)
    if array.ndim > 2:
        # A kernel kept by head, as in XLNet, is a matrix to a graph.
        array = array.reshape(len(array), -1)
    for turned in (False, True):
        if stored.integers.shape == (array.T if turned else array).shape and stored.holds(array.T if turned else array):
            held = stored.integers.read()
            return replace(line, target_dtype=stored.integers.dtype, target_sha256=sha256(held.T if turned else held))
    return None
