"""The door itself: help, exit codes, and that nothing a user does wrong ends in a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_bert import ERF, ROOT, tree, write_source

from parity.cli.options import pairs, table
from parity.errors import BrokenParity, MissingRuntime, ParityError

from .conftest import Parity


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = """
import sys
sys.argv = ["parity", "--help"]
from parity.cli import main
try:
    main()
except SystemExit as error:
    heavy = {"numpy", "pydantic", "scipy", "torch", "tensorflow", "transformers", "openvino", "onnx", "spacy", "pytest"}
    heavy |= {"ftfy", "pooch", "regex", "requests", "sentencepiece", "urllib3"}
    print(error.code, sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    for command in ["convert", "verify", "inspect", "trace", "compare", "run", "report", "models", "backends", "cache"]:
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["convert"], ["convert", "a", "b", "--nonsense"], ["trace", "a", "b", "c"]]
)
def test_wrong_usage_is_exit_2(parity: Parity, arguments: list[str]) -> None:
    said = parity(*arguments)
    assert said.code == 2
    assert "Usage: " in said.err


@pytest.mark.parametrize("command", ["convert", "verify", "inspect", "trace", "compare", "run", "models", "cache"])
def test_each_command_explains_itself(parity: Parity, command: str) -> None:
    said = parity(command, "--help")
    assert said.code == 0
    assert "Usage: parity" in said.out


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ParityError("bad", where="f", remedy="mend it"), 2, "parity: f: bad; mend it\n"),
        (BrokenParity("broken"), 1, "parity: broken\n"),
        (MissingRuntime("absent", remedy="pip install x"), 3, "parity: absent; pip install x\n"),
        (KeyboardInterrupt(), 130, None),
        (
            PermissionError(13, "Permission denied", "/a/b"),
            2,
            "parity: /a/b: Permission denied; check path, rights and free space\n",
        ),
        (
            OSError(28, "No space left on device"),
            2,
            "parity: No space left on device; check path, rights and free space\n",
        ),
        (MemoryError(), 2, "parity: out of memory; close other programs, or use a machine with more\n"),
    ],
)
def test_every_kind_of_failure_has_its_exit_code_and_one_line(
    parity: Parity, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str | None
) -> None:
    import parity.artifacts as module

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(module, "convert_checkpoint", fail)
    said = parity("convert", "a", "b")
    assert said.code == code
    assert said.out == ""
    if says is not None:
        assert said.err == says


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_conversion_that_is_stopped_leaves_nothing(tmp_path: Path, number: int) -> None:
    source = write_source(tmp_path / "source")
    code = """
import os, sys, time
import parity.artifacts.stream as stream
from parity.cli import main
plain = stream.sha256_array
def slow(array):
    os.write(1, b"working\\n")  # whole, whichever thread
    time.sleep(0.2)
    return plain(array)
stream.sha256_array = slow
sys.argv = ["parity", "convert", sys.argv[1], sys.argv[2]]
main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(source), str(tmp_path / "new" / "out")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        restore_signals=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "working\n"
        assert any(name.startswith("new/.out.") for name in tree(tmp_path)), "nothing was under way"
        child.send_signal(number)
        _, err = child.communicate(timeout=20)
    assert child.returncode == 128 + number
    assert "Traceback" not in err
    assert {name.split("/")[0] for name in tree(tmp_path)} == {"source"}


def test_a_reader_that_has_gone_is_no_error_of_ours() -> None:
    done = subprocess.run(
        f"{sys.executable} -m parity inspect {ERF} | head -1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert done.stdout.startswith(str(ERF))
    assert done.stderr == ""


def test_pairs() -> None:
    assert pairs("--set", ["a=1", "b=c=d", "e="]) == {"a": "1", "b": "c=d", "e": ""}
    assert pairs("--set", None) == {}
    for bad in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(ParityError, match="--set "):
            pairs("--set", bad)


def test_a_table_is_aligned_without_trailing_blanks() -> None:
    assert table([("a", "long", "x"), ("bcd", "e", "")]) == "a    long  x\nbcd  e"


def test_models_are_listed(parity: Parity) -> None:
    said = parity("models")
    assert said.code == 0
    assert said.out.splitlines()[0].split()[:2] == ["name", "family"]
    rubert = next(line for line in said.out.splitlines() if line.startswith("rubert "))
    assert "12 x 768" in rubert
    assert "119547" in rubert
    assert rubert.endswith("absent: a stand-in is built")
    plain = json.loads(parity("models", "--json").out)
    assert {"rubert", "danish-bert", "bert-base-uncased"} <= {one["name"] for one in plain}


def test_backends_are_listed_with_state_and_remedy(parity: Parity, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = parity("backends").out.splitlines()
    assert lines[0].split()[0] == "runtime"
    assert next(line for line in lines if line.startswith("oracle")).split()[1:4] == ["float64", "source", "ready"]
    import parity.backends as module

    monkeypatch.setattr(
        module.metadata, "version", lambda name: (_ for _ in ()).throw(module.metadata.PackageNotFoundError)
    )
    plain = {row["runtime"]: row for row in json.loads(parity("backends", "--json").out)}
    assert plain["openvino:f32"]["state"] == "missing"
    assert 'pip install "parity[openvino]"' in plain["openvino:f32"]["version or remedy"]
