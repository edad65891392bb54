"""Write a spaCy package: a pipeline, the code it needs, and what makes both importable and installable."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

import parity
from parity.artifacts.folder import new_folder
from parity.artifacts.hf_folder import HfFolder, read_hf_folder
from parity.artifacts.proof import Dropped, Proof, TensorProof, sha256_array, sha256_file
from parity.artifacts.spacy.identity import Identity
from parity.artifacts.spacy.layout import package_files, write_dist_info, write_sdist, write_wheel
from parity.artifacts.spacy.pipeline import Written, write_pipeline
from parity.artifacts.spacy.readme import readme_text
from parity.artifacts.spacy.weights import WEIGHTS, find_pipeline, pipeline_tensors
from parity.errors import BrokenParity, ParityError, Problems
from parity.tensorfile import Array, map_tensors
from parity.weights import Zeros

__all__ = ["Identity", "export", "find_pipeline", "pipeline_tensors"]

_CODE = {"__init__.py": "package_init.py", "component.py": "component.py"}
_NOT_THERE = "the head's class has none, and what it was trained for never reads it"
_LEFT_OUT = "a spaCy pipeline holds the bare model alone; this belongs to a task head"


def export(
    pytorch_dir: Path,
    out: Path,
    *,
    name: str | None,
    lang: str,
    version: str = "1.0.0",
    package: bool = True,
    meta: Mapping[str, str] | None = None,
) -> Proof:
    """Write a spaCy artifact into `out` and return its proof.

    `out` becomes an unpacked wheel: with it on PYTHONPATH, `spacy.load` by the package's name works. It holds the
    package (code, tokenizer, pipeline folder), its `.dist-info`, `conversion.json`, and with `package` also `dist/`
    with the wheel and the source distribution.

    Args:
        pytorch_dir: Hugging Face folder, as `parity convert --to pytorch` writes it.
        out: a new folder, which appears whole or not at all; or an empty one, which its owner puts in place.
        name: the model's name; of it and `lang` the package's name is made: `da_danish_bert`.
        lang: spaCy's code of the language whose tokenizer cuts texts into tokens; `xx` for several.
        version: of the package.
        package: also write wheel and source distribution.
        meta: `description`, `author`, `email`, `url`, `license` for the package's metadata.

    Raises:
        ParityError: the names are not valid, the folder does not fit, or spaCy cannot hold its architecture.
        BrokenParity: the disk returned other weights than were written.
    """
    identity = Identity(name or "", lang, version, dict(meta or {}))
    identity.check()
    source = read_hf_folder(pytorch_dir)
    if reason := source.family.cannot.get("spacy"):
        raise ParityError(f"spaCy cannot hold a {source.family.name}: {reason}", where=pytorch_dir)
    if out.is_dir():
        return _fill(out, source, identity, package=package)
    with new_folder(out) as folder:
        return _fill(folder, source, identity, package=package)


def _fill(root: Path, source: HfFolder, identity: Identity, *, package: bool) -> Proof:
    inner = root / identity.package
    pipeline = inner / identity.release
    inner.mkdir()
    written = write_pipeline(source, pipeline, identity, inner / "tokenizer.json")
    _read_back(pipeline, source, written)
    for target, template in _CODE.items():
        shutil.copyfile(Path(__file__).with_name(template), inner / target)
    shutil.copyfile(pipeline / "meta.json", inner / "meta.json")
    readme = readme_text(identity, written)
    (inner / "README.md").write_text(readme, encoding="utf-8")
    # One proof travels in the package, one lies at the top; each names files from where it lies.
    proof = _proof(source, identity, written)
    _located(proof, pipeline, sorted(path for path in pipeline.rglob("*") if path.is_file())).write(pipeline)
    write_dist_info(root, identity, readme)
    outer = _located(proof, root, package_files(root, identity))
    outer.write(root)
    if package:
        dist = root / "dist"
        dist.mkdir()
        write_wheel(root, identity, dist)
        write_sdist(root, identity, dist, readme)
    return outer


def _read_back(pipeline: Path, source: HfFolder, written: Written) -> None:
    """Compare the tensors on disk with the source's, bit for bit."""
    got, meant = pipeline_tensors(pipeline), map_tensors(source.weights)
    problems = Problems("the pipeline does not hold the weights it was made of", where=pipeline.name)
    expected = {*written.tensors, *written.zeros}
    for name in sorted(set(got) ^ expected):
        problems.add(f"{name} is {'missing' if name in expected else 'not expected'}")
    for name, shape in written.zeros.items():
        if name in got and (got[name].shape != shape or got[name].any()):
            problems.add(f"{name} reads back with other values", remedy="check the disk and its free space")
    for name in sorted(set(got) & set(written.tensors)):
        if not _same_bits(got[name], meant[written.tensors[name]]):
            problems.add(f"{name} reads back with other values", remedy="check the disk and its free space")
    problems.raise_if_any(BrokenParity)


def _same_bits(one: Array, other: Array) -> bool:
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    return bool(np.array_equal(one.reshape(-1).view(np.uint8), other.reshape(-1).view(np.uint8)))


def _proof(source: HfFolder, identity: Identity, written: Written) -> Proof:
    """The folder's proof under the pipeline's own tensor names, less what the bare model does not hold."""
    base = source.as_proof()
    lines = {line.target: line for line in base.tensors}
    left_out = [lines[name] for name in written.left_out if name in lines]
    return replace(
        base,
        to="spacy",
        tensors=(
            *(replace(lines[stored], target=name) for name, stored in written.tensors.items()),
            *(_zeros(name, shape) for name, shape in written.zeros.items()),
        ),
        assumptions=(*base.assumptions, *(f"{name} is written as zeros: {_NOT_THERE}" for name in written.zeros)),
        dropped=(*base.dropped, *(Dropped(line.source, f"{_LEFT_OUT}: {line.target}") for line in left_out)),
        tied=(),
        notes={
            "package": identity.package,
            "version": identity.version,
            "left_out": [{"target": line.target, "reason": _LEFT_OUT} for line in left_out],
            "windows": {"pieces": written.window, "overlap": written.overlap},
        },
        parity=parity.__version__,
    )


def _zeros(name: str, shape: tuple[int, ...]) -> TensorProof:
    digest = sha256_array(np.zeros(shape, np.float32))
    return TensorProof(name, name, Zeros().name, shape, shape, "float32", "float32", digest, digest)


def _located(proof: Proof, folder: Path, files: list[Path]) -> Proof:
    hashed = {path: path.relative_to(folder).as_posix() for path in files}
    weights = [name for name in hashed.values() if name.endswith(WEIGHTS)]
    hashes = {name: sha256_file(path) for path, name in hashed.items() if name not in weights}
    return replace(proof, files=hashes, notes={**proof.notes, "weights": weights})
