"""The suites as a user runs them: one process for the options, one for a whole small run."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def suites(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PARITY_CACHE": str(cache)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "suites", "-p", "no:cacheprovider", "-q", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ids_are_what_the_documents_promise_and_no_framework_is_loaded(cache: Path) -> None:
    probe = (
        "import sys, pytest; status = pytest.main(['suites', '--model', 'rubert', '--collect-only', '-q']); "
        "frameworks = {'torch', 'tensorflow', 'spacy', 'openvino', 'onnxruntime', 'transformers'}; "
        "frameworks |= {'ftfy', 'pooch', 'regex', 'requests', 'sentencepiece', 'urllib3'}; "
        "print('LOADED', sorted(frameworks & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "suites/test_hidden_states.py::test_layer[rubert-openvino:f32-float32-layer.7]" in done.stdout
    assert "suites/test_heads.py::test_head[rubert-torch:sdpa-float32-logits.mlm]" in done.stdout
    assert "LOADED []" in done.stdout


def test_without_a_model_the_remedy_is_told(cache: Path) -> None:
    done = suites(cache)
    assert done.returncode != 0
    assert "--model rubert" in done.stdout + done.stderr


def test_a_wrong_model_is_a_usage_error(cache: Path) -> None:
    done = suites(cache, "--model", "rubret")
    assert done.returncode == 4
    assert "did you mean rubert" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_leaves_reports_and_junit_properties(cache: Path, tmp_path: Path) -> None:
    report, junit = tmp_path / "run", tmp_path / "junit.xml"
    done = suites(
        cache, "--model=rubert", "--scale=tiny", "--backend=torch:eager", f"--report={report}", f"--junitxml={junit}",
        "-k", "not transformers and not reloaded",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "parity holds" in done.stdout
    assert "deselected" in done.stdout
    assert {path.name for path in report.iterdir()} >= {"report.html", "deviations.csv", "summary.csv", "summary.md"}
    cases = {case.get("name"): case for case in ElementTree.parse(junit).iter("testcase")}
    properties = {
        item.get("name"): item.get("value")
        for item in cases["test_layer[rubert-torch:eager-float32-layer.1]"].iter("property")
    }
    assert properties["parity.status"] == "pass"
    assert 0 < float(properties["parity.value"]) < 3


def test_xdist_workers_share_one_run(cache: Path, tmp_path: Path) -> None:
    report = tmp_path / "run"
    done = suites(
        cache, "--model=rubert", "--scale=tiny", "--backend=torch", f"--report={report}", "-n2", "--dist=loadgroup",
        "-k", "layer or proof",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert len(list(report.glob("events-*.jsonl"))) == 3  # two workers and the controller
    assert "parity holds" in done.stdout


def test_a_folder_without_questions_is_an_error_of_pytests_own(cache: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-p", "parity.pytest_plugin", "--model=rubert",
         f"--report={tmp_path / 'run'}", tmp_path],
        cwd=ROOT, env={**os.environ, "PARITY_CACHE": str(cache)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
