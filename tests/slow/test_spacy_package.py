"""A converted pipeline's wheel in an empty environment, with its dependencies from the index and without parity."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pytest

from parity.inputs.corpora import corpora
from parity.models import resolve
from slow.environments import ROOT, environ, install, kept, run


@dataclass(frozen=True)
class Packed:
    """A pipeline that is made and installed, and what it must show."""

    card: str
    lang: str
    name: str
    words: tuple[str, ...]
    hidden: int
    window: int
    scale: str = "small"

    @property
    def package(self) -> str:
        return f"{self.lang}_{self.name.replace('-', '_')}"


PACKED = (
    Packed("rubert", "ru", "little-bert", ("Ёлка", "переводчиков", "медвежатами", "свет"), 128, 512),
    Packed("gpt2", "en", "little-gpt2", ("Christmas", "untranslatable", "light"), 32, 64, "tiny"),
)


@pytest.mark.parametrize("packed", PACKED, ids=lambda packed: packed.card)
def test_the_wheel_works_where_parity_is_not(packed: Packed, tmp_path: Path) -> None:
    source = resolve(packed.card, scale=packed.scale)
    parity = [sys.executable, "-m", "parity", "convert", source.checkpoint.parent]
    ours = environ(PYTHONPATH=str(ROOT))
    run([*parity, "out", "--to", "spacy", "--name", packed.name, "--lang", packed.lang], cwd=tmp_path, env=ours)
    run([*parity, "hf"], cwd=tmp_path, env=ours)
    (wheel,) = (tmp_path / "out" / "dist").glob("*.whl")

    constraints = ROOT / "constraints.txt"
    python = kept("spacy", requirements(wheel), constraints=constraints)
    run([python, "-m", "pip", "uninstall", "--quiet", "--yes", *(one.package for one in PACKED)], cwd=tmp_path)
    # Whatever else it needs was not declared, and would be looked for in vain.
    install(python, "--no-index", wheel, constraints=constraints)
    run([python, "-m", "pip", "check"], cwd=tmp_path)

    sentences = corpora()[packed.lang]
    asked = {"words": packed.words, "texts": [sentences[3], sentences[4]], "long": "\n".join(sentences)}
    desk = tmp_path / "desk"
    desk.mkdir()
    user = [python, Path(__file__).with_name("spacy_user.py"), packed.package, tmp_path / "hf"]
    said = run(user, cwd=desk, given=json.dumps(asked), timeout_s=300)
    seen = json.loads(said.partition("SEEN ")[2].splitlines()[0])

    assert seen["parity"] is False
    assert seen["offered"] == [packed.package]
    assert seen["pipeline"] == [packed.lang, packed.name.replace("-", "_"), ["transformer", "vectors"]]
    between, same, of_tokens, to_empty, again = seen["similar"]
    assert -1 < between < 0.9999
    assert -1 < of_tokens < 0.9999
    assert (same, again) == (pytest.approx(1, abs=1e-6), pytest.approx(1, abs=1e-6))
    assert to_empty == 0
    assert seen["vectors"][:2] == [[packed.hidden], [packed.hidden]]
    assert seen["vectors"][2] > 0
    assert seen["mean"] < 1e-6
    assert seen["empty"] == [[packed.hidden], 0.0]
    assert len(seen["windows"]) > 1
    assert max(seen["windows"]) == packed.window < sum(seen["windows"])
    assert seen["bare"] == []
    assert max(seen["gaps"]) < 1e-5
    assert seen["warnings"] == []


def requirements(wheel: Path) -> list[str]:
    """What the wheel says it needs."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        return sorted(message_from_bytes(packed.read(name)).get_all("Requires-Dist", []))
