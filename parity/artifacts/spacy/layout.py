"""The files of a Python package around a pipeline: an unpacked wheel, its wheel, and its source distribution.

The formats are those of PEP 427 and 491 (wheel), PEP 643 and the core metadata (METADATA, PKG-INFO), PEP 517 and 621
(pyproject.toml). They are written here and not by a build tool, because float weights do not compress: `spacy package`
spends most of its time on saving seven percent. A test has hatchling build the same wheel from our source distribution.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

from parity.artifacts.spacy.identity import PYTHON, REQUIREMENTS, Identity

_WHEEL = "Wheel-Version: 1.0\nGenerator: parity\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644


def entry_points(identity: Identity) -> dict[str, dict[str, str]]:
    """What the package offers spaCy, by group: the pipeline, and the functions that its config names."""
    package = identity.package
    return {
        "spacy_models": {package: package},
        "spacy_factories": {f"{package}_vectors": f"{package}.component:make_vectors"},
        "spacy_span_getters": {f"{package}.windows.v1": f"{package}.component:make_windows"},
    }


def write_dist_info(root: Path, identity: Identity, readme: str) -> None:
    """Write the `.dist-info` that makes `root`, which holds the package, an unpacked wheel."""
    info = root / f"{identity.release}.dist-info"
    info.mkdir()
    groups = entry_points(identity).items()
    sections = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups]
    (info / "entry_points.txt").write_text("\n".join(sections), encoding="utf-8")
    (info / "METADATA").write_text(_metadata(identity, readme), encoding="utf-8")
    (info / "WHEEL").write_text(_WHEEL, encoding="utf-8")
    (info / "RECORD").write_text(_record(root, identity), encoding="utf-8")


def write_wheel(root: Path, identity: Identity, folder: Path) -> Path:
    """Zip the unpacked wheel in `root`, stored uncompressed, into `folder`; the same input gives the same bytes."""
    path = folder / f"{identity.release}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as wheel:
        for file in package_files(root, identity):
            entry = zipfile.ZipInfo(file.relative_to(root).as_posix(), _EPOCH)
            entry.external_attr = (0o100000 | _MODE) << 16
            entry.file_size = file.stat().st_size
            with file.open("rb") as source, wheel.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    return path


def write_sdist(root: Path, identity: Identity, folder: Path, readme: str) -> Path:
    """Write the `.tar.gz` (gzip level 0) that pip can build the wheel from; the same input gives the same bytes."""
    path = folder / f"{identity.release}.tar.gz"
    texts = {"PKG-INFO": _metadata(identity, readme), "README.md": readme, "pyproject.toml": _pyproject(identity)}
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, text in texts.items():
            spare = folder / name
            spare.write_text(text, encoding="utf-8")
            _add(archive, spare, f"{identity.release}/{name}")
            spare.unlink()
        for file in sorted((root / identity.package).rglob("*")):
            if file.is_file():
                _add(archive, file, f"{identity.release}/{file.relative_to(root).as_posix()}")
    return path


def _add(archive: tarfile.TarFile, file: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = file.stat().st_size, _MODE
    with file.open("rb") as source:
        archive.addfile(entry, source)


def package_files(root: Path, identity: Identity) -> list[Path]:
    """The package's files in order, then those of `.dist-info`, as wheels are to be laid out."""
    folders = (root / identity.package, root / f"{identity.release}.dist-info")
    return [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]


def _record(root: Path, identity: Identity) -> str:
    lines = []
    for file in package_files(root, identity):
        with file.open("rb") as source:
            digest = base64.urlsafe_b64encode(hashlib.file_digest(source, "sha256").digest()).rstrip(b"=").decode()
        lines.append(f"{file.relative_to(root).as_posix()},sha256={digest},{file.stat().st_size}\n")
    return "".join([*lines, f"{identity.release}.dist-info/RECORD,,\n"])


def _metadata(identity: Identity, readme: str) -> str:
    optional = {
        "Author": identity.line("author"),
        "Author-email": identity.line("email"),
        "Home-page": identity.line("url"),
        "License": identity.line("license"),
    }
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {identity.package}",
        f"Version: {identity.version}",
        f"Summary: {identity.summary}",
        *(f"{key}: {value}" for key, value in optional.items() if value),
        f"Requires-Python: {PYTHON}",
        *(f"Requires-Dist: {requirement}" for requirement in REQUIREMENTS),
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(lines) + f"\n\n{readme}"


def _pyproject(identity: Identity) -> str:
    # A JSON string or list of strings is also a TOML one.
    def quoted(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = [
        "[build-system]",
        'requires = ["hatchling>=1.27"]',
        'build-backend = "hatchling.build"',
        "",
        "[project]",
        f"name = {quoted(identity.package)}",
        f"version = {quoted(identity.version)}",
        f"description = {quoted(identity.summary)}",
        'readme = "README.md"',
        f"requires-python = {quoted(PYTHON)}",
        f"dependencies = {quoted(list(REQUIREMENTS))}",
    ]
    author = {key: identity.line(of) for key, of in (("name", "author"), ("email", "email")) if identity.line(of)}
    if author:
        lines.append("authors = [{ " + ", ".join(f"{key} = {quoted(value)}" for key, value in author.items()) + " }]")
    if identity.line("license"):
        lines.append(f"license = {{ text = {quoted(identity.line('license'))} }}")
    if identity.line("url"):
        lines += ["", "[project.urls]", f"Homepage = {quoted(identity.line('url'))}"]
    for group, names in entry_points(identity).items():
        lines += ["", f"[project.entry-points.{group}]", *(f"{quoted(k)} = {quoted(v)}" for k, v in names.items())]
    lines += ["", "[tool.hatch.build]", "ignore-vcs = true", "", "[tool.hatch.build.targets.wheel]"]
    return "\n".join([*lines, f"packages = [{quoted(identity.package)}]", ""])
