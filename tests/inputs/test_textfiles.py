"""Text files from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.errors import ParityError
from parity.inputs.textfiles import read_texts, read_utf8


def test_one_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffПервый\r\n\r\n  \t\nsecond one \u2028 still\n第三".encode())
    assert read_texts(path) == ("Первый", "second one \u2028 still", "第三")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no text; write one text a line"),
        (b"\n \n\r\n", "holds no text"),
        ("ok\nпривет".encode("cp1251"), "not UTF-8 text at byte 3 (line 2); save the file as UTF-8"),
        (b"PK\x03\x04\xff\xfe", "not UTF-8 text"),
    ],
)
def test_unusable(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    with pytest.raises(ParityError) as caught:
        read_texts(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_missing_folder_and_too_large(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="cannot be read: No such file"):
        read_texts(tmp_path / "absent.txt")
    with pytest.raises(ParityError, match="cannot be read: Is a directory"):
        read_texts(tmp_path)
    path = tmp_path / "large.txt"
    path.write_bytes(b"x" * 11)
    with pytest.raises(ParityError, match=r"too large for a text file .got 11 bytes, expected at most 10"):
        read_utf8(path, largest=10)
    assert read_utf8(path, largest=11) == "x" * 11


def test_a_size_is_seen_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.txt"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ParityError, match="too large"):
        read_texts(path)
