from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parity.checkpoints import open_checkpoint, write_bundle
from parity.errors import ParityError
from parity.models import build_stand_in, card, resolve
from parity.models import sources as sources_module
from parity.models.cache import use
from parity.models.sources import located, stand_in_folder
from parity.tensorfile import TensorSpec

from .support import finished, python


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder made elsewhere."""
    folder = tmp_path_factory.mktemp("made") / "model"
    build_stand_in(card("danish-bert"), scale="tiny", folder=folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "my model"))


def _published(of: str, folder: Path, **config: object) -> None:
    """Files that pass for a card's published weights: only the config is compared."""
    build_stand_in(card("rubert"), scale="tiny", folder=folder)
    (folder / "stand-in.json").unlink()
    (folder / "bert_config.json").write_text(json.dumps({**card(of).config, **config}))


# Cards


def test_card_without_weights_is_a_stand_in(cache: Path) -> None:
    source = resolve("rubert", scale="tiny")
    assert (source.name, source.family, source.card, source.stand_in) == ("rubert", "bert", card("rubert"), True)
    assert source.note == "weights absent; `parity fetch rubert`"
    assert source.checkpoint.parent == stand_in_folder(card("rubert"), "tiny")
    assert source.checkpoint.parent.is_relative_to(cache / "models")
    assert source.config.is_file()
    assert source.vocab.is_file()
    assert open_checkpoint(source.checkpoint).entries


def test_second_time_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve("rubert", scale="tiny")

    def again(*arguments: object, **options: object) -> None:
        raise AssertionError("built twice")

    monkeypatch.setattr(sources_module, "write_stand_in", again)
    assert resolve("rubert", scale="tiny") == first


