from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from parity.checkpoints import file_digest
from parity.errors import ParityError


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first = file_digest(path)
    assert first == hashlib.sha256(b"one").digest()
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert file_digest(path) == first, "it was read again"
    path.write_bytes(b"other")
    assert file_digest(path) == hashlib.sha256(b"other").digest()
    path.unlink()
    with pytest.raises(ParityError, match="cannot be read"):
        file_digest(path)
