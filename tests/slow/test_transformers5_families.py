"""Converted GPT, GPT-2, Transformer-XL and XLNet in transformers 5: loaded, and held against the original's numbers."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_xlnet
from _goldens import Case, Run, cases

from parity.artifacts import Choices, convert_checkpoint
from parity.artifacts.proof import read_proof
from parity.artifacts.tokenizers import vocabulary_files
from parity.families import family
from parity.inputs.corpora import sentences
from parity.inputs.tokenizers import Rules, read_rules
from parity.tensorfile import map_tensors
from slow.environments import ROOT, environ, run

CHOSEN = ("gpt", "gpt2", "transfo_xl_div4_wt103", "xlnet_pretrain")
GOLDENS = {case.family: case for case in cases(ROOT / "fixtures" / "goldens") if case.name in CHOSEN}


def flags(run: Run) -> str:
    return "".join(f"-{key}-{value}" for key, value in sorted(run.flags.items()))


HEADS = {
    "gpt2": ("none",),
    "openai-gpt": ("multiple-choice", "none"),
    "transfo-xl": ("none",),
    "xlnet": ("none", "lm", "classifier", "regression", "multiple-choice", "qa"),
}
"""Besides the golden's own. Of XLNet's each has a checkpoint as fine-tuning leaves it."""
HIDDEN = {("gpt2", "layer.3")}
"""What transformers' class does not show: the last block's output before the final norm."""
SAME = GOLDEN = 1e-5
"""The largest deviation in units of the value's rms: of two transformers, and of either from the original."""
NAMES = sorted(
    {f"{case.family}{flags(run)}" for case in GOLDENS.values() for run in case.runs}
    | {f"{kind}-{head}" for kind, heads in HEADS.items() for head in heads}
)
ODD = (
    "",
    "  two  spaces ",
    "a\tb\nc",
    "DON'T don't we'll",
    "<|endoftext|> <sep> <eos> <unk>",
    "naïve café Ёж ёж",
    "🙂 中文",
)


@dataclass(frozen=True)
class Folder:
    """One converted folder, what it is fed by call, and what the original gave."""

    path: Path
    kind: str
    fed: Mapping[str, Path]
    golden: Mapping[str, Mapping[str, Any]]
    rules: Rules


@dataclass(frozen=True)
class Seen:
    """What one transformers made of every folder."""

    version: str
    folders: dict[str, dict[str, Any]]
    outputs: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Folder]:
    root = tmp_path_factory.mktemp("families")
    found: dict[str, Folder] = {}
    for case in GOLDENS.values():
        found |= of_golden(case, root)
        found |= {f"{case.family}-{head}": of_head(case, head, root) for head in HEADS[case.family]}
    return found


def of_golden(case: Case, root: Path) -> dict[str, Folder]:
    """A folder for each set of flags that calls of the original had."""
    found: dict[str, Folder] = {}
    for call in case.runs:
        name = case.family + flags(call)
        if name not in found:
            settings = {**case.choices.settings, **call.flags}
            found[name] = converted(case.checkpoint, root / name, replace(case.choices, settings=settings), case.family)
        np.savez(root / f"{name}-{call.name}.npz", **call.inputs)
        held = found[name]
        fed, golden = {**held.fed, call.name: root / f"{name}-{call.name}.npz"}, {**held.golden, call.name: call.taps}
        found[name] = replace(held, fed=fed, golden=golden)
    return found


def of_head(case: Case, head: str, root: Path) -> Folder:
    """Another head, fed some ids."""
    name, checkpoint = f"{case.family}-{head}", case.checkpoint
    if case.family == "xlnet":
        checkpoint = small_xlnet.write_source(root / f"{name}-source", head)
    made = converted(checkpoint, root / name, replace(case.choices, head=head), case.family)
    ids = np.random.default_rng(6).integers(0, 190, (2, 1, 9) if head == "multiple-choice" else (2, 9))
    np.savez(root / f"{name}.npz", input_ids=ids, bare=True)
    return replace(made, fed={"": root / f"{name}.npz"})


def converted(checkpoint: Path, folder: Path, choices: Choices, kind: str) -> Folder:
    vocabulary = next((path for path in vocabularies(kind, checkpoint) if path.is_file()), None)
    convert_checkpoint(str(checkpoint), folder, choices=choices, vocab=vocabulary)
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    rules = read_rules(family(kind).tokenizer, folder / vocabulary_files(family(kind).tokenizer)[0], size=size)
    return Folder(folder, kind, {}, {}, rules)


def vocabularies(kind: str, checkpoint: Path) -> list[Path]:
    """Beside the checkpoint, or one folder up, where fine-tuning wrote into one of its own."""
    names = [names[0] for names in family(kind).vocabulary_names]
    return [folder / name for folder in checkpoint.parents[:2] for name in names]


@pytest.fixture(scope="module")
def texts(folders: dict[str, Folder]) -> dict[str, list[str]]:
    found = {name: texts_for(one) if name in GOLDENS else [] for name, one in folders.items()}
    return {name: [text for text in some if fits(folders[name], text)] for name, some in found.items()}


