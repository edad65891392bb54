"""The documents are true: every command in them runs (on small models), every option, extra, link and file exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer.main
from small_bert import arrays, write_source

from parity.artifacts import convert
from parity.cli import app
from parity.inputs.corpora import sentences
from parity.models import Source, card_names, resolve
from parity.runs.casefile import CaseFile
from slow.documents import Command, anchors, commands, documents, links, spans
from slow.environments import ROOT, environ, run
from slow.workshops import FURNISHED, SMALLER

PARITY = (sys.executable, "-m", "parity")
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
TINY = ("--scale", "tiny")
SIZED = ("run", "faults", "calibrate")
"""Commands of parity that know --scale; the others are given the folder of a tiny stand-in instead of a card."""
SHORTER = {
    "faults": lambda words: words if "--only" in words else [*words, "--only", "T-01", "--sound", "2"],
    "calibrate": lambda words: [*words, "--backend", "torch:eager", "--out", "limits.json"],
    "run": lambda words: one_runtime([*words, "--examples", "20"] if "--profile" in words else words),
}
"""What takes many minutes as it is written. `make test` has the suites on every runtime."""
FEWER = {"200": "20"}
"""Generated examples."""
DOCUMENTS = documents()
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


@pytest.fixture
def workshop(stand_ins: dict[str, Source], tmp_path: Path) -> Path:
    """A folder with what the documents' readers have: checkpoints, inputs, sentences, an artifact."""
    uncased, cased = stand_ins["bert-base-uncased"], stand_ins["rubert"]
    (tmp_path / "uncased_L-12_H-768_A-12").symlink_to(uncased.checkpoint.parent)
    (tmp_path / "CHECKPOINT").symlink_to(cased.checkpoint.parent)
    config = json.loads(cased.config.read_text())
    vocab = cased.vocab.read_text(encoding="utf-8").splitlines()
    tensors = arrays("classifier", config=config)
    write_source(tmp_path / "my-classifier", "classifier", config=config, vocab=vocab, tensors=tensors)
    told = {"bert_config_path": "my-classifier/bert_config.json", "bert_model_class": "BertForTokenClassification"}
    (tmp_path / "converter_config.json").write_text(json.dumps(told))
    (tmp_path / "my-sentences.txt").write_text("\n".join(sentences()[:12]) + "\n", encoding="utf-8")
    ids = np.random.default_rng(4).integers(0, config["vocab_size"], (3, 20), dtype=np.int32)
    (tmp_path / "INPUTS").mkdir()
    for name in ("inputs.npz", "INPUTS/inputs.npz"):
        np.savez(tmp_path / name, input_ids=ids)
    case = CaseFile(
        question="generated_ids",
        model="rubert",
        scale="tiny",
        runtime="tokenizers",
        texts=("привет",),
        message="other ids",
    )
    case.write(tmp_path / "reports" / "RUN" / "cases").rename(tmp_path / "reports" / "RUN" / "cases" / "CASE.json")
    for name in ("DIR", "pytorch"):
        convert(resolve(str(tmp_path / "CHECKPOINT")), tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("document", [name for name in NAMES if commands(ROOT / name)])
def test_every_command_runs(document: str, workshop: Path) -> None:
    failed = []
    if document in FURNISHED:
        FURNISHED[document](workshop)
    for command in commands(ROOT / document):
        if command.words[:2] == ("parity", "convert"):
            shutil.rmtree(workshop / command.words[3], ignore_errors=True)  # the line before it is another way to it
        try:
            translated = TRANSLATED[command.words[0]](command)
            if translated:
                run(translated, cwd=workshop, env=environ(PYTHONPATH=str(ROOT)))
        except pytest.fail.Exception as failure:
            failed.append(f"{document}, {command}\n{failure}")
    assert not failed, "\n\n".join(failed)


def parity(command: Command) -> list[str]:
    words = list(command.words[1:])
    if words[:1] and words[0] in SIZED:
        return [*PARITY, *tiny(SHORTER[words[0]](words))]
    if words[:1] == ["fetch"]:
        return rehearsed(words)
    if words[:1] == ["legacy"]:  # an old tool's word for an architecture is no card
        return [*PARITY, *words]
    return [*PARITY, *(stand_in(word) if word in card_names() else SMALLER.get(word, word) for word in words)]


def rehearsed(words: list[str]) -> list[str]:
    """Nothing is fetched by a test: card and options have to exist, and tests/cli/test_fetch.py does the rest."""
    assert words[1] in card_names()
    return [*PARITY, *words, "--help"]


def stand_in(name: str) -> str:
    return str(resolve(name, scale="tiny").checkpoint.parent)


def tiny(words: list[str]) -> list[str]:
    named = "--scale" in words
    return [*words[: words.index("--scale")], *words[words.index("--scale") + 2 :], *TINY] if named else [*words, *TINY]


def suites(command: Command) -> list[str]:
    words = [FEWER.get(word, word) for word in command.words[1:]]
    return [*PYTEST, *tiny(one_runtime([here(word) for word in words]))]


def one_runtime(words: list[str]) -> list[str]:
    return words if "--backend" in words else [*words, "--backend", "torch:eager"]


def here(word: str) -> str:
    """A path of the repository, from anywhere."""
    return str(ROOT / word) if not word.startswith(("-", ".")) and (ROOT / word).exists() else word


def own_tests(command: Command) -> list[str]:
    assert command.words[1:3] == ("-m", "pytest"), command
    return [*PYTEST, *map(here, command.words[3:])]


def target(command: Command) -> list[str]:
    """A rehearsal: the target exists, and all it depends on."""
    return ["make", "--dry-run", "--directory", str(ROOT), *command.words[1:]]


def extras(command: Command) -> list[str]:
    named = set(re.findall(r"\[([a-z]+)\]", f"{' '.join(command.words)} {command.comment}"))
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    if named - set(known):
        pytest.fail(f"no such extra: {sorted(named - set(known))}")
    return []


TRANSLATED = {"parity": parity, "pytest": suites, ".venv/bin/python": own_tests, "make": target, "pip": extras}


@pytest.mark.parametrize("document", NAMES)
def test_commands_and_options_in_the_text_exist(document: str) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    wrong = []
    for span in spans(ROOT / document):
        program, *words = span.split() or [""]
        if program == "parity" and words and words[0] != "--help":
            options = (
                {name for param in known[words[0]].params for name in (*param.opts, *param.secondary_opts)}
                if words[0] in known
                else set()
            )
            named = {word.partition("=")[0] for word in words if word.startswith("--")}
            if words[0] not in known or named - options:
                wrong.append(span)
        elif program == "make" and words and make_fails(words):
            wrong.append(span)
    assert wrong == []


def make_fails(words: list[str]) -> bool:
    rehearsal = ["make", "--dry-run", "--directory", ROOT, *words]
    return subprocess.run(rehearsal, capture_output=True, env=environ(), check=False).returncode != 0


@pytest.mark.parametrize("document", NAMES)
def test_links_and_file_names_lead_somewhere(document: str) -> None:
    path = ROOT / document
    dead = []
    for link in links(path):
        file, _, anchor = link.partition("#")
        found = (path.parent / file).resolve() if file else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            dead.append(link)
    folders = {one.name for one in ROOT.iterdir() if one.is_dir()}
    for span in spans(path):
        if re.fullmatch(r"[\w.\-/]+", span) and span.partition("/")[0] in folders and "/" in span:
            dead += [] if (ROOT / span).exists() else [span]
    assert dead == []


def test_quoted_test_ids_are_collected() -> None:
    quoted = {span for path in DOCUMENTS for span in spans(path) if "::" in span}
    collected = run([*PYTEST, "suites/", "--model", "rubert", "--collect-only", "-q"], cwd=ROOT).splitlines()
    assert quoted
    assert {test_id for test_id in quoted if f"suites/{test_id}" not in collected} == set()
