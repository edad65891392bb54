"""`parity replay CASE`: exit 1 while it breaks, 0 when it holds, 2 for what is no case."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from parity.runs.casefile import CaseFile

from .conftest import Parity

pytest.importorskip("tokenizers", reason='pip install "parity[torch]"')

CASE = CaseFile(
    question="generated_ids",
    model="rubert",
    scale="tiny",
    runtime="tokenizers",
    texts=("привет [MASK] мир",),
    message="other ids",
)


def test_a_case_that_holds_is_exit_0(parity: Parity, tmp_path: Path) -> None:
    said = parity("replay", CASE.write(tmp_path), "--in-process")
    assert said.code == 0
    assert "holds now: 'привет [MASK] мир' gets the source's ids from tokenizers" in said.out


def test_a_case_that_breaks_is_exit_1(parity: Parity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.runs.generated_ids.read_known", lambda: ())
    said = parity("replay", CASE.write(tmp_path), "--in-process")
    assert said.code == 1
    assert "still broken: " in said.err
    assert "[MASK]" in said.err


@pytest.mark.parametrize("change", [{"model": "rubrt"}, {"runtime": "tokenisers"}, {"scale": "medium"}])
def test_what_names_nothing_known_is_exit_2(parity: Parity, tmp_path: Path, change: dict[str, str]) -> None:
    said = parity("replay", replace(CASE, **change).write(tmp_path))  # type: ignore[arg-type]
    assert said.code == 2, said


def test_what_is_no_case_is_exit_2(parity: Parity, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    for path in (tmp_path / "report.json", tmp_path / "absent.json"):
        said = parity("replay", path)
        assert said.code == 2
        assert path.name in said.err
