"""The wheel, installed where no checkout is: commands, conversion and suites work, and it holds what it should."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pytest

from slow.environments import ROOT, bare, environ, run

DATA = {
    "suites": "suites/*.py",
    "fixtures": "fixtures/corpora/*.txt",
    "cards": "fixtures/models/*.toml",
    "differences": "fixtures/known_tokenizer_differences.toml",
}
TINY = ["--model", "rubert", "--scale", "tiny", "--backend", "torch:eager"]
MAX_BYTES = 1_000_000
HEAVY = (
    *("onnx", "onnxruntime", "openvino", "safetensors", "spacy", "tensorflow", "tokenizers", "torch", "transformers"),
    *("ftfy", "pooch", "regex", "requests", "sentencepiece", "urllib3"),
)
"""Nobody waits for these who only asks what there is."""
MODELS = [f"--model={name}" for name in ("rubert", "gpt2", "openai-gpt", "transfo-xl-wt103", "xlnet-base-cased")]
DOORS = {
    "import parity": "import parity",
    "parity --help": "import parity.cli; sys.argv = ['parity', '--help']; parity.cli.main()",
    "parity models": "import parity.cli; sys.argv = ['parity', 'models']; parity.cli.main()",
    "pytest --collect-only": "import pytest; code = pytest.main(['-q', '--co', '-p', 'parity.pytest_plugin', "
    f"'--pyargs', 'parity.suites', *{MODELS}]); assert code == 0, code",
}
NOWHERE = "http://127.0.0.1:9"
"""A proxy that nobody answers at."""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder away from the checkout to work in."""

    python: Path
    desk: Path

    def run(self, program: str, *arguments: str | Path) -> str:
        return run([self.python.with_name(program), *arguments], cwd=self.desk)

    def stand_in(self, card: str, folder: str) -> None:
        self.run(
            "python",
            "-c",
            "from pathlib import Path; from parity.models import build_stand_in, card; "
            f"build_stand_in(card({card!r}), scale='tiny', folder=Path({folder!r}))",
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that was built from it and not from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT], cwd=out)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel alone is installed; what it depends on is lent by the interpreter that runs the tests."""
    folder, desk = tmp_path_factory.mktemp("venv") / "venv", tmp_path_factory.mktemp("desk")
    python = bare(folder, pip=False)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    run([*pip, built[1]], cwd=desk)
    site = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], cwd=desk).strip())
    # A folder named in a .pth file lends its packages, but its own .pth files, an editable parity's, are not read.
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "lent.pth").write_text("".join(f"{path}\n" for path in sorted(lent)))
    return Installed(python, desk)


def test_the_wheel_holds_code_suites_cards_and_corpora_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    data = {f"parity/{path.relative_to(ROOT)}" for pattern in DATA.values() for path in ROOT.glob(pattern)}
    source = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "parity").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    notes = {"parity/fixtures/corpora/README.md", "parity/fixtures/regressions/README.md"}
    assert sorted((data | source) - names) == [], "missing from the wheel"
    assert sorted(names - data - source - notes) == [], "has no place in the wheel"
    assert "parity/py.typed" in names
    assert built[1].stat().st_size < MAX_BYTES


def test_the_sdist_can_be_tested_and_carries_no_leftovers(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml", "tests/conftest.py"}
    goldens = {str(path.relative_to(ROOT)) for path in (ROOT / "fixtures" / "goldens").rglob("*") if path.is_file()}
    assert sorted((wanted | goldens) - names) == [], "missing from the sdist"
    left_over = (".venv", ".hypothesis", "reports/2", ".cache", "dist/")
    assert sorted(name for name in names if name.startswith(left_over)) == []


def test_the_metadata_offers_every_extra(built: tuple[Path, Path]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with zipfile.ZipFile(built[1]) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        told = message_from_bytes(wheel.read(metadata))
        licences = [name for name in wheel.namelist() if name.endswith("LICENSE")]
    assert set(told.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
    assert told["License-Expression"] == "Apache-2.0"
    assert licences


def test_the_installed_package_is_the_wheels(installed: Installed) -> None:
    said = installed.run("python", "-c", "import parity; print(parity.__file__)").strip()
    assert Path(said).is_relative_to(installed.python.parents[1])


def test_commands_answer(installed: Installed) -> None:
    told = installed.run("parity", "--help")
    for command in ("convert", "verify", "inspect", "trace", "compare", "run", "models"):
        assert command in told
    cards = {path.stem for path in (ROOT / "fixtures" / "models").glob("*.toml")}
    assert cards <= set(installed.run("parity", "models").split())


def test_a_user_error_is_one_message_and_exit_code_2(installed: Installed) -> None:
    command = [installed.python.with_name("parity"), "convert", "nowhere", "out"]
    done = subprocess.run(command, cwd=installed.desk, env=environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "nowhere" in done.stderr


def test_a_checkpoint_converts_and_verifies(installed: Installed) -> None:
    installed.stand_in("rubert", "source")
    installed.run("parity", "inspect", "source")
    installed.run("parity", "convert", "source", "out")
    assert "are as the proof says" in installed.run("parity", "verify", "out", "--source", "source")


def test_transformer_xl_comes_with_its_own_class(installed: Installed) -> None:
    installed.stand_in("transfo-xl-wt103", "xl-source")
    installed.run("parity", "convert", "xl-source", "xl")
    code = (
        "import sys, torch; from parity.torch import TransfoXLLMHeadModel as Model; "
        "found = Model.from_pretrained('xl')(torch.tensor([[1, 2, 3]])); "
        "print(tuple(found.logits.shape), 'transformers' in sys.modules)"
    )
    assert installed.run("python", "-c", code).split("\n")[-2] == "(1, 3, 600) False"


@pytest.mark.parametrize("door", list(DOORS))
def test_the_doors_load_nothing_heavy(installed: Installed, door: str) -> None:
    told = f"print('LOADED', sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY})))"
    code = f"import atexit, sys; atexit.register(lambda: {told})\n{DOORS[door]}"
    assert installed.run("python", "-P", "-c", code).splitlines()[-1] == "LOADED []"


def test_without_a_network_a_fetch_says_what_cannot_be_had(installed: Installed) -> None:
    command = [installed.python.with_name("parity"), "fetch", "gpt2", "--dry-run"]
    env = environ(**{f"{scheme}_proxy": NOWHERE for scheme in ("http", "https", "HTTP", "HTTPS")}, no_proxy="")
    done = subprocess.run(command, cwd=installed.desk, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for url in (
        "https://openaipublic.blob.core.windows.net/gpt-2/models/124M/",
        "https://storage.googleapis.com/gpt-2/",
    ):
        assert url in done.stderr


@pytest.mark.parametrize("folder", ["by-pytest", "by-parity"])
def test_the_shipped_suites_pass(installed: Installed, folder: str) -> None:
    report = ["--report", str(installed.desk / folder)]
    if folder == "by-pytest":
        # The environment has no script of pytest's own; -P keeps the working folder out of the path, as a script does.
        pytest_ = ["-P", "-m", "pytest", "-p", "parity.pytest_plugin"]
        said = installed.run("python", *pytest_, "--pyargs", "parity.suites", *TINY, *report)
    else:
        said = installed.run("parity", "run", "rubert", *TINY[2:], *report)
    assert "parity holds" in said
    assert " passed" in said
    assert (installed.desk / folder / "report.html").is_file()
