"""Converted folders in transformers 5, in an environment of its own, beside the transformers that runs the tests."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_names import CLASSES
from small_bert import arrays, write_source

from parity.artifacts import convert
from parity.artifacts.proof import read_proof
from parity.events import read_events
from parity.inputs.corpora import sentences
from parity.inputs.wordpiece import Tokenizer, read_vocab
from parity.models import Source, resolve
from parity.tensorfile import map_tensors
from slow.environments import ROOT, environ, run

HEADS = ("pretraining", "classifier", "qa", "mlm", "none")
CASINGS = {"pretraining": (False, False), "danish-bert": (True, False), "bert-base-uncased": (True, True)}
PICKLED = "bin"
"""Like "pretraining", but with pytorch_model.bin."""
CLASS = {head: CLASSES[head] for head in HEADS} | dict.fromkeys((PICKLED, *CASINGS), CLASSES["pretraining"])
LABELS = 3
POOLER = ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
SAME = 1e-6


@dataclass(frozen=True)
class Seen:
    """What one transformers made of every folder."""

    version: str
    folders: dict[str, dict[str, Any]]
    outputs: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def folders(stand_ins: dict[str, Source], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every head over the cased vocabulary, and one model of each other casing; three labels for the classifier."""
    root = tmp_path_factory.mktemp("hf")
    cased = stand_ins["rubert"]
    config = json.loads(cased.config.read_text())
    vocab = cased.vocab.read_text(encoding="utf-8").splitlines()
    sources = {name: stand_ins[name] for name in CASINGS if name in stand_ins}
    for head in HEADS:
        tensors = arrays(head, config=config, labels=LABELS)
        folder = write_source(root / f"{head}-source", head, config=config, vocab=vocab, tensors=tensors)
        sources[head] = resolve(str(folder))
    for name, source in sources.items():
        convert(source, root / name)
    convert(sources["pretraining"], root / PICKLED, form="bin")
    return {name: root / name for name in (*sources, PICKLED)}


def texts() -> list[tuple[str, str | None]]:
    found = sentences()
    rare = ["", " \t\n", "ж" * 200, "ж" * 201, "sål Sal SÅL é é", "中文 and текст."]
    single: list[tuple[str, str | None]] = [(text, None) for text in (*found, *rare)]
    return single + [(text, pair) for text, pair in zip(found, found[7:], strict=False)]


@pytest.fixture(scope="module")
def both(folders: dict[str, Path], python5: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Seen, Seen]:
    """By this environment's transformers, and by transformers 5."""
    desk = tmp_path_factory.mktemp("probe")
    asked = json.dumps({"folders": {name: str(path) for name, path in folders.items()}, "texts": texts()})

    def probe(python: Path, arrays: Path) -> Seen:
        script = Path(__file__).with_name("transformers_probe.py")
        said = run([python, script, arrays], cwd=desk, given=asked, timeout_s=300)
        told = json.loads(said.partition("PROBE ")[2].splitlines()[0])
        return Seen(told["transformers"], told["folders"], dict(np.load(arrays)))

    return probe(Path(sys.executable), desk / "4.npz"), probe(python5, desk / "5.npz")


def test_the_two_are_two(both: tuple[Seen, Seen]) -> None:
    old, new = both
    assert old.version.startswith("4.")
    assert new.version.startswith("5.")


@pytest.mark.parametrize("name", list(CLASS))
@pytest.mark.parametrize("new", [False, True], ids=["4", "5"])
def test_the_named_class_and_automodel_load_the_very_weights(
    both: tuple[Seen, Seen], folders: dict[str, Path], name: str, new: bool
) -> None:
    seen = both[new].folders[name]
    assert seen["class"] == seen["named"] == CLASS[name]
    spare = POOLER if name in ("qa", "mlm") else []
    assert seen["loading"] == {"missing_keys": [], "unexpected_keys": spare, "mismatched_keys": []}
    assert seen["auto loading"]["missing_keys"] == []
    assert seen["auto loading"]["mismatched_keys"] == []
    if name == "classifier":
        assert seen["labels"] == LABELS

    folder = folders["pretraining" if name == PICKLED else name]
    tensors = map_tensors(folder / "model.safetensors")
    stored = {key: sha256(array.tobytes()).hexdigest() for key, array in tensors.items()}
    meant = stored | {tie.target: stored[tie.same_as] for tie in read_proof(folder).tied}
    loaded = seen["weights"]
    assert set(loaded) <= set(meant)
    assert set(stored) - set(loaded) == set(spare), "stored, but not in the model"
    assert loaded == {key: meant[key] for key in loaded}
    prefix = "" if name == "none" else "bert."
    encoder = {key.removeprefix(prefix): digest for key, digest in stored.items() if key.startswith(prefix)}
    assert seen["auto weights"] == encoder


@pytest.mark.parametrize("name", list(CASINGS))
@pytest.mark.parametrize("new", [False, True], ids=["4", "5"])
def test_the_tokenizer_gives_the_sources_ids_and_token_types(
    both: tuple[Seen, Seen], folders: dict[str, Path], name: str, new: bool
) -> None:
    lower_case, strip_accents = CASINGS[name]
    vocabulary = read_vocab(folders[name] / "vocab.txt")
    tokenizer = Tokenizer(vocabulary, lower_case=lower_case, strip_accents=strip_accents)
    seen = both[new].folders[name]
    wrong = []
    for (text, pair), ids, types in zip(texts(), seen["ids"], seen["types"], strict=True):
        meant = tokenizer.encode(text, pair, max_length=10_000)
        if (list(meant.input_ids), list(meant.token_type_ids)) != (ids, types):
            wrong.append((text, pair))
    assert wrong == []


def test_both_compute_the_same(both: tuple[Seen, Seen]) -> None:
    old, new = both
    assert set(old.outputs) == set(new.outputs)
    assert {key.partition("/")[0] for key in old.outputs} == set(old.folders)
    gaps = {key: float(np.abs(array - new.outputs[key]).max()) for key, array in old.outputs.items()}
    assert {key: gap for key, gap in gaps.items() if not gap <= SAME} == {}
    assert {array.dtype.name for array in (*old.outputs.values(), *new.outputs.values())} == {"float32"}


def test_a_run_judges_transformers_5_as_a_foreign_runtime(python5: Path, tmp_path: Path) -> None:
    suites = [sys.executable, "-m", "pytest", ROOT / "suites", "-p", "no:cacheprovider", "-q"]
    models = ("rubert", "gpt2", "xlnet-base-cased")
    asked = [*(f"--model={name}" for name in models), "--scale=tiny", "--backend=torch:eager"]
    asked.append(f"--python=torch={python5}")
    run([*suites, *asked, f"--report={tmp_path / 'run'}"], cwd=ROOT, env=environ(PYTHONPATH=str(ROOT)))
    verdicts = read_events(tmp_path / "run").of("verdict")
    answered = [row for row in verdicts if (row["question"], row["backend"]) == ("backend", "torch:eager")]
    assert {row["model"]: row["status"] for row in answered} == dict.fromkeys(models, "pass")
    assert all("transformers 5." in row["message"] for row in answered)
    layers = [row for row in verdicts if row["backend"] == "torch:eager" and row["question"] == "hidden_states"]
    assert layers
    assert {row["status"] for row in layers} == {"pass"}
