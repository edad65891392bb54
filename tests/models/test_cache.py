from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parity.errors import ParityError
from parity.models.cache import build_once, cache_limit, cache_root, evict, expanded, in_use, use, whole

from .support import finished, python


def _entry(root: Path, name: str, size: int, age: float) -> Path:
    """An entry nobody uses, last used `age` seconds ago."""
    folder = root / "models" / name
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(b"x" * size)
    lock = folder.with_name(f".{name}.lock")
    lock.touch()
    os.utime(lock, (time.time() - age,) * 2)
    return folder


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_root_is_the_variable_else_the_platform_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_root() == cache
    monkeypatch.setenv("PARITY_CACHE", "~/somewhere")
    assert cache_root() == Path.home() / "somewhere"
    monkeypatch.delenv("PARITY_CACHE")
    assert cache_root().name == "parity"
    assert not cache.exists()


def test_home_of_nobody_is_refused() -> None:
    with pytest.raises(ParityError, match="no home folder"):
        expanded("~no-such-user-here/models")


@pytest.mark.parametrize(
    ("text", "size"),
    [("40GB", 40 * 10**9), ("1.5 GiB", 3 * 2**29), ("500mb", 5 * 10**8), ("7", 7), ("2k", 2000), ("0", 0)],
)
def test_limit(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE_LIMIT", text)
    assert cache_limit() == size


@pytest.mark.parametrize("text", ["", "much", "-1", "1e9", "3 XB", "GB", "IB"])
def test_limit_that_is_no_size(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE_LIMIT", text)
    with pytest.raises(ParityError, match="PARITY_CACHE_LIMIT is not a size"):
        cache_limit()


def test_limit_by_default() -> None:
    assert cache_limit() == 40 * 10**9


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), ParityError("no")])
def test_interrupted_folder_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def attempt() -> None:
        with whole(tmp_path / "out") as folder:
            (folder / "half").write_text("x")
            raise error

    with pytest.raises(type(error)):
        attempt()
    assert not list(tmp_path.iterdir())


def test_folder_that_exists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="exists already"), whole(tmp_path):
        pass


def test_disk_that_refuses_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ParityError, match="cannot be written"):
        build_once(tmp_path / "file" / "entry", lambda folder: None)


def test_build_runs_once(cache: Path) -> None:
    built: list[Path] = []
    for _ in range(2):
        assert build_once(cache / "models" / "a", built.append) == cache / "models" / "a"
    assert len(built) == 1
    assert built[0] != cache / "models" / "a"


def test_failed_build_leaves_nothing_and_may_be_repeated(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        build_once(cache / "models" / "a", fail)
    assert _names(cache / "models") == [".a.lock"]
    build_once(cache / "models" / "a", lambda folder: (folder / "good").touch())
    assert _names(cache / "models" / "a") == ["good"]


def test_killed_build_is_swept_and_repeated(cache: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from parity.models.cache import build_once
def build(folder):
    (folder / "half").write_text("x")
    print("building", flush=True)
    time.sleep(60)
build_once(Path(sys.argv[1]), build)
"""
    folder = cache / "models" / "a"
    process = python(code, str(folder))
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    assert not folder.exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(_names(folder.parent)) == 2
    build_once(folder, lambda empty: (empty / "good").touch())
    assert _names(folder.parent) == [".a.lock", "a"]
    assert _names(folder) == ["good"]


def test_of_two_processes_one_builds(cache: Path) -> None:
    code = """
import os, sys, time
from pathlib import Path
from parity.models.cache import build_once
def build(folder):
    time.sleep(0.5)
    (folder / "by").write_text(str(os.getpid()))
    print("built")
sys.stdin.readline()
build_once(Path(sys.argv[1]), build)
"""
    folder = cache / "models" / "a"
    processes = [python(code, str(folder)) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(map(finished, processes)) == ["", "built"]
    assert int((folder / "by").read_text()) in {process.pid for process in processes}


def test_least_recently_used_goes_first(cache: Path) -> None:
    old, middle, new = (_entry(cache, name, 100, age) for name, age in (("old", 300), ("middle", 200), ("new", 100)))
    assert evict(cache, 300) == ()
    assert evict(cache, 299) == (old,)
    assert evict(cache, 100) == (middle,)
    assert new.is_dir()
    assert evict(cache, 0) == (new,)
    assert _names(cache / "models") == [".middle.lock", ".new.lock", ".old.lock"]


def test_use_counts_as_recent(cache: Path) -> None:
    old, new = _entry(cache, "old", 100, 300), _entry(cache, "new", 100, 100)
    code = "import sys; from pathlib import Path; from parity.models.cache import use; print(use(Path(sys.argv[1])))"
    assert finished(python(code, str(old))) == "True"
    assert evict(cache, 100) == (new,)


def test_what_is_in_use_stays(cache: Path) -> None:
    mine, theirs, free = (_entry(cache, name, 100, age) for name, age in (("mine", 3), ("theirs", 2), ("free", 1)))
    code = """
import sys
from pathlib import Path
from parity.models.cache import use
use(Path(sys.argv[1]))
print("using", flush=True)
sys.stdin.readline()
"""
    process = python(code, str(theirs))
    assert process.stdout is not None
    assert process.stdout.readline() == "using\n"
    assert use(mine)
    assert [in_use(folder) for folder in (mine, theirs, free)] == [True, True, False]
    assert evict(cache, 0) == (free,)
    finished(process)
    assert evict(cache, 0) == (theirs,)
    assert mine.is_dir()


def test_use_of_nothing(cache: Path) -> None:
    assert not use(cache / "models" / "none")


def test_entry_deleted_by_hand_is_built_again(cache: Path) -> None:
    folder = build_once(cache / "models" / "a", lambda empty: None)
    folder.rmdir()
    assert not use(folder)
    built: list[Path] = []
    build_once(folder, built.append)
    assert len(built) == 1


def test_eviction_of_an_absent_cache(tmp_path: Path) -> None:
    assert evict(tmp_path / "none", 0) == ()


_BUILDER = """
import sys, time
from pathlib import Path
from parity.models.cache import build_once

def build(folder):
    time.sleep(0.5)
    (folder / "file").write_text("whole")

build_once(Path(sys.argv[1]), build)
print("built", flush=True)
sys.stdin.read()  # lives on, and so goes on using the entry
"""


def test_who_waits_for_a_builder_does_not_wait_for_its_end(tmp_path: Path) -> None:
    entry = tmp_path / "kind" / "entry"
    command = [sys.executable, "-c", _BUILDER, str(entry)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        # Each answers while the other is still alive: neither waits for the other's exit.
        for one in both:
            assert one.stdout is not None
            ready, _, _ = select.select([one.stdout], [], [], 30)
            assert ready
            assert one.stdout.readline() == "built\n"
        assert all(one.poll() is None for one in both)
    finally:
        for one in both:
            one.communicate()
