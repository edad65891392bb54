"""parity fetch, parity cache: what they print, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import File, Server, serving
from small_bert import ROOT

import parity.models
from parity.models.cache import last_use, use
from parity.models.fetch import resume

from .conftest import Parity

FILES = {"vocab.txt": b"a\n", "w.data": bytes(3_000_000)}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves the files of the card `thing`, which is known besides those that ship."""
    from parity.models.schema import Origin

    monkeypatch.setattr(resume, "pause_s", 0.0)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    shipped = parity.models.card
    with serving() as found:
        found.files.update({f"/{name}": File(data) for name, data in FILES.items()})
        source = Origin(urls=(found.url,), folder="m", prefix="w", files=tuple(FILES))
        thing = shipped("rubert").model_copy(update={"name": "thing", "source": source})
        monkeypatch.setattr(parity.models, "card", lambda name: thing if name == "thing" else shipped(name))
        yield found


def _entry(cache: Path, name: str, size: int = 200_000) -> Path:
    folder = cache / name
    folder.mkdir(parents=True)
    (folder / "x").write_bytes(bytes(size))
    return folder


def test_a_fetch_says_what_came_and_what_to_do_next(parity: Parity, server: Server, cache: Path) -> None:
    said = parity("fetch", "thing")
    assert said.code == 0
    assert said.err == "", "no progress where nobody watches"
    lines = said.out.splitlines()
    assert [line.split()[0::2] for line in lines[:2]] == [["sha256", name] for name in FILES]
    assert lines[2] == f"thing: fetched, 2 files, 3.0 MB in {cache / 'models' / 'thing' / 'm'}"
    assert lines[3] == "next: `parity convert thing OUT`, or `pytest suites/ --model thing`"
    assert (cache / "models" / "thing" / "m" / "w.data").read_bytes() == FILES["w.data"]
    again = parity("fetch", "thing")
    assert again.out.splitlines()[0] == lines[2].replace("fetched", "already there")
    assert len(server.asked) == 2