def texts_for(folder: Folder) -> list[str]:
    if folder.kind == "transfo-xl":  # no other words than the vocabulary's
        words = [word for word in folder.rules.vocab.tokens if word.strip() == word]
        return ["", " \t ", *(" ".join(words[at : at + 9]) for at in range(0, len(words), 9))]
    kept = GOLDENS[folder.kind].checkpoint.parent / "tokens.json"
    items = json.loads(kept.read_text(encoding="utf-8"))["items"] if kept.is_file() else []
    return [*ODD, *sentences(), *(item["text"] for item in items)]


def fits(folder: Folder, text: str) -> bool:
    """A digit before a comma is a known difference of XLNet's (fixtures/known_tokenizer_differences.toml)."""
    return folder.kind != "xlnet" or not re.search(r"\d\W*,", unicodedata.normalize("NFKD", text))


@pytest.fixture(scope="module")
def both(
    folders: dict[str, Folder],
    texts: dict[str, list[str]],
    python5: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Seen, Seen]:
    """By this environment's transformers, and by transformers 5, to which this checkout is lent for parity.torch."""
    desk = tmp_path_factory.mktemp("probe")
    asked = {
        name: {
            "path": str(one.path),
            "fed": {call: str(path) for call, path in one.fed.items()},
            "texts": texts[name],
        }
        for name, one in folders.items()
    }

    def probe(python: Path, arrays: Path) -> Seen:
        script = Path(__file__).with_name("families_probe.py")
        given = json.dumps({"folders": asked})
        said = run([python, script, arrays], cwd=desk, given=given, env=environ(PYTHONPATH=str(ROOT)), timeout_s=300)
        told = json.loads(said.partition("PROBE ")[2].splitlines()[0])
        return Seen(told["transformers"], told["folders"], dict(np.load(arrays)))

    return probe(Path(sys.executable), desk / "4.npz"), probe(python5, desk / "5.npz")


def test_the_two_are_two(both: tuple[Seen, Seen]) -> None:
    assert [seen.version[:2] for seen in both] == ["4.", "5."]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("new", [False, True], ids=["4", "5"])
def test_the_named_class_and_automodel_load_the_very_weights(
    both: tuple[Seen, Seen], folders: dict[str, Folder], name: str, new: bool
) -> None:
    seen, folder = both[new].folders[name], folders[name].path
    assert seen["class"] == seen["named"]
    for loading in ("loading", "auto loading"):
        assert seen[loading].get("missing_keys", []) == seen[loading].get("mismatched_keys", []) == []
    assert seen["loading"].get("unexpected_keys", []) == []

    tensors = map_tensors(folder / "model.safetensors")
    stored = {key: sha256(array.tobytes()).hexdigest() for key, array in tensors.items()}
    meant = stored | {tie.target: stored[tie.same_as] for tie in read_proof(folder).tied}
    assert set(stored) <= set(seen["weights"]) <= set(meant), "stored, but not in the model, or the other way round"
    assert seen["weights"] == {key: meant[key] for key in seen["weights"]}
    prefix = seen["auto prefix"] if any(key.startswith(seen["auto prefix"]) for key in meant) else ""
    body = {key.removeprefix(prefix): digest for key, digest in meant.items() if key.startswith(prefix)}
    assert seen["auto weights"] == body


@pytest.mark.parametrize("name", list(GOLDENS))
@pytest.mark.parametrize("new", [False, True], ids=["4", "5"])
def test_the_tokenizer_gives_the_sources_ids(
    both: tuple[Seen, Seen], folders: dict[str, Folder], texts: dict[str, list[str]], name: str, new: bool
) -> None:
    rules = folders[name].rules
    meant = [list(rules.encode(text, max_length=10_000).input_ids) for text in texts[name]]
    wrong = [
        text for text, ids, ours in zip(texts[name], both[new].folders[name]["ids"], meant, strict=True) if ids != ours
    ]
    assert wrong == []
    assert len(meant) > 3


def test_both_compute_the_same(both: tuple[Seen, Seen], folders: dict[str, Folder]) -> None:
    old, new = both
    assert set(old.outputs) == set(new.outputs)
    assert {key.partition("/")[0] for key in old.outputs} == set(folders)
    gaps = {key: apart(array, new.outputs[key]) for key, array in old.outputs.items()}
    assert {key: gap for key, gap in gaps.items() if not gap <= SAME} == {}


@pytest.mark.parametrize("new", [False, True], ids=["4", "5"])
def test_they_compute_what_the_original_did(both: tuple[Seen, Seen], folders: dict[str, Folder], new: bool) -> None:
    far, unseen = {}, set()
    for name, folder in folders.items():
        for call, golden in folder.golden.items():
            for tap, array in golden.items():
                ours = both[new].outputs.get(f"{name}/{call}/{tap}")
                if ours is None:
                    unseen.add((folder.kind, tap))
                elif not (gap := apart(array, ours)) <= GOLDEN:
                    far[f"{name}/{call}/{tap}"] = gap
    assert far == {}
    assert unseen == HIDDEN


def apart(meant: np.ndarray, got: np.ndarray) -> float:
    """The largest deviation in units of the meant value's rms."""
    assert meant.shape == got.shape
    size = float(np.sqrt(np.mean(np.square(meant, dtype=np.float64)))) or 1.0
    return float(np.abs(got.astype(np.float64) - meant).max(initial=0.0)) / size