def test_two_processes_share_one_build(cache: Path) -> None:
    code = """
import sys
from parity.models import resolve, sources
write = sources.write_stand_in
def counted(*arguments, **options):
    write(*arguments, **options)
    print("built")
sources.write_stand_in = counted
sys.stdin.readline()
assert resolve("rubert", scale="tiny").checkpoint.parent.is_dir()
"""
    processes = [python(code) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(map(finished, processes)) == ["", "built"]
    assert len([path for path in (cache / "models").iterdir() if path.is_dir()]) == 1


def test_building_makes_room_but_keeps_what_is_in_use(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = cache / "models" / "old"
    old.mkdir(parents=True)
    (old / "data").write_bytes(b"x")
    monkeypatch.setenv("PARITY_CACHE_LIMIT", "0")
    source = resolve("rubert", scale="tiny")
    assert not old.exists()
    assert source.checkpoint.parent.is_dir()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("place", ["PARITY_MODELS", "cache"])
def test_weights_found_are_used(
    nested: bool, place: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "shelf" if place == "PARITY_MODELS" else cache / "models"
    shelf.mkdir(parents=True)
    if place == "PARITY_MODELS":
        monkeypatch.setenv("PARITY_MODELS", str(shelf))
    weights = shelf / "rubert" / (card("rubert").source.folder if nested else "")
    weights.parent.mkdir(exist_ok=True)
    _published("rubert", weights)
    source = resolve("rubert")
    assert located(card("rubert")) == weights
    assert (source.checkpoint.parent, source.stand_in, source.note) == (weights, False, "")
    assert (source.name, source.card) == ("rubert", card("rubert"))
    scaled = resolve("rubert", scale="tiny")
    assert (scaled.stand_in, scaled.note) == (True, "stand-in by --scale tiny")


def test_shelf_goes_before_the_cache(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_MODELS", str(tmp_path))
    for shelf in (tmp_path, cache / "models"):
        _published("rubert", shelf / "rubert")
    assert resolve("rubert").checkpoint.parent == tmp_path / "rubert"


def test_weights_under_the_wrong_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_MODELS", str(tmp_path))
    _published("bert-base-uncased", tmp_path / "rubert", num_hidden_layers=11)
    with pytest.raises(ParityError) as caught:
        resolve("rubert")
    message = str(caught.value)
    assert str(tmp_path / "rubert" / "bert_config.json") in message
    assert "vocab_size is not the card's (got 30522, expected 119547)" in message
    assert "num_hidden_layers is not the card's (got 11, expected 12)" in message
    assert "rubert_cased_L-12_H-768_A-12_v1.tar.gz" in message


@pytest.mark.parametrize("text", ["[1]", "{", "", "[" * 100_000])
def test_config_that_is_no_object_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_MODELS", str(tmp_path))
    _published("rubert", tmp_path / "rubert")
    (tmp_path / "rubert" / "bert_config.json").write_text(text)
    with pytest.raises(ParityError, match="not a JSON object"):
        resolve("rubert")


def test_empty_shelf_is_no_reason_for_a_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_MODELS", str(tmp_path))
    (tmp_path / "rubert").mkdir()
    with pytest.raises(ParityError, match=r"rubert: .*empty folder"):
        resolve("rubert")


def test_shelf_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_MODELS", str(tmp_path / "none"))
    with pytest.raises(ParityError, match="PARITY_MODELS names no folder"):
        resolve("rubert", scale="tiny")


def test_fetched_weights_in_use_are_not_evicted(cache: Path) -> None:
    _published("rubert", cache / "models" / "rubert")
    resolve("rubert")
    assert sources_module.evict(cache, 0) == ()


# Paths


@pytest.mark.parametrize(
    ("named", "name"),
    [
        (lambda folder: folder, "my-model"),
        (lambda folder: folder / "bert_model.ckpt", "my-model-bert_model.ckpt"),
        (lambda folder: folder / "bert_model.ckpt.index", "my-model-bert_model.ckpt"),
        (lambda folder: folder / "bert_model.ckpt.data-00000-of-00001", "my-model-bert_model.ckpt"),
    ],
)
def test_every_way_to_name_a_checkpoint(named: Callable[[Path], Path], name: str, folder: Path) -> None:
    source = resolve(str(named(folder)))
    assert (source.name, source.family, source.card, source.stand_in, source.note) == (name, "bert", None, False, "")
    assert source.checkpoint == folder / "bert_model.ckpt"
    assert source.config == folder / "bert_config.json"
    assert source.vocab == folder / "vocab.txt"


def test_relative_path_and_bare_prefix(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert resolve("bert_model.ckpt").checkpoint == Path("bert_model.ckpt")
    assert resolve(".").name == "my-model"


def test_scale_does_not_change_a_users_checkpoint(folder: Path) -> None:
    source = resolve(str(folder), scale="tiny")
    assert source.note == "--scale tiny is for stand-ins; this checkpoint is taken as it is"


@pytest.mark.parametrize("name", ["модель", "...", "rubert", "a b"])
def test_names_are_safe_in_ids_and_tell_folders_apart(name: str, original: Path, tmp_path: Path) -> None:
    paths = [Path(shutil.copytree(original, tmp_path / parent / name)) for parent in ("one", "two")]
    names = [resolve(str(path)).name for path in paths]
    assert all(set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._") and found for found in names)
    assert "rubert" not in names
    assert len(set(names)) == (1 if name == "a b" else 2)


def test_config_and_vocabulary_from_elsewhere(folder: Path, tmp_path: Path) -> None:
    config, vocab = tmp_path / "c.json", tmp_path / "v.txt"
    (folder / "bert_config.json").rename(config)
    (folder / "vocab.txt").rename(vocab)
    source = resolve(str(folder), config=config, vocab=vocab)
    assert (source.config, source.vocab) == (config, vocab)


def test_everything_missing_is_told_at_once(folder: Path) -> None:
    (folder / "bert_config.json").unlink()
    (folder / "vocab.txt").unlink()
    with pytest.raises(ParityError) as caught:
        resolve(str(folder))
    message = str(caught.value)
    assert str(folder) in message
    assert "no bert_config.json or config.json" in message
    assert "--config FILE" in message
    assert "no vocab.txt" in message
    assert "--vocab FILE" in message


def test_damaged_checkpoint_and_missing_files_are_told_together(folder: Path) -> None:
    (folder / "bert_model.ckpt.index").write_bytes(b"no index")
    (folder / "vocab.txt").unlink()
    with pytest.raises(ParityError) as caught:
        resolve(str(folder))
    assert "bert_model.ckpt.index" in str(caught.value)
    assert "no vocab.txt" in str(caught.value)


def test_options_that_name_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError) as caught:
        resolve(str(folder), config=tmp_path / "c.json", vocab=tmp_path)
    assert f"{tmp_path / 'c.json'}: --config: there is no such file" in str(caught.value)
    assert f"{tmp_path}: --vocab: there is no such file" in str(caught.value)


def test_config_of_the_other_name_serves(folder: Path) -> None:
    (folder / "bert_config.json").rename(folder / "config.json")
    assert resolve(str(folder)).config == folder / "config.json"


def test_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="an empty folder") as caught:
        resolve(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_several_checkpoints_ask_which(folder: Path) -> None:
    for suffix in ("index", "data-00000-of-00001"):
        shutil.copy(folder / f"bert_model.ckpt.{suffix}", folder / f"other.ckpt.{suffix}")
    with pytest.raises(ParityError, match=r"several checkpoints.*bert_model.ckpt.*other.ckpt"):
        resolve(str(folder))
    assert resolve(str(folder / "other.ckpt")).name == "my-model-other.ckpt"
    (folder / "checkpoint").write_text('model_checkpoint_path: "other.ckpt"\n')
    assert resolve(str(folder)).checkpoint == folder / "other.ckpt"


@pytest.mark.parametrize("name", ["rubrt", "bert-base-uncase"])
def test_name_of_nothing_offers_the_nearest_card(name: str) -> None:
    with pytest.raises(ParityError, match=f"{name} is neither a model card nor a checkpoint; did you mean "):
        resolve(name)


@pytest.mark.parametrize("path", ["./none", "none/there", "~no-such-user-here/x"])
def test_path_to_nothing_is_one_line(path: str) -> None:
    with pytest.raises(ParityError) as caught:
        resolve(path)
    assert "\n" not in str(caught.value)
    assert "model card" not in str(caught.value)


def test_foreign_variables_need_a_family_or_new_names(folder: Path) -> None:
    specs = [TensorSpec("roberta/embeddings/x", "float32", ()), TensorSpec("roberta/encoder/layer_0/y", "float32", ())]
    write_bundle(folder / "bert_model.ckpt", specs, [np.float32(0).reshape(())] * 2)
    with pytest.raises(ParityError, match="no known family"):
        resolve(str(folder))
    assert resolve(str(folder), family="bert").family == "bert"
    renamed = {spec.name: spec.name.replace("roberta", "bert") for spec in specs}
    assert resolve(str(folder), rename=renamed).family == "bert"
    with pytest.raises(ParityError, match="unknown family bort"):
        resolve(str(folder), family="bort")


def test_entry_counts_as_used(cache: Path) -> None:
    source = resolve("rubert", scale="tiny")
    assert use(source.checkpoint.parent)
    assert sources_module.evict(cache, 0) == ()
