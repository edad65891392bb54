from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import parity.backends
from parity.backends import RUNTIMES, Runtime, installed, runtime, runtimes, status
from parity.errors import ParityError

GHOST = Runtime("ghost:a", "ghosts.runtime", ("numpy", "a-distribution-nobody-has"), "ghost", "pytorch", "float32")


def test_names_are_split_into_backend_and_variant() -> None:
    row = runtime("openvino:f32")
    assert (row.backend, row.variant, row.kind) == ("openvino", "f32", "openvino")
    assert (runtime("spacy").backend, runtime("spacy").variant) == ("spacy", "")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("opnvino:f32", "openvino:f32"), ("torch", "torch:eager or torch:sdpa"), ("tensorfow", "tensorflow")],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ParityError, match=f"there is no runtime {wrong}.*did you mean {near}"):
        runtime(wrong)


def test_a_name_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(ParityError, match="expected one of oracle, tensorflow"):
        runtime("zzz")


def test_a_backend_stands_for_its_standard_variants() -> None:
    assert [row.name for row in runtimes("torch")] == ["torch:eager", "torch:sdpa"]
    assert [row.name for row in runtimes("openvino")] == ["openvino:f32", "openvino:default"]
    assert [row.name for row in runtimes("tensorflow")] == ["tensorflow"]
    assert [row.name for row in runtimes("openvino:bf16")] == ["openvino:bf16"]
    with pytest.raises(ParityError, match="did you mean"):
        runtimes("openvin")


def test_every_module_of_the_table_is_a_file_here() -> None:
    folder = Path(parity.backends.__file__).parent
    for row in RUNTIMES.values():
        package, _, module = row.module.rpartition(".")
        assert package == "parity.backends"
        assert (folder / f"{module}.py").exists(), row.name


def test_every_extra_of_the_table_is_declared() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {row.extra for row in RUNTIMES.values()} - {""} <= set(project["optional-dependencies"])


def test_status_is_told_without_importing() -> None:
    assert installed(runtime("oracle")) == metadata.version("numpy")
    assert status(runtime("oracle")).state == "ready"
    missing = status(GHOST)
    assert (missing.state, missing.version) == ("missing", None)
    assert missing.reason == 'a-distribution-nobody-has is not installed; pip install "parity[ghost]"'


def test_a_distribution_without_its_package_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = status(runtime("oracle"))
    assert (found.state, found.version) == ("broken", None)
    assert "numpy" in found.reason


def test_the_table_loads_no_framework() -> None:
    frameworks = {"numpy", "scipy", "tensorflow", "torch", "transformers", "spacy", "openvino", "onnx", "onnxruntime"}
    code = (
        "import sys; from parity.backends import RUNTIMES, status; [status(row) for row in RUNTIMES.values()];"
        "import parity.backends.scheduler, parity.backends.worker;"
        f"found = {frameworks!r} & set(sys.modules); sys.exit(f'loaded {{found}}' if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
