"""What readers of some documents have at hand: checkpoints in the folders that the commands there name, in small."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import small_gpt
import small_gpt2
import small_xlnet

from parity.models import resolve


def gpt2(desk: Path) -> None:
    published = stand_in("gpt2")
    (desk / "models").mkdir()
    (desk / "models" / "124M").symlink_to(published)
    vocabulary = ("encoder.json", "vocab.bpe")
    pick(published, desk / "models" / "run1", without=(*vocabulary, "hparams.json"))
    config = {**small_gpt2.CONFIG, "n_vocab": 355, "n_embd": 24, "n_head": 12}
    small_gpt2.write_source(desk / "ckpt", small_gpt2.arrays(config), config)
    (desk / "ckpt" / "hparams.json").unlink()
    pick(small_gpt2.GOLDEN, desk / "ckpt", only=vocabulary)


def openai_gpt(desk: Path) -> None:
    pick(small_gpt.GOLDEN, desk / "model", without=("golden.npz", "meta.json"))
    pick(desk / "model", desk / "mine")
    pick(small_gpt.TRAINED, desk / "save" / "rocstories")
    for folder in (desk / "model", desk / "save" / "rocstories"):
        (folder / "config.json").write_text(json.dumps({"n_head": small_gpt.HPARAMS["n_head"]}))


def transfo_xl(desk: Path) -> None:
    published = stand_in("transfo-xl-wt103")
    pick(published, desk)
    pick(published, desk / "tf_wt103" / "model", without=("cache.pkl", "model_flags.json"))
    pick(published, desk / "tf_wt103" / "data", only=("cache.pkl",))


def xlnet(desk: Path) -> None:
    (desk / "xlnet_cased_L-12_H-768_A-12").symlink_to(stand_in("xlnet-base-cased"))
    small_xlnet.write_source(desk / "imdb", "classifier-imdb")
    other = {name: array for name, array in small_xlnet.arrays("classifier-yelp5").items() if "yelp5" in name}
    small_xlnet.write_source(desk / "several", "classifier-mnli_matched", extra=other)
    small_xlnet.write_source(desk / "ckpt")


def stand_in(card: str) -> Path:
    return resolve(card, scale="tiny").checkpoint.parent


def pick(folder: Path, into: Path, *, only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> None:
    """Copy a folder's files."""
    into.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_file() and path.name not in without and (not only or path.name in only):
            shutil.copyfile(path, into / path.name)


def readme(desk: Path) -> None:
    (desk / "124M").symlink_to(stand_in("gpt2"))


FURNISHED: Mapping[str, Callable[[Path], None]] = {
    "README.md": readme,
    "docs/families/gpt2.md": gpt2,
    "docs/families/openai_gpt.md": openai_gpt,
    "docs/families/transfo-xl.md": transfo_xl,
    "docs/families/xlnet.md": xlnet,
}
SMALLER: Mapping[str, str] = {"n_vocab=40478": f"n_vocab={small_gpt.HPARAMS['n_vocab']}"}
"""Numbers of published models, and those of what stands in for them here."""