def test_notes_about_an_archive_cannot_command_the_terminal(
    parity: Parity, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.models import fetch as package

    found = package.Fetched(Path(), (), new=True, checksums={}, notes=("left out: \x1b[2J",))
    monkeypatch.setattr(package, "fetch", lambda card, watch: found)
    assert parity("fetch", "thing").err == "left out: \\x1b[2J\n"


def test_a_dry_run_asks_for_sizes_and_transfers_nothing(parity: Parity, server: Server, cache: Path) -> None:
    said = parity("fetch", "thing", "--dry-run")
    assert said.code == 0
    rows = [line.split() for line in said.out.splitlines()]
    assert rows[0] == ["file", "size", "where", "to", "already", "there"]
    assert rows[2] == ["w.data", "3.0", "MB", str(cache / "models" / "thing" / "m" / "w.data"), "no"]
    assert said.out.splitlines()[-1] == "3.0 MB in all, 3.0 MB to transfer"
    assert {one.method for one in server.asked} == {"HEAD"}
    assert not cache.exists()
    server.files["/w.data"].cuts = [1_000_000, *[0] * resume.TRIES]
    assert parity("fetch", "thing").code == 2
    said = parity("fetch", "thing", "--dry-run")
    assert said.out.splitlines()[2].endswith("1.0 MB of it")
    assert said.out.splitlines()[-1] == "3.0 MB in all, 2.0 MB to transfer"


def test_a_dry_run_tells_what_cannot_be_had(parity: Parity, server: Server) -> None:
    del server.files["/w.data"]
    said = parity("fetch", "thing", "--dry-run")
    assert said.code == 2
    assert "vocab.txt" in said.out
    assert said.err == (
        f"parity: {server.url}/w.data: the server has no such file (HTTP 404); "
        "try another mirror, or put the files into $PARITY_MODELS/NAME yourself\n"
    )


def test_a_failed_fetch_is_one_message_and_exit_2(parity: Parity, server: Server, cache: Path) -> None:
    server.files["/w.data"].statuses = [503] * 9
    said = parity("fetch", "thing")
    assert said.code == 2
    assert said.err == f"parity: {server.url}/w.data: the server is in trouble (HTTP 503); try again later\n"
    assert not (cache / "models" / "thing").exists()
    said = parity("fetch", "thin")
    assert said.code == 2
    assert "no model card named thin" in said.err


def test_progress_is_shown_on_a_terminal_and_on_stderr(
    parity: Parity, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = parity("fetch", "thing")
    assert "w.data" in said.err
    assert "3.0/3.0 MB" in said.err
    assert "\x1b" not in said.out


def test_the_commands_load_neither_pooch_nor_requests_before_they_run() -> None:
    code = """
import sys
import parity, parity.cli, parity.cli.fetch, parity.models
print(sorted({"pooch", "requests", "urllib3", "rich.progress", "pydantic"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# The cache


def test_the_cache_is_listed(parity: Parity, cache: Path) -> None:
    said = parity("cache")
    assert (said.code, said.out) == (0, f"{cache}: 0 entries, 0.0 MB of at most 40,000.0 MB\n")
    _entry(cache, "models/thing")
    os.utime(cache / "models" / "thing", (0, 86400))
    _entry(cache, "oracle/trace")
    use(cache / "oracle" / "trace")
    rows = [line.split() for line in parity("cache").out.splitlines()]
    assert rows[0] == ["kind", "name", "size", "last", "use", "in", "use"]
    day = time.strftime("%Y-%m-%d", time.localtime(86400))
    assert (rows[1][:5], rows[1][-1]) == (["models", "thing", "0.2", "MB", day], "no")
    assert (rows[2][:4], rows[2][-1]) == (["oracle", "trace", "0.2", "MB"], "yes")
    assert rows[3] == [f"{cache}:", *["2", "entries,", "0.4", "MB", "of", "at", "most", "40,000.0", "MB"]]
    plain = json.loads(parity("cache", "--json").out)
    assert plain["limit_bytes"] == 40 * 10**9
    assert [(e["kind"], e["name"], e["bytes"], e["in_use"]) for e in plain["entries"]] == [
        ("models", "thing", 200_000, False),
        ("oracle", "trace", 200_000, True),
    ]


def test_listing_is_no_use(parity: Parity, cache: Path) -> None:
    """Else what was looked at would be deleted last."""
    folder = _entry(cache, "models/thing")
    os.utime(folder, (0, 86400))
    for _ in range(2):
        parity("cache")
        assert last_use(folder) == 86400 * 10**9


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--all"], set()),
        (["--kind", "models"], {"oracle/a"}),
        (["a"], {"models/b"}),
        (["models/a"], {"models/b", "oracle/a"}),
        (["a", "--kind", "oracle"], {"models/a", "models/b"}),
        (["models/a", "models/b"], {"oracle/a"}),
    ],
)
def test_what_is_named_is_cleared(arguments: list[str], left: set[str], parity: Parity, cache: Path) -> None:
    for name in ("models/a", "models/b", "oracle/a"):
        _entry(cache, name)
    before = {f"{p.parent.name}/{p.name}" for p in cache.glob("*/[!.]*")}
    said = parity("cache", "clear", *arguments, "--dry-run")
    assert f"{3 - len(left)} entries would be deleted" in said.out
    assert {f"{p.parent.name}/{p.name}" for p in cache.glob("*/[!.]*")} == before
    said = parity("cache", "clear", *arguments)
    assert said.code == 0
    assert f"{3 - len(left)} entries deleted, {0.2 * (3 - len(left)):.1f} MB; 0 left in use" in said.out
    assert {f"{p.parent.name}/{p.name}" for p in cache.glob("*/[!.]*")} == left


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_is_in_use_is_left_and_told(dry: list[str], parity: Parity, cache: Path) -> None:
    _entry(cache, "models/a")
    busy = _entry(cache, "models/b")
    code = (
        "import sys; from pathlib import Path; from parity.models import use; use(Path(sys.argv[1])); print(); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(busy)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        said = parity("cache", "clear", "--all", *dry)
        other.communicate(b"\n")
    assert said.code == 0
    assert "left, in use: models/b, 0.2 MB\n" in said.out
    assert said.out.endswith("; 1 left in use\n")
    assert busy.is_dir()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say what to clear"),
        (["none"], "no entry none"),
        (["a", "none"], "no entry none"),
        (["a", "--kind", "oracle"], "no entry a"),
        (["--kind", "none"], "no entry of kind none (expected models, oracle)"),
        (["--all", "a"], "--all goes without"),
        (["--all", "--kind", "models"], "--all goes without"),
        (["../../x"], "no entry ../../x"),
    ],
)
def test_what_is_not_there_clears_nothing(arguments: list[str], says: str, parity: Parity, cache: Path) -> None:
    _entry(cache, "models/a")
    _entry(cache, "oracle/b")
    said = parity("cache", "clear", *arguments)
    assert said.code == 2
    assert says in said.err
    assert (cache / "models" / "a").is_dir()
    assert (cache / "oracle" / "b").is_dir()
