"""Archives from outside: the named files come out, and nothing that an attacker puts in leads anywhere else."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.models import archives, members
from parity.models.archives import unpack
from parity.models.members import BadArchive

FILES = ("vocab.txt", "model/w.data")
GOOD = {"m/vocab.txt": b"a\nb\n", "m/model/w.data": bytes(range(256)) * 5000}
Entry = tuple[str, bytes]
Make = Callable[[Path, Iterable[Entry]], Path]


def _zip(path: Path, entries: Iterable[Entry]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries:
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, data)
    return path


def _tar(path: Path, entries: Iterable[Entry], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:  # type: ignore[call-overload]
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


def _plain_tar(path: Path, entries: Iterable[Entry]) -> Path:
    return _tar(path, entries, "w")


each_format = pytest.mark.parametrize("make", [_zip, _tar, _plain_tar])


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "outer" / "into"
    folder.mkdir(parents=True)
    return folder


def _unpack(archive: Path, into: Path, **options: object) -> archives.Unpacked:
    given: dict[str, object] = {"folder": "m", "files": FILES, "limit": 1 << 30, **options}
    return unpack(archive, into, **given)  # type: ignore[arg-type]


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if not p.is_dir()}


def _refused(archive: Path, into: Path, match: str, kind: type[ParityError] = BadArchive) -> None:
    """Refused, before anything was written, inside the folder or out of it."""
    before = set(into.parent.parent.rglob("*"))
    with pytest.raises(kind, match=match):
        _unpack(archive, into)
    assert set(into.parent.parent.rglob("*")) == before


@each_format
def test_named_files_come_out_and_the_rest_is_told(make: Make, tmp_path: Path, into: Path) -> None:
    seen: list[tuple[int, int]] = []
    archive = make(tmp_path / "a", [*GOOD.items(), ("m/README", b"hello"), ("__MACOSX/m/._vocab.txt", b"")])
    found = _unpack(archive, into, advance=lambda done, total: seen.append((done, total)))
    assert _tree(into) == GOOD
    assert found.files == tuple(into / "m" / name for name in FILES)
    assert found.left_out == ("m/README", "__MACOSX/m/._vocab.txt")
    assert found.parent == "m"
    total = sum(map(len, GOOD.values()))
    assert seen[-1] == (total, total)


@each_format
@pytest.mark.parametrize("parent", ["./m/", "other/", "a/b/", "", "./"])
def test_files_of_another_folder_are_found_if_it_is_the_only_one(
    make: Make, parent: str, tmp_path: Path, into: Path
) -> None:
    archive = make(tmp_path / "a", [(f"{parent}{name[2:]}", data) for name, data in GOOD.items()])
    found = _unpack(archive, into)
    assert _tree(into) == GOOD
    assert found.parent == parent.removeprefix("./").rstrip("/")


@each_format
def test_of_several_folders_the_cards_own_is_taken_or_none(make: Make, tmp_path: Path, into: Path) -> None:
    others = [(f"{other}/{name[2:]}", b"no") for other in ("x", "y") for name in GOOD]
    assert _unpack(make(tmp_path / "a", [*others, *GOOD.items()]), into).parent == "m"
    assert _tree(into) == GOOD
    (tmp_path / "o2").mkdir()
    (tmp_path / "o2" / "i").mkdir()
    _refused(make(tmp_path / "b", others), tmp_path / "o2" / "i", r"(?s)m/vocab.txt is not in it.*m/model/w.data")


@each_format
def test_a_file_that_is_missing_is_named_with_what_there_is(make: Make, tmp_path: Path, into: Path) -> None:
    archive = make(tmp_path / "a", [("m/vocab.txt", b""), ("m/weights", b"")])
    _refused(archive, into, r"m/model/w.data is not in it \(got m/vocab.txt, m/weights\)")


@each_format
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("/etc/passwd", "absolute path"),
        ("\\windows\\x", "absolute path"),
        ("C:\\x", "absolute path"),
        ("C:x", "absolute path"),
        ("../x", "outside"),
        ("m/../../x", "outside"),
        ("m/..", "outside"),
        ("m\\..\\..\\x", "outside"),
    ],
)
def test_a_path_that_leads_out_condemns_the_archive(
    make: Make, name: str, what: str, tmp_path: Path, into: Path
) -> None:
    _refused(make(tmp_path / "a", [*GOOD.items(), (name, b"evil")]), into, what)


@each_format
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("twin", ["m/vocab.txt", "m/VOCAB.txt", "M/vocab.TXT", "./m/vocab.txt", "m//vocab.txt"])
def test_a_name_that_two_members_have_is_refused(make: Make, twin: str, tmp_path: Path, into: Path) -> None:
    _refused(make(tmp_path / "a", [*GOOD.items(), (twin, b"other")]), into, "several members have this name")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
        (tarfile.DIRTYPE, "folder"),
        (tarfile.GNUTYPE_SPARSE, "sparse file"),
        (b"Z", "special file"),
    ],
)
@pytest.mark.parametrize("wanted", [True, False])
def test_what_is_no_regular_file_is_never_made(
    kind: bytes, told: str, wanted: bool, tmp_path: Path, into: Path
) -> None:
    outside = tmp_path / "secret"
    outside.write_text("secret")
    with tarfile.open(tmp_path / "a", "w:gz") as packed:
        info = tarfile.TarInfo("m/vocab.txt" if wanted else "m/extra")
        info.type, info.linkname = kind, str(outside)
        packed.addfile(info)
        for name, data in GOOD.items():
            if not wanted or name != "m/vocab.txt":
                plain = tarfile.TarInfo(name)
                plain.size = len(data)
                packed.addfile(plain, io.BytesIO(data))
    if wanted:
        _refused(tmp_path / "a", into, f"no regular file.*({told})")
        return
    found = _unpack(tmp_path / "a", into)
    assert set(_tree(into)) == set(GOOD)
    assert not any(path.is_symlink() for path in into.rglob("*"))
    assert found.left_out == (() if kind == tarfile.DIRTYPE else ("m/extra",))


def test_a_link_through_which_a_later_member_would_be_written_is_not_followed(tmp_path: Path, into: Path) -> None:
    """The classic: a link `m/model` to elsewhere, then `m/model/w.data`."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with tarfile.open(tmp_path / "a", "w") as packed:
        link = tarfile.TarInfo("m/model")
        link.type, link.linkname = tarfile.SYMTYPE, str(elsewhere)
        packed.addfile(link)
        for name, data in GOOD.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    assert _unpack(tmp_path / "a", into).left_out == ("m/model",)
    assert _tree(into) == GOOD
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("mode", "told"),
    [(stat.S_IFLNK, "symbolic link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "pipe"), (stat.S_IFSOCK, "special")],
)
def test_a_zip_member_with_the_mode_of_something_else_is_no_file(
    mode: int, told: str, tmp_path: Path, into: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as packed:
        packed.writestr("m/model/w.data", b"")
        info = zipfile.ZipInfo("m/vocab.txt")
        info.external_attr = (mode | 0o777) << 16
        packed.writestr(info, b"/etc/passwd")
    _refused(tmp_path / "a", into, f"no regular file.*{told}")


def test_modes_of_the_archive_are_not_taken(tmp_path: Path, into: Path) -> None:
    with tarfile.open(tmp_path / "a", "w") as packed:
        for name, data in GOOD.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid = len(data), 0o6777, 0
            packed.addfile(info, io.BytesIO(data))
    for path in _unpack(tmp_path / "a", into).files:
        assert path.stat().st_mode & 0o7111 == 0


def test_encrypted_and_oddly_compressed_members_are_no_files(tmp_path: Path, into: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w", zipfile.ZIP_BZIP2) as packed:
        for name, data in GOOD.items():
            packed.writestr(name, data)
    _refused(tmp_path / "a", into, "unknown compression")
    plain = bytearray(_zip(tmp_path / "b", GOOD.items()).read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        plain[plain.find(mark) + flags] |= 1
    (tmp_path / "c").write_bytes(plain)
    _refused(tmp_path / "c", into, "encrypted")


# Bombs


@each_format
def test_more_than_weights_expand_to_is_refused_before_it_is_written(
    make: Make, tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SLACK", 1 << 20)
    archive = make(tmp_path / "a", [("m/vocab.txt", b""), ("m/model/w.data", bytes(30 << 20))])
    if make is _plain_tar:
        _unpack(archive, into)
    else:
        _refused(archive, into, "unpacks to far more than weights do")


def test_a_bomb_beside_the_files_is_not_read_for_ever(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "SLACK", 1 << 20)
    archive = _tar(tmp_path / "a", [*GOOD.items(), ("bomb", bytes(64 << 20))])
    assert archive.stat().st_size < 1 << 20
    _refused(archive, into, "expands to far more")
    _refused(_tar(tmp_path / "b", [("bomb", bytes(64 << 20)), *GOOD.items()]), into, "expands to far more")


@each_format
def test_the_limit_and_the_disk_bound_what_comes_out(
    make: Make, tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make(tmp_path / "a", GOOD.items())
    total = sum(map(len, GOOD.values()))
    with pytest.raises(ParityError, match=r"more than the cache may hold.*PARITY_CACHE_LIMIT"):
        _unpack(archive, into, limit=total - 1)
    usage = archives.shutil.disk_usage(into)
    with monkeypatch.context() as patch:
        patch.setattr(archives.shutil, "disk_usage", lambda path: usage._replace(free=total - 1))
        _refused(archive, into, "more than the disk has room for", ParityError)
    _unpack(archive, into, limit=total)


@each_format
def test_too_many_members_are_refused(make: Make, tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 50)
    archive = make(tmp_path / "a", [*GOOD.items(), *((f"m/{i}", b"") for i in range(49))])
    _refused(archive, into, "too many members")


def test_a_directory_of_a_million_members_is_not_read(tmp_path: Path, into: Path) -> None:
    """Each costs some hundred bytes once parsed: the directory's size is bounded before."""
    archive = _zip(tmp_path / "a", [*GOOD.items(), *((f"{i:0200}", b"") for i in range(5000))])
    _refused(archive, into, "a directory of")


def test_a_long_name_of_gigabytes_is_not_read(tmp_path: Path, into: Path) -> None:
    """A header may declare a name of any length; gzip packs it a thousandfold."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 100 << 20
    with gzip.open(tmp_path / "a", "wb", 1) as packed:
        packed.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(100):
            packed.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        _refused(tmp_path / "a", into, "a header of")
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_chain_of_long_names_ends(tmp_path: Path, into: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 10
    block = info.tobuf(tarfile.GNU_FORMAT) + b"abc".ljust(512, b"\0")
    with gzip.open(tmp_path / "a", "wb") as packed:
        packed.write(block * 5000)
    _refused(tmp_path / "a", into, "damaged")


@pytest.mark.parametrize("delta", [-1, 1])
def test_a_zip_that_lies_about_a_size_is_refused(delta: int, tmp_path: Path, into: Path) -> None:
    data = GOOD["m/vocab.txt"]
    plain = bytearray(_zip(tmp_path / "a", [("m/vocab.txt", data), ("m/model/w.data", b"")]).read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = plain.find(mark) + at
        plain[place : place + 4] = (len(data) + delta).to_bytes(4, "little")
    (tmp_path / "a").write_bytes(plain)
    with pytest.raises(BadArchive, match=r"damaged|shorter than it says"):
        _unpack(tmp_path / "a", into)


def test_a_tar_with_a_negative_size_is_refused(tmp_path: Path, into: Path) -> None:
    info = tarfile.TarInfo("m/vocab.txt")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a").write_bytes(bytes(header) + bytes(10240))
    _refused(tmp_path / "a", into, "damaged|negative")


@each_format
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused(make: Make, part: float, tmp_path: Path, into: Path) -> None:
    whole = make(tmp_path / "a", [("m/vocab.txt", b"x"), ("m/model/w.data", bytes(range(251)) * 9000)]).read_bytes()
    if make is _plain_tar:
        # Its end is filled with zeros that say nothing.
        whole = whole[: len(whole) - 10240]
    (tmp_path / "a").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(BadArchive):
        _unpack(tmp_path / "a", into)


def test_a_flipped_bit_is_found(tmp_path: Path, into: Path) -> None:
    for name, make in (("z", _zip), ("t", _tar)):
        broken = bytearray(make(tmp_path / name, GOOD.items()).read_bytes())
        broken[len(broken) // 2] ^= 0x40
        (tmp_path / name).write_bytes(broken)
        (into / name).mkdir()
        with pytest.raises(BadArchive):
            _unpack(tmp_path / name, into / name)


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html>", b"PK", b"PK\x03\x04", b"\x1f\x8b", b"\x1f\x8b" + bytes(99)]
)
def test_what_is_no_archive_is_told(content: bytes, tmp_path: Path, into: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    _refused(tmp_path / "a", into, "neither zip nor tar|damaged")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), make=st.sampled_from([_zip, _tar, _plain_tar]))
def test_no_bytes_lead_to_anything_but_the_files_or_a_refusal(
    data: st.DataObject, make: Make, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    content = bytearray(make(folder / "a", [("m/vocab.txt", b"abc"), ("m/model/w.data", b"0" * 300)]).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 4000) - 1))] = data.draw(st.integers(0, 255))
    (folder / "a").write_bytes(content)
    (folder / "into").mkdir()
    with suppress(ParityError):
        _unpack(folder / "a", folder / "into")
    assert set(_tree(folder)) <= {"a", "into/m/vocab.txt", "into/m/model/w.data"}
