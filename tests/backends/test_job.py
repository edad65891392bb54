from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.backends.job import Job
from parity.errors import ParityError

words = st.text(max_size=20)
paths = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True).map(Path)
jobs = st.builds(
    Job,
    backend=words,
    variant=words,
    precision=words,
    family=words,
    head=words,
    artifact=paths,
    source=st.dictionaries(words, words, max_size=3),
    taps=st.lists(words, max_size=4).map(tuple),
    inputs=st.lists(paths, max_size=3).map(tuple),
    out=paths,
    threads=st.integers(1, 64),
    batch_timeout_s=st.floats(0, 1e6),
    memory_limit=st.integers(0, 1 << 40),
    settings=st.dictionaries(words, words, max_size=3),
    meta=st.dictionaries(words, st.none() | words | st.integers() | st.lists(words), max_size=3),
    module=words,
)


@given(jobs)
def test_json_brings_the_same_job_back(job: Job) -> None:
    assert Job.from_json(job.to_json()) == job


def make(**fields: object) -> dict[str, object]:
    job = Job(
        backend="torch",
        variant="eager",
        family="bert",
        head="mlm",
        artifact=Path("a"),
        taps=("x",),
        inputs=(),
        out=Path("o"),
    )
    return {**json.loads(job.to_json()), **fields}


def test_the_name_joins_backend_and_variant(tmp_path: Path) -> None:
    assert Job.from_json(json.dumps(make())).name == "torch:eager"
    assert Job.from_json(json.dumps(make(variant=""))).name == "torch"


def test_every_unknown_and_missing_field_is_named_at_once(tmp_path: Path) -> None:
    raw = make(colour="red")
    del raw["taps"], raw["out"]
    (tmp_path / "job.json").write_text(json.dumps(raw))
    with pytest.raises(ParityError) as caught:
        Job.read(tmp_path / "job.json")
    for part in ("job.json", "3 problems", "colour", "taps", "out"):
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_what_is_no_job_is_refused(text: str) -> None:
    with pytest.raises(ParityError, match="not"):
        Job.from_json(text)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"nowhere\.json: cannot read the job"):
        Job.read(tmp_path / "nowhere.json")
