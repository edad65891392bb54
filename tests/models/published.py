"""A card of two small files, published as an archive or one by one, on a server of the test's own."""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

from file_server import File, Server

from parity.models import card
from parity.models.schema import Card, Origin

MB = 1 << 20
BIG = bytes(range(256)) * (4 * MB // 256) + b"end"
CONTENT = {"vocab.txt": b"a\nb\n", "model/w.data": BIG}


def card_of(*urls: str, archive: str | None = None, **changes: object) -> Card:
    given = {"urls": urls, "archive": archive, "folder": "m", "prefix": "model/w", "files": tuple(CONTENT), **changes}
    return card("rubert").model_copy(update={"name": "thing", "source": Origin.model_validate(given)})


def archive_of(content: dict[str, bytes] | None = None) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in (CONTENT if content is None else content).items():
            packed.writestr(f"m/{name}", data)
    return buffer.getvalue()


def singles(server: Server, base: str = "", **options: object) -> Card:
    for name, data in CONTENT.items():
        server.files[f"{base}/{name}"] = File(data)
    return card_of(f"{server.url}{base}", **options)  # type: ignore[arg-type]


def zipped(server: Server, **options: object) -> Card:
    server.files["/a.zip"] = File(archive_of())
    return card_of(f"{server.url}/a.zip", archive="a.zip", **options)  # type: ignore[arg-type]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_whole(cache: Path) -> bool:
    """Whether all is there as served; nothing half may be under the entry's name."""
    folder = cache / "models" / "thing"
    held = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert held in ({}, {f"m/{name}": data for name, data in CONTENT.items()})
    assert not held or not (cache / "downloads" / "thing").exists()
    assert not [path for path in (cache / "models").iterdir() if path.name.endswith(".part")]
    return bool(held)
