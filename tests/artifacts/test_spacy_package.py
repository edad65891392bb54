"""The spaCy artifact: weights bit for bit, a package that works alone, files as the standards want them."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from email import message_from_string
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from packaging.requirements import Requirement
from spacy_tiny import make_bert

from parity.artifacts.proof import read_proof, sha256_array
from parity.artifacts.spacy import Identity, export, find_pipeline, pipeline_tensors
from parity.artifacts.verify import verify
from parity.errors import BrokenParity, ParityError
from parity.tensorfile import TensorSpec, map_tensors, write_tensors

os.environ.setdefault("USE_TF", "0")
HERE = Path(__file__).parent
PACKAGE, RELEASE = "da_tiny_bert", "da_tiny_bert-1.2.0"
POSITIONS = 64
NAMES = {"name": "Tiny BERT", "lang": "da", "version": "1.2.0"}
META = {
    "author": "A. Author",
    "email": "a@example.org",
    "license": "MIT",
    "url": "https://example.org/x",
    "description": "Tiny,\nfor tests",
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    pytest.importorskip("spacy_transformers", reason='pip install "parity[spacy]"')
    return make_bert(tmp_path_factory.mktemp("bert") / "hf", positions=POSITIONS)


@pytest.fixture(scope="module")
def out(bert, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("spacy") / "out"
    export(bert, folder, **NAMES, meta=META)
    return folder


def test_every_tensor_of_the_encoder_is_bit_identical(bert, out):
    source, got = map_tensors(bert / "model.safetensors"), pipeline_tensors(out)
    encoder = {name.removeprefix("bert."): array for name, array in source.items() if name.startswith("bert.")}
    assert {name: sha256_array(array) for name, array in got.items()} == {
        name: sha256_array(array) for name, array in encoder.items()
    }
    assert {array.dtype.name for array in got.values()} == {"float32"}


@pytest.mark.parametrize("inner", [False, True])
def test_the_proof_travels_inside_and_says_what_is_left_out(out, inner):
    folder = find_pipeline(out) if inner else out
    verified = verify(folder)
    assert verified.tensors == len(pipeline_tensors(out))
    assert verified.files
    left_out = verified.proof.notes["left_out"]
    heads = ["cls.predictions.bias", "cls.seq_relationship.bias", "cls.seq_relationship.weight"]
    assert [entry["target"] for entry in left_out] == heads
    assert all("head" in entry["reason"] for entry in left_out)
    assert {entry.source for entry in verified.proof.dropped} >= set(heads)


@pytest.mark.parametrize(
    "name", [f"{PACKAGE}/component.py", f"{PACKAGE}/tokenizer.json", f"{PACKAGE}/{RELEASE}/config.cfg"]
)
def test_a_changed_file_breaks_the_proof(out, tmp_path, name):
    copy = shutil.copytree(out, tmp_path / "copy")
    with (copy / name).open("a") as file:
        file.write("\n")
    with pytest.raises(BrokenParity, match=f"{name} was changed"):
        verify(copy)


def test_a_flipped_bit_in_the_weights_breaks_the_proof(out, tmp_path):
    copy = shutil.copytree(out, tmp_path / "copy")
    weights = find_pipeline(copy) / "transformer" / "model"
    data = bytearray(weights.read_bytes())
    needle = pipeline_tensors(out)["pooler.dense.weight"].tobytes()
    data[data.index(needle) + 5] ^= 1
    weights.write_bytes(data)
    # PyTorch's file carries a checksum per tensor, so that this is noticed either while reading or by the hash.
    with pytest.raises(ParityError, match=r"pooler\.dense\.weight has other values|cannot be read"):
        verify(copy)


def test_truncated_weights_are_named(out, tmp_path):
    copy = shutil.copytree(out, tmp_path / "copy")
    weights = find_pipeline(copy) / "transformer" / "model"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ParityError, match="cannot be read"):
        pipeline_tensors(copy)


def test_nothing_of_this_machine_is_in_the_files(bert, out):
    traces = [str(path).encode() for path in (bert.parent.parent, HERE, Path.home() / "x")]
    for path in out.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [trace for trace in traces if trace in content], path


def test_the_same_input_gives_the_same_packages(bert, out, tmp_path):
    export(bert, tmp_path / "again", **NAMES, meta=META)
    for path in (out / "dist").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "dist" / path.name).read_bytes(), path.name


def test_the_tokenizer_keeps_its_rules(bert, out):
    meant = json.loads((bert / "tokenizer.json").read_text())
    got = json.loads((out / PACKAGE / "tokenizer.json").read_text())
    for part in ("model", "normalizer", "pre_tokenizer", "post_processor"):
        assert got[part] == meant[part], part
    assert got["model"]["max_input_chars_per_word"] == 200
    normalizer = tokenizers.Tokenizer.from_file(str(out / PACKAGE / "tokenizer.json")).normalizer
    assert normalizer.normalize_str("\u0439\u00e9") == "\u0439\u00e9"


# ---- the package, without parity ----


@pytest.fixture(scope="module")
def seen(bert, out, tmp_path_factory) -> dict:
    site, scratch = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("scratch")
    wheel = out / "dist" / f"{RELEASE}-py3-none-any.whl"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", site, wheel], check=True, timeout=120)
    export(bert, scratch / "other", name="other", lang="ru", package=False)
    assert not (scratch / "other" / "dist").exists()
    folders = [site, PACKAGE, site / PACKAGE / RELEASE, scratch, scratch / "other", "ru_other"]
    command = [sys.executable, "-I", HERE / "spacy_probe.py", *folders]
    env = {**os.environ, "USE_TF": "0", "OMP_NUM_THREADS": "2", "TOKENIZERS_PARALLELISM": "false"}
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, cwd=scratch, check=False)
    lines = [line for line in run.stdout.splitlines() if line.startswith("PROBE ")]
    assert lines, run.stdout + run.stderr
    return {**json.loads(lines[0].removeprefix("PROBE ")), "site": str(site)}


def test_it_loads_by_name_and_by_path_without_parity(seen):
    assert seen["bare"] == ["transformer", "vectors"]
    assert seen["file"].startswith(seen["site"])
    assert seen["parity"] == []
    assert seen["warnings"] == []
    assert seen["types"] == ["torch.float32"]


def test_similarity_works_out_of_the_box(seen):
    *others, same, empty, to_empty = seen["similar"]
    assert all(-1 < value < 0.999 for value in others)
    assert same == pytest.approx(1.0, abs=1e-9)
    assert (empty, to_empty) == (0.0, 0.0)


def test_empty_and_blank_documents_have_zeros(seen):
    assert seen["empty"] == [[32], 0.0, 0, False]
    assert seen["blank"] == [1, 0.0, 0.0, False]


def test_vectors_are_means_over_word_pieces(seen):
    assert 0 <= seen["gap"] < 5e-6


def test_long_texts_are_read_in_windows_that_cover_every_token(seen):
    long = seen["long"]
    assert len(long["windows"]) > 5
    assert max(long["windows"]) == POSITIONS
    assert sum(long["windows"]) > long["tokens"]
    assert long["without"] == []


def test_pieces_spell_the_tokens_they_are_aligned_with(seen):
    assert seen["long"]["wrong"] == []


def test_casing_accents_and_long_words_survive(seen):
    assert seen["ids"] == {"sål": ["sål"], "sal": ["sal"], "Bank": ["bank"]}
    assert seen["lengths"] == [200, ["[UNK]"]]


def test_documents_and_pipelines_pickle(seen):
    assert seen["doc pickled"] == [pytest.approx(seen["similar"][0], abs=1e-9), True]
    assert seen["nlp pickled"] == pytest.approx(seen["similar"][0], abs=1e-6)


def test_forked_workers_give_the_same_vectors_and_do_not_hang(seen):
    assert max(seen["processes"]) < 5e-6
    assert seen["attached"] == pytest.approx(seen["similar"][0], abs=1e-6)


def test_a_saved_copy_loads(seen):
    assert seen["saved"] == pytest.approx(seen["similar"][0], abs=1e-6)


def test_two_packages_live_in_one_process(seen):
    assert seen["other"] == pytest.approx(1.0, abs=1e-6)


def test_listeners_train_through_the_transformer(seen):
    assert seen["trained"]["losses"]["transformer"] > 0
    assert seen["trained"]["moved"] > 0


# ---- the files ----


def test_the_wheel_records_every_file(out):
    with zipfile.ZipFile(out / "dist" / f"{RELEASE}-py3-none-any.whl") as wheel:
        assert wheel.testzip() is None
        rows = list(csv.reader(io.StringIO(wheel.read(f"{RELEASE}.dist-info/RECORD").decode())))
        assert sorted(row[0] for row in rows) == sorted(wheel.namelist())
        for name, digest, size in rows[:-1]:
            content = wheel.read(name)
            assert (len(content), digest) == (int(size), f"sha256={_urlsafe(content)}")
            assert (out / name).read_bytes() == content
        assert rows[-1] == [f"{RELEASE}.dist-info/RECORD", "", ""]


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _entry_points(text: bytes) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str
    parser.read_string(text.decode())
    return {section: dict(parser[section]) for section in parser.sections()}


def test_hatchling_builds_the_same_wheel_from_the_sdist(out, tmp_path):
    pytest.importorskip("hatchling", reason='pip install "parity[dev]"')
    shutil.unpack_archive(out / "dist" / f"{RELEASE}.tar.gz", tmp_path)
    project = tmp_path / RELEASE
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"]
    subprocess.run(build, cwd=project, check=True, timeout=120, capture_output=True)
    name = f"{RELEASE}-py3-none-any.whl"
    with zipfile.ZipFile(tmp_path / "dist" / name) as theirs, zipfile.ZipFile(out / "dist" / name) as ours:
        info = f"{RELEASE}.dist-info/"
        assert sorted(theirs.namelist()) == sorted(ours.namelist())
        for file in ours.namelist():
            if not file.startswith(info):
                assert theirs.read(file) == ours.read(file), file
        their_points, our_points = (_entry_points(wheel.read(f"{info}entry_points.txt")) for wheel in (theirs, ours))
        assert their_points == our_points
        theirs_meta, our_meta = (message_from_string(w.read(f"{info}METADATA").decode()) for w in (theirs, ours))
        for key in ("Name", "Version", "Summary", "Requires-Python", "Description-Content-Type", "License"):
            assert theirs_meta[key] == our_meta[key], key
        needs = [{str(Requirement(line)) for line in meta.get_all("Requires-Dist")} for meta in (theirs_meta, our_meta)]
        assert needs[0] == needs[1]
        assert theirs_meta.get_payload() == our_meta.get_payload()
        assert our_meta["Summary"] == "Tiny, for tests"
    with tarfile.open(out / "dist" / f"{RELEASE}.tar.gz") as sdist:
        info = sdist.extractfile(f"{RELEASE}/PKG-INFO").read().decode()
    assert message_from_string(info)["Requires-Dist"].startswith("spacy>=3.8,<3.9")


# ---- other sources, bad input ----


def test_an_encoder_alone_and_a_folder_without_proof(tmp_path):
    source = make_bert(tmp_path / "hf", head=False)
    named = {name.removeprefix("bert."): array for name, array in map_tensors(source / "model.safetensors").items()}
    specs = [TensorSpec(name, "float32", array.shape) for name, array in named.items()]
    write_tensors(source / "model.safetensors", specs, named.values())
    (source / "conversion.json").unlink()
    proof = export(source, tmp_path / "out", name="plain", lang="xx", package=False)
    assert {line.target: line.target_sha256 for line in proof.tensors} == {
        name: sha256_array(array) for name, array in named.items()
    }
    assert verify(tmp_path / "out", source=source).source_tensors == len(named)


def _without(name):
    return lambda folder: (folder / name).unlink()


def _cut(folder):
    arrays = dict(map_tensors(folder / "model.safetensors"))
    arrays = {name: np.array(array) for name, array in arrays.items() if name != "bert.pooler.dense.bias"}
    arrays["bert.extra"] = np.zeros(2, np.float32)
    arrays["bert.pooler.dense.weight"] = arrays["bert.pooler.dense.weight"].astype(np.float16)
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in arrays.items()]
    write_tensors(folder / "model.safetensors", specs, arrays.values())


def _recase(folder):
    """As other converters write it: transformers sets the casing of such a normalizer by the other file."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    rules = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": False, "lowercase": True}
    path.write_text(json.dumps({**tokenizer, "normalizer": {"type": "BertNormalizer", **rules}}))
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "tokenizer_class": "BertTokenizer", "do_lower_case": False}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without("tokenizer.json"), ["tokenizer.json is missing", "parity convert --to pytorch"]),
        (_without("model.safetensors"), ["model.safetensors"]),
        (_cut, ["bert.pooler.dense.bias is missing", "bert.extra is not part", "float16 [32, 32]", "float32 [32, 32]"]),
        (_recase, ["normalizer", "tokenizer_config.json"]),
    ],
)
def test_a_folder_that_does_not_fit_leaves_nothing_behind(bert, tmp_path, damage, words):
    source = shutil.copytree(bert, tmp_path / "hf")
    damage(source)
    with pytest.raises(ParityError) as raised:
        export(source, tmp_path / "out", **NAMES)
    assert all(word in str(raised.value) for word in words), raised.value
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hf"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": None}, "no Latin letter"),
        ({"name": "модель"}, "no Latin letter"),
        ({"lang": "../x"}, "not a language code"),
        ({"lang": "qq"}, "language qq"),
        ({"version": "1.0 beta"}, "not a version"),
        ({"version": "01.0"}, "not a version"),
        ({"meta": {"licence": "MIT"}}, "unknown metadata 'licence'"),
    ],
)
def test_names_that_cannot_be_a_package_are_refused(bert, tmp_path, change, word):
    with pytest.raises(ParityError, match=word):
        export(bert, tmp_path / "out", **{**NAMES, **change})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "lang", "package"),
    [
        ("danish-bert", "da", "da_danish_bert"),
        ("rubert", "ru", "ru_rubert"),
        ("BERT base  (multilingual)", "xx", "xx_bert_base_multilingual"),
        ("da_x", "da", "da_x"),
    ],
)
def test_package_names(name, lang, package):
    identity = Identity(name, lang, "1.0.0")
    identity.check()
    assert identity.package == package
    assert identity.package.isidentifier()
    assert replace(identity, version="2.0").release == f"{package}-2.0"


def test_an_existing_folder_that_is_not_empty_is_refused(bert, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ParityError, match="already there"):
        export(bert, tmp_path / "out", **NAMES)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_proof_reads_back(out):
    assert read_proof(out).notes["package"] == PACKAGE
