"""From a checkpoint to a Hugging Face directory: every head, dtype, casing and activation, and whatever is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tokenizers
from bert_names import CLASSES, lines
from small_bert import CONFIG, CYRILLIC, ERF, PREFIX, ROOT, VOCAB, arrays, read_source, tree, write_source

from parity.artifacts import Choices, Proof, convert_checkpoint, read_proof
from parity.errors import MissingRuntime, ParityError
from parity.tensorfile import Array, map_tensors, read_specs


def convert(source: Path | str, out: Path, **options: Any) -> Proof:
    choices = {key: options.pop(key) for key in list(options) if key in Choices.__dataclass_fields__}
    return convert_checkpoint(str(source), out, choices=Choices(**choices), **options)


def written(folder: Path) -> dict[str, Array]:
    return map_tensors(folder / "model.safetensors")


def config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


@pytest.mark.parametrize("head", sorted(CLASSES))
def test_each_head_is_found_by_what_the_checkpoint_holds(tmp_path: Path, head: str) -> None:
    source = write_source(tmp_path / "source", head)
    proof = convert(source, tmp_path / "out")
    tensors, held = written(tmp_path / "out"), arrays(head)
    assert tensors.keys() == {line.target for line in lines(2, head)}
    for line in lines(2, head):
        expected = held[line.source].T if line.turned else held[line.source]
        assert tensors[line.target].tobytes() == expected.tobytes(), line.target
    assert proof.head == head
    assert config(tmp_path / "out")["architectures"] == [CLASSES[head]]
    assert read_specs(tmp_path / "out" / "model.safetensors")[0] == {"format": "pt"}, "transformers insists on it"
    assert tree(tmp_path / "out") == {
        "config.json",
        "conversion.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    }


def test_a_classifier_has_as_many_labels_as_rows(tmp_path: Path) -> None:
    for labels in (1, 3):
        source = write_source(tmp_path / f"source{labels}", "classifier", labels=labels)
        proof = convert(source, tmp_path / f"out{labels}")
        assert proof.labels == labels
        assert len(config(tmp_path / f"out{labels}")["id2label"]) == labels
        assert written(tmp_path / f"out{labels}")["classifier.weight"].shape == (labels, 8)


@pytest.mark.parametrize("head", ["mlm", "nsp", "none"])
def test_a_smaller_head_can_be_chosen(tmp_path: Path, head: str) -> None:
    source = write_source(tmp_path / "source", extra=slots("adam_m"))
    proof = convert(source, tmp_path / "out", head=head)
    assert written(tmp_path / "out").keys() == {line.target for line in lines(2, head)}
    assert any(f"--head {head} leaves out" in dropped.reason for dropped in proof.dropped)


@pytest.mark.parametrize("head", ["classifier", "qa", "pretrainning"])
def test_a_head_the_checkpoint_lacks_is_refused(tmp_path: Path, head: str) -> None:
    source = write_source(tmp_path / "source")
    message = refused(source, tmp_path / "out", head=head)
    assert f"holds no head {head} (expected one of pretraining, mlm, lm, nsp, none)" in message


def test_two_heads_at_once_ask_for_a_choice(tmp_path: Path) -> None:
    both = arrays("classifier") | arrays("qa")
    source = write_source(tmp_path / "source", tensors=both)
    message = refused(source, tmp_path / "out")
    assert "several heads and no class has them all" in message
    assert "(got classifier, token-classifier, multiple-choice, qa, none)" in message
    assert "--head" in message
    assert convert(source, tmp_path / "out", head="qa").head == "qa"


def slots(*kinds: str) -> dict[str, Array]:
    found = {f"{name}/{kind}": np.zeros_like(array) for name, array in arrays().items() for kind in kinds}
    return found | {"global_step": np.array(7, np.int64)}


@pytest.mark.parametrize("kinds", [("adam_m", "adam_v"), ("AdamWeightDecayOptimizer", "AdamWeightDecayOptimizer_1")])
def test_training_state_is_left_behind_and_named(tmp_path: Path, kinds: tuple[str, str]) -> None:
    extra = slots(*kinds)
    proof = convert(write_source(tmp_path / "source", extra=extra), tmp_path / "out")
    assert {dropped.source for dropped in proof.dropped} == extra.keys()
    assert len(proof.tensors) == 5 + 16 * 2 + 2 + 7


@pytest.mark.parametrize("shards", [2, 5, 40])
def test_shards_change_nothing(tmp_path: Path, shards: int) -> None:
    one = convert(write_source(tmp_path / "one"), tmp_path / "out1")
    many = convert(write_source(tmp_path / "many", shards=shards), tmp_path / "outn")
    assert len(list((tmp_path / "many").glob("*.data-*"))) == shards
    assert one.tensors == many.tensors
    assert (tmp_path / "out1" / "model.safetensors").read_bytes() == (
        tmp_path / "outn" / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_precisions_are_kept_exactly_and_half_is_widened(tmp_path: Path, dtype: str) -> None:
    source = write_source(tmp_path / "source", dtype=dtype)
    proof = convert(source, tmp_path / "out")
    held = arrays(dtype=dtype)
    wide = "float64" if dtype == "float64" else "float32"
    for line in lines(2, "pretraining"):
        tensor = written(tmp_path / "out")[line.target]
        assert tensor.dtype.name == wide
        expected = held[line.source].astype(wide)
        np.testing.assert_array_equal(tensor, expected.T if line.turned else expected)
    assert {(line.source_dtype, line.target_dtype) for line in proof.tensors} == {(dtype, wide)}


def test_precisions_may_be_mixed(tmp_path: Path) -> None:
    def halve(held: dict[str, Array]) -> None:
        for name in list(held)[::2]:
            held[name] = held[name].astype(ml_dtypes.bfloat16)

    proof = convert(write_source(tmp_path / "source", change=halve), tmp_path / "out")
    assert {line.source_dtype for line in proof.tensors} == {"bfloat16", "float32"}
    assert {tensor.dtype.name for tensor in written(tmp_path / "out").values()} == {"float32"}


@pytest.mark.parametrize(
    ("activation", "written_as", "computed", "assumed"),
    [(None, "gelu", "gelu_erf", True), ("erf", "gelu", "gelu_erf", False), ("tanh", "gelu_new", "gelu_tanh", False)],
)
def test_activation_by_option_or_stated_assumption(
    tmp_path: Path, activation: str | None, written_as: str, computed: str, assumed: bool
) -> None:
    proof = convert(write_source(tmp_path / "source"), tmp_path / "out", activation=activation)
    assert config(tmp_path / "out")["hidden_act"] == written_as
    assert proof.activation == computed
    assert any('"gelu" is taken as erf' in said for said in proof.assumptions) == assumed


def test_settings_go_over_the_config_and_are_told(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", config=CONFIG | {"num_attention_heads": 1})
    settings = {"num_attention_heads": "4", "hidden_act": "relu"}
    proof = convert(source, tmp_path / "out", settings=settings)
    found = config(tmp_path / "out")
    assert (found["num_attention_heads"], found["hidden_act"]) == (4, "relu")
    assert "num_attention_heads overridden by --set to 4" in proof.assumptions
    assert any("casing read off" in said for said in proof.assumptions)


def test_map_and_drop(tmp_path: Path) -> None:
    def rename(held: dict[str, Array]) -> None:
        held["my/words"] = held.pop("bert/embeddings/word_embeddings")
        held["my/words/adam_m"] = held["my/words"]
        held["scratch/a"] = held["scratch/b"] = np.ones(1, np.float32)

    source = write_source(tmp_path / "source", change=rename)
    assert "unknown variable my/words" in refused(source, tmp_path / "out")
    words = "bert/embeddings/word_embeddings"
    proof = convert(source, tmp_path / "out", rename={"my/words": words}, drop=("scratch/*",))
    assert {line.source: line.target for line in proof.tensors}["my/words"] == f"{words.replace('/', '.')}.weight"
    assert {dropped.source for dropped in proof.dropped} == {"my/words/adam_m", "scratch/a", "scratch/b"}
    assert "missing variable bert/pooler/dense/bias" in refused(
        source, tmp_path / "out2", rename={"my/words": words}, drop=("scratch/*", "bert/pooler/dense/bias")
    )


CASED = (*VOCAB[:-3], "Hej", "H", "##x")
ACCENTED = (*VOCAB[:-3], "sål", "å", "##å")


@pytest.mark.parametrize(
    ("vocab", "choice", "lower", "strip"),
    [
        (VOCAB, {}, True, True),
        (CASED, {}, False, False),
        (ACCENTED, {}, True, False),
        (CASED, {"lower_case": True}, True, True),
        (VOCAB, {"lower_case": False}, False, False),
        (VOCAB, {"strip_accents": False}, True, False),
        (ACCENTED, {"strip_accents": True}, True, True),
        (VOCAB, {"lower_case": True, "strip_accents": False}, True, False),
    ],
)
def test_casing_is_read_off_the_vocabulary_or_chosen_and_written_everywhere(
    tmp_path: Path, vocab: tuple[str, ...], choice: dict[str, bool], lower: bool, strip: bool
) -> None:
    proof = convert(write_source(tmp_path / "source", vocab=vocab), tmp_path / "out", **choice)
    fast = tokenizers.Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")).normalizer
    slow = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert (fast.normalize_str("A") == "a", fast.normalize_str("\u00e9") == "e") == (lower, strip)
    assert (slow["do_lower_case"], slow["strip_accents"]) == (lower, strip)
    assert (proof.casing["lower_case"], proof.casing["strip_accents"]) == (lower, strip)
    guessed = "lower_case" not in choice
    assert any("casing read off the vocabulary" in said for said in proof.assumptions) == guessed


def test_the_source_may_be_named_by_any_of_its_files(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    for number, name in enumerate(["", PREFIX, f"{PREFIX}.index", f"{PREFIX}.data-00000-of-00001"]):
        assert convert(source / name, tmp_path / f"out{number}").head == "pretraining"


def test_config_and_vocabulary_may_lie_elsewhere(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    (tmp_path / "my.json").write_bytes((source / "bert_config.json").read_bytes())
    (tmp_path / "my.txt").write_bytes((source / "vocab.txt").read_bytes())
    (source / "bert_config.json").unlink()
    (source / "vocab.txt").unlink()
    message = refused(source, tmp_path / "out")
    assert "no bert_config.json or config.json" in message
    assert "no vocab.txt" in message
    proof = convert(source, tmp_path / "out", config=tmp_path / "my.json", vocab=tmp_path / "my.txt")
    assert proof.config_file == "my.json"
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == (tmp_path / "my.txt").read_bytes()


def test_the_vocabulary_is_copied_byte_for_byte(tmp_path: Path) -> None:
    for case in (ERF, CYRILLIC):
        convert(case, tmp_path / case.name)
        assert (tmp_path / case.name / "vocab.txt").read_bytes() == (case / "vocab.txt").read_bytes()


# Whatever is refused leaves no trace and says in one message which file it is and what to do.


def refused(source: Path, out: Path, *, kind: type[ParityError] = ParityError, **options: Any) -> str:
    before = tree(out.parent)
    with pytest.raises(ParityError) as caught:
        convert(source, out, **options)
    assert type(caught.value) is kind
    assert tree(out.parent) == before, "something was left behind"
    message = str(caught.value)
    assert all("; " in line for line in message.splitlines()[-1:]), f"no remedy: {message}"
    return message


def truncate(name: str, by: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-by])


def flip(name: str, place: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[place] ^= 0x10
        (folder / name).write_bytes(content)

    return damage


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: str | bytes) -> Callable[[Path], None]:
    return lambda folder: (
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode()) and None
    )


def put(**values: Any) -> Callable[[Path], None]:
    return write("bert_config.json", json.dumps(CONFIG | values))


def without_layer(folder: Path) -> None:
    write_source(folder, change=lambda held: [held.pop(name) for name in list(held) if "layer_1/" in name] and None)


def nan(folder: Path) -> None:
    def change(held: dict[str, Array]) -> None:
        held["bert/encoder/layer_1/output/dense/kernel"][3, 2] = np.nan
        held["cls/predictions/output_bias"][0] = np.inf

    write_source(folder, change=change)


def other_data(folder: Path) -> None:
    write_source(folder, change=lambda held: [np.negative(array, out=array) for array in held.values()] and None)


def mixed_up(folder: Path) -> None:
    index = (folder / f"{PREFIX}.index").read_bytes()
    other_data(folder)
    (folder / f"{PREFIX}.index").write_bytes(index)


DATA, INDEX = f"{PREFIX}.data-00000-of-00001", f"{PREFIX}.index"
DAMAGES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    # what happens to the folder, the file that the message names, what it says
    "data gone": (remove(DATA), DATA, "missing"),
    "index gone": (remove(INDEX), PREFIX, "index"),
    "config gone": (remove("bert_config.json"), "bert_config.json", "--config"),
    "vocabulary gone": (remove("vocab.txt"), "vocab.txt", "--vocab"),
    "data cut off": (truncate(DATA, 1), DATA, ""),
    "data empty": (write(DATA, b""), DATA, ""),
    "index cut off": (truncate(INDEX, 1), INDEX, ""),
    "index empty": (write(INDEX, b""), INDEX, ""),
    "first byte of data flipped": (flip(DATA, 0), DATA, "do not match the checksum"),
    "last byte of data flipped": (flip(DATA, -1), DATA, "do not match the checksum"),
    "first byte of index flipped": (flip(INDEX, 0), INDEX, ""),
    "a byte of index flipped": (flip(INDEX, 500), INDEX, ""),
    "index of another training": (mixed_up, DATA, "belongs to another checkpoint"),
    "config is no JSON": (write("bert_config.json", "{"), "bert_config.json", "not JSON"),
    "config is a list": (write("bert_config.json", "[]"), "bert_config.json", "not a JSON object"),
    "config nested beyond sense": (write("bert_config.json", "[" * 200_000), "bert_config.json", "not JSON"),
    "config is empty": (write("bert_config.json", ""), "bert_config.json", "not JSON"),
    "config is no text": (write("bert_config.json", b"\xff\xfe{"), "bert_config.json", "not JSON"),
    "config is huge": (write("bert_config.json", " " * (2 << 20)), "bert_config.json", "too large"),
    "config with half a surrogate": (write("bert_config.json", '{"a": "\\ud800"}'), "bert_config.json", "not JSON"),
    "config of another width": (put(hidden_size=16), "bert_config.json", "hidden_size does not fit"),
    "config with a layer less": (put(num_hidden_layers=1), "bert_config.json", "num_hidden_layers does not fit"),
    "config with a layer more": (put(num_hidden_layers=3), "bert_config.json", "num_hidden_layers does not fit"),
    "config of a billion layers": (put(num_hidden_layers=1 << 30), "bert_config.json", "num_hidden_layers"),
    "config of another vocabulary": (put(vocab_size=58), "bert_config.json", "vocab_size does not fit"),
    "config with odd heads": (put(num_attention_heads=3), "bert_config.json", "no multiple"),
    "vocabulary shorter": (write("vocab.txt", "\n".join(VOCAB[:-1])), "vocab.txt", "wrong length"),
    "vocabulary longer": (write("vocab.txt", "\n".join([*VOCAB, "x"])), "vocab.txt", "wrong length"),
    "vocabulary empty": (write("vocab.txt", ""), "vocab.txt", "empty vocabulary"),
    "vocabulary without [MASK]": (
        write("vocab.txt", "\n".join(VOCAB).replace("[MASK]", "[mask]")),
        "vocab.txt",
        r"no \[MASK\]",
    ),
    "vocabulary no text": (write("vocab.txt", b"\xff\xfe\n" * len(VOCAB)), "vocab.txt", ""),
    "values that are no numbers": (nan, PREFIX, "1 of 96 values of bert/encoder/layer_1/output/dense/kernel are NaN"),
    "a layer without variables": (without_layer, "bert_config.json", "num_hidden_layers does not fit"),
    "a bias of another length": (
        lambda folder: write_source(
            folder, change=lambda held: held.update({"bert/pooler/dense/bias": np.zeros(9, "f4")})
        ),
        PREFIX,
        "bert/pooler/dense/bias has another shape",
    ),
    "whole numbers for weights": (
        lambda folder: write_source(
            folder, change=lambda held: held.update({"bert/pooler/dense/bias": np.zeros(8, "i4")})
        ),
        PREFIX,
        "bert/pooler/dense/bias is no floating point tensor",
    ),
    "no classes": (lambda folder: write_source(folder, "classifier", labels=0), PREFIX, "no classes"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_input_is_refused_by_the_files_name_and_leaves_nothing(tmp_path: Path, damage: str) -> None:
    change, file, says = DAMAGES[damage]
    source = write_source(tmp_path / "source")
    change(source)
    message = refused(source, tmp_path / "out", kind=ParityError)
    assert file in message, message
    assert re.search(says, message), message
    assert len(message) < 1000


def test_an_empty_folder_and_a_path_to_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "an empty folder" in refused(tmp_path / "empty", tmp_path / "out")
    assert "no such checkpoint" in refused(tmp_path / "nowhere" / "model.ckpt", tmp_path / "out")


def test_damage_in_what_is_left_behind_counts_unless_dropped_by_hand(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", extra={"global_step": np.array(1, np.int64)})
    flip(DATA, -1)(source)
    message = refused(source, tmp_path / "out")
    assert "the bytes of tensor global_step do not match the checksum" in message
    assert DATA in message
    convert(source, tmp_path / "out", drop=("global_step",))


def test_a_changed_bit_anywhere_in_index_or_data_is_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    rng = np.random.default_rng(6)
    for name, end in ((INDEX, 48), (DATA, 0)):  # the table's last 48 bytes are half padding, which nobody reads
        whole = (source / name).read_bytes()
        for place in rng.integers(0, len(whole) - end, 40):
            flip(name, int(place))(source)
            message = refused(source, tmp_path / "out")
            assert PREFIX in message
            (source / name).write_bytes(whole)
    convert(source, tmp_path / "out")


def test_a_missing_data_file_among_several_is_named(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", shards=3)
    (source / f"{PREFIX}.data-00001-of-00003").unlink()
    assert f"{PREFIX}.data-00001-of-00003" in refused(source, tmp_path / "out")


def test_what_is_there_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    assert "already there" in refused(tmp_path / "nowhere" / "model.ckpt", tmp_path / "out")


def test_force_replaces_when_all_is_well_and_only_then(tmp_path: Path) -> None:
    source, out = write_source(tmp_path / "source"), tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("x")
    flip(DATA, 0)(source)
    refused(source, out, force=True)
    assert tree(out) == {"mine"}
    flip(DATA, 0)(source)
    convert(source, out, force=True)
    assert "mine" not in tree(out)
    assert "model.safetensors" in tree(out)


@pytest.mark.parametrize("out", ["source", "source/..", "."])
def test_the_source_is_never_replaced_by_what_is_made_of_it(tmp_path: Path, out: str) -> None:
    source = write_source(tmp_path / "deep" / "source")
    target = tmp_path / "deep" / out
    assert "OUT holds the source itself" in refused(source, target, force=True)
    assert read_source(source).keys() == arrays().keys()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), MemoryError()])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_an_interrupted_conversion_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, form: str
) -> None:
    import parity.artifacts.stream as module

    count = 0

    def interrupted(array: Array) -> str:
        nonlocal count
        count += 1
        if count == 20:
            raise error
        return "0" * 64

    if form == "bin":
        pytest.importorskip("torch", reason='pip install "parity[torch]"')
    source = write_source(tmp_path / "source")
    before = tree(tmp_path)
    monkeypatch.setattr(module, "sha256_array", interrupted)
    with pytest.raises(type(error)):
        convert(source, tmp_path / "new" / "out", form=form)
    assert tree(tmp_path) == before


def test_bin_is_readable_without_trust_and_holds_the_tied_names(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason='pip install "parity[torch]"')
    proof = convert(ERF, tmp_path / "out", form="bin")
    state = torch.load(tmp_path / "out" / "pytorch_model.bin", weights_only=True)
    same = written_by_safetensors = map_tensors(convert_once(tmp_path) / "model.safetensors")
    tied = {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"}
    tied |= {"cls.predictions.decoder.bias": "cls.predictions.bias"}
    assert state.keys() == same.keys() | tied.keys()
    for name, tensor in state.items():
        expected = written_by_safetensors[tied.get(name, name)]
        assert tensor.is_contiguous()
        assert tensor.numpy().tobytes() == expected.tobytes()
    assert (
        state["cls.predictions.decoder.weight"].data_ptr() == state[tied["cls.predictions.decoder.weight"]].data_ptr()
    )
    assert proof.notes["weights"] == "pytorch_model.bin"
    assert not (tmp_path / "out" / "model.safetensors").exists()


def convert_once(tmp_path: Path) -> Path:
    convert(ERF, tmp_path / "safe")
    return tmp_path / "safe"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"to": "jax"}, "cannot convert to jax (expected one of pytorch, tensorflow, openvino, onnx, spacy)"),
        ({"form": "pickle"}, "unknown --format (got pickle, expected safetensors or bin)"),
        ({"form": "bin", "to": "tensorflow"}, "--format belongs to --to pytorch"),
        ({"compress": "fp16"}, "--compress does not belong to --to pytorch"),
        ({"lang": "da"}, "--lang does not belong to --to pytorch"),
        ({"family": "gpt5"}, "unknown family gpt5"),
        ({"activation": "relu"}, "unknown activation (got relu, expected erf or tanh)"),
        ({"drop": ("nothing*",)}, "--drop nothing* meets no variable"),
        ({"rename": {"a": "b"}}, "--map names a, which the checkpoint does not hold"),
        ({"settings": {"hidden_size": "big"}}, 'hidden_size is not a positive whole number (got "big")'),
    ],
)
def test_requests_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    source = write_source(tmp_path / "source")
    assert says in refused(source, tmp_path / "out", **options)


def test_a_kind_whose_runtime_is_missing_is_refused_with_the_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_source(tmp_path / "source")
    monkeypatch.setattr(sys.modules["parity.artifacts.convert"], "find_spec", lambda name: None)
    message = refused(source, tmp_path / "out", to="openvino", kind=MissingRuntime)
    assert message == '--to openvino needs openvino, not installed here; pip install "parity[openvino]"'


def test_no_framework_is_loaded(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from parity.artifacts import convert_checkpoint
from parity.artifacts.verify import verify
source, out = sys.argv[1], Path(sys.argv[2])
convert_checkpoint(source, out / "hf")
convert_checkpoint(source, out / "tf", to="tensorflow")
verify(out / "hf", source=Path(source))
verify(out / "tf")
heavy = {"torch", "tensorflow", "transformers", "openvino", "spacy", "onnx", "onnxruntime", "tokenizers", "pandas"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ERF), str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "[]"
    assert read_proof(tmp_path / "tf").to == "tensorflow"
