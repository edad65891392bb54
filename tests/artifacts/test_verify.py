"""`verify` sees every change of an artifact, of its proof, and of the source it is held against."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bert import CYRILLIC, ERF, arrays, write_source

from parity.artifacts import Choices, convert_checkpoint, read_proof
from parity.artifacts.proof import FILE, sha256_array
from parity.artifacts.verify import verify
from parity.checkpoints import write_bundle
from parity.errors import BrokenParity, ParityError
from parity.tensorfile import Array, TensorSpec, map_tensors, write_tensors

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("verify") / "source", extra={"global_step": np.array(3, np.int64)})


@pytest.fixture(scope="module")
def artifacts(source: Path) -> dict[str, Path]:
    """One of each kind that needs no framework, and a .bin where PyTorch is."""
    made = {kind: source.parent / kind for kind in ("pytorch", "tensorflow")}
    for kind, folder in made.items():
        convert_checkpoint(str(source), folder, to=kind)
    return made


@pytest.fixture
def copy(artifacts: dict[str, Path], tmp_path: Path) -> Path:
    """A Hugging Face directory to damage."""
    return Path(shutil.copytree(artifacts["pytorch"], tmp_path / "copy"))


def broken(folder: Path, **options: Any) -> str:
    with pytest.raises(BrokenParity) as caught:
        verify(folder, **options)
    assert caught.value.exit_code == 1
    return str(caught.value)


def exit_code(folder: Path) -> int:
    try:
        verify(folder)
    except ParityError as error:
        return error.exit_code
    return 0


def rewrite(folder: Path, change: Callable[[dict[str, Array]], object]) -> None:
    """The weights again, changed, as a well-formed file."""
    tensors = {name: np.array(array) for name, array in map_tensors(folder / WEIGHTS).items()}
    change(tensors)
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in tensors.items()]
    write_tensors(folder / WEIGHTS, specs, tensors.values(), metadata={"format": "pt"})


@contextmanager
def flipped(path: Path, place: int, mask: int = 1) -> Iterator[None]:
    """One byte of a file changed for a while."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ mask]))
    try:
        yield
    finally:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([byte]))


@pytest.mark.parametrize("case", [ERF, CYRILLIC], ids=lambda case: case.name)
def test_a_golden_holds_and_every_tensor_of_its_source_is_compared(case: Path, converted: dict[Path, Path]) -> None:
    found = verify(converted[case], source=case)
    assert found.tensors == found.source_tensors == 5 + 16 * 3 + 2 + 7
    assert found.files == 5
    assert verify(converted[case]).source_tensors == 0


@pytest.mark.parametrize("head", ["classifier", "qa", "mlm", "nsp", "none"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_every_head_and_precision_holds(tmp_path: Path, head: str, dtype: str) -> None:
    source = write_source(tmp_path / "source", head, dtype=dtype, shards=2)
    convert_checkpoint(str(source), tmp_path / "out")
    assert verify(tmp_path / "out", source=source).tensors == len(arrays(head))


@pytest.mark.parametrize("kind", ["pytorch", "tensorflow"])
def test_a_single_changed_byte_is_seen_wherever_it_is(artifacts: dict[str, Path], kind: str) -> None:
    rng = np.random.default_rng(8)
    tried = 0
    for path in sorted(artifacts[kind].iterdir()):
        size = path.stat().st_size
        places = {0, 1, size // 2, size - 2, size - 1, *map(int, rng.integers(0, size, 12))}
        if path.name == WEIGHTS:
            header = 8 + int.from_bytes(path.read_bytes()[:8], "little")
            places |= {8, header - 1, header, *map(int, rng.integers(8, header, 25))}
        for place in sorted(places):
            with flipped(path, place, 1 << int(rng.integers(0, 8))):
                code = exit_code(artifacts[kind])
            assert code == 1 or (code == 2 and path.name == FILE), f"byte {place} of {path.name} is not watched"
            tried += 1
    verify(artifacts[kind])
    assert tried > 60


@pytest.mark.parametrize("kind", ["pytorch", "tensorflow"])
def test_a_file_that_is_gone_cut_or_longer_is_seen(artifacts: dict[str, Path], tmp_path: Path, kind: str) -> None:
    for name in sorted(path.name for path in artifacts[kind].iterdir() if path.name != FILE):
        for number, change in enumerate((lambda data: None, lambda data: data[:-1], lambda data: data + b"\n")):
            folder = Path(shutil.copytree(artifacts[kind], tmp_path / f"{name}{number}"))
            changed = change((folder / name).read_bytes())
            (folder / name).unlink()
            if changed is not None:
                (folder / name).write_bytes(changed)
            assert name in broken(folder)


def test_a_changed_value_is_named(copy: Path) -> None:
    rewrite(copy, lambda tensors: tensors["bert.encoder.layer.1.attention.self.key.bias"].__setitem__(0, 9.0))
    message = broken(copy)
    assert "tensor bert.encoder.layer.1.attention.self.key.bias has other values" in message
    assert message.count("tensor ") == 1


def test_missing_and_extra_tensors_are_named(copy: Path) -> None:
    def change(tensors: dict[str, Array]) -> None:
        tensors["bert.pooler.extra"] = tensors.pop("bert.pooler.dense.bias")

    rewrite(copy, change)
    message = broken(copy)
    assert "tensor bert.pooler.extra is not in the proof" in message
    assert "tensor bert.pooler.dense.bias is missing" in message


def test_two_tensors_exchanged_are_named(copy: Path) -> None:
    one, other = (f"bert.encoder.layer.{i}.attention.self.query.weight" for i in (0, 1))

    def change(tensors: dict[str, Array]) -> None:
        tensors[one], tensors[other] = tensors[other], tensors[one]

    rewrite(copy, change)
    message = broken(copy)
    assert f"tensor {one} has other values" in message
    assert f"tensor {other} has other values" in message


def test_a_tensor_left_unturned_is_named(copy: Path) -> None:
    name = "bert.encoder.layer.0.attention.self.query.weight"
    rewrite(copy, lambda tensors: tensors.update({name: np.ascontiguousarray(tensors[name].T)}))
    assert f"tensor {name} has other values" in broken(copy)


def test_another_dtype_or_shape_is_named(copy: Path) -> None:
    def change(tensors: dict[str, Array]) -> None:
        tensors["bert.pooler.dense.bias"] = tensors["bert.pooler.dense.bias"].astype(np.float64)
        tensors["cls.predictions.bias"] = tensors["cls.predictions.bias"][None]

    rewrite(copy, change)
    message = broken(copy)
    assert (
        "bert.pooler.dense.bias has another form than its proof says (got float64[8], expected float32[8])" in message
    )
    assert "cls.predictions.bias has another form" in message


def test_the_same_tensors_in_another_order_are_not_what_was_written(copy: Path) -> None:
    def change(tensors: dict[str, Array]) -> None:
        for name in reversed(list(tensors)):
            tensors[name] = tensors.pop(name)

    rewrite(copy, change)
    assert f"the header of {WEIGHTS} was changed" in broken(copy)


def test_a_proof_made_to_fit_does_not_lead_back(copy: Path) -> None:
    """Weights and their hashes changed together: only the way back, and the source, can tell."""
    rewrite(copy, lambda tensors: tensors["bert.pooler.dense.weight"].__setitem__((0, 1), 9.0))
    proof, tensors = read_proof(copy), map_tensors(copy / WEIGHTS)
    lines = tuple(replace(line, target_sha256=sha256_array(tensors[line.target])) for line in proof.tensors)
    replace(proof, tensors=lines).write(copy)
    assert "bert.pooler.dense.weight does not lead back to bert/pooler/dense/kernel" in broken(copy)


def test_a_forger_who_changes_both_hashes_is_told_by_the_source(copy: Path, source: Path) -> None:
    rewrite(copy, lambda tensors: tensors["bert.pooler.dense.bias"].__setitem__(0, 9.0))
    proof, tensors = read_proof(copy), map_tensors(copy / WEIGHTS)
    digest = sha256_array(tensors["bert.pooler.dense.bias"])
    lines = tuple(
        replace(line, target_sha256=digest, source_sha256=digest) if line.target == "bert.pooler.dense.bias" else line
        for line in proof.tensors
    )
    replace(proof, tensors=lines).write(copy)
    verify(copy)
    assert "bert/pooler/dense/bias of source has other values" in broken(copy, source=source)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw["tensors"].pop(3), "is not in the proof"),
        (lambda raw: raw["assumptions"].append("none"), "conversion.json was changed"),
        (lambda raw: raw["dropped"][0].update(reason="forgotten"), "conversion.json was changed"),
        (lambda raw: raw["files"].pop("vocab.txt"), "conversion.json was changed"),
        (lambda raw: raw.update(seal="0" * 64), "conversion.json was changed"),
        (lambda raw: raw.update(more=1), "conversion.json was changed"),
        (lambda raw: raw["tensors"][0].update(operation="rotate"), "unknown operation rotate"),
        (lambda raw: raw["notes"].update(weights="../x"), "../x is missing"),
    ],
)
def test_a_proof_that_was_edited_is_seen(copy: Path, change: Callable[[Any], object], says: str) -> None:
    raw = json.loads((copy / FILE).read_text())
    change(raw)
    (copy / FILE).write_text(json.dumps(raw, ensure_ascii=False, indent=1) + "\n")
    assert says in broken(copy)


def test_weights_of_another_format_beside_are_seen(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"old")
    assert "pytorch_model.bin is not in the proof, and may be loaded in place of model.safetensors" in broken(copy)


def test_no_proof_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="no proof here") as caught:
        verify(tmp_path)
    assert caught.value.exit_code == 2


def test_a_proof_of_an_unknown_kind_is_no_verdict(copy: Path) -> None:
    replace(read_proof(copy), to="jax").write(copy)
    with pytest.raises(ParityError, match=r"unknown kind .got jax, expected one of pytorch, ") as caught:
        verify(copy)
    assert caught.value.exit_code == 2


# Held against a source.


def test_another_checkpoint_is_not_the_source(tmp_path: Path, artifacts: dict[str, Path]) -> None:
    def change(held: dict[str, Array]) -> None:
        held["bert/pooler/dense/kernel"][0, 0] += 1

    other = write_source(tmp_path / "other", change=change)
    message = broken(artifacts["pytorch"], source=other)
    assert "bert/pooler/dense/kernel of other has other values than the proof says" in message
    assert message.count("has other values") == 1


def test_a_source_with_more_or_less_is_not_the_source(tmp_path: Path, artifacts: dict[str, Path]) -> None:
    def change(held: dict[str, Array]) -> None:
        held["bert/pooler/dense/bias/adam_m"] = held.pop("bert/pooler/dense/bias")

    message = broken(artifacts["pytorch"], source=write_source(tmp_path / "other", change=change))
    assert "bert/pooler/dense/bias/adam_m of other is neither converted nor dropped" in message
    assert "other has no bert/pooler/dense/bias" in message


def test_a_source_of_another_make_is_said_in_one_line(tmp_path: Path, artifacts: dict[str, Path]) -> None:
    write_bundle(tmp_path / "m", [TensorSpec("model/wte", "float32", (2,))], [np.zeros(2, np.float32)])
    assert broken(artifacts["pytorch"], source=tmp_path / "m") == (
        f"{artifacts['pytorch']}: m holds none of the proof's tensors; name the checkpoint this was converted from"
    )


def test_a_damaged_source_is_unreadable_and_not_broken(tmp_path: Path, artifacts: dict[str, Path]) -> None:
    other = write_source(tmp_path / "other")
    data = next(other.glob("*.data-*"))
    with flipped(data, 3), pytest.raises(ParityError) as caught:
        verify(artifacts["pytorch"], source=other)
    assert caught.value.exit_code == 2
    assert data.name in str(caught.value)


def test_dropped_and_renamed_tensors_are_accounted_for(tmp_path: Path) -> None:
    def change(held: dict[str, Array]) -> None:
        held["my/words"] = held.pop("bert/embeddings/word_embeddings")
        held["scratch"] = np.ones(2, np.float32)

    source = write_source(tmp_path / "source", change=change)
    choices = Choices(drop=("scratch",), rename={"my/words": "bert/embeddings/word_embeddings"}, head="nsp")
    convert_checkpoint(str(source), tmp_path / "out", choices=choices)
    assert verify(tmp_path / "out", source=source).source_tensors == len(arrays("nsp"))


def test_a_checkpoint_made_again_is_held_against_either_end_of_its_way(
    tmp_path: Path, source: Path, artifacts: dict[str, Path]
) -> None:
    count = len(arrays())
    assert verify(artifacts["tensorflow"], source=source).source_tensors == count
    assert verify(artifacts["tensorflow"], source=artifacts["pytorch"]).source_tensors == count
    different = write_source(
        tmp_path / "different", change=lambda held: held["cls/predictions/output_bias"].__iadd__(1)
    )
    assert "cls/predictions/output_bias of different has other values" in broken(
        artifacts["tensorflow"], source=different
    )


def test_a_bin_holds_and_every_change_of_it_is_seen(tmp_path: Path, source: Path) -> None:
    torch = pytest.importorskip("torch", reason='pip install "parity[torch]"')
    folder = tmp_path / "bin"
    convert_checkpoint(str(source), folder, form="bin")
    assert verify(folder, source=source).tensors == len(arrays())
    path = folder / "pytorch_model.bin"
    for place in np.random.default_rng(4).integers(0, path.stat().st_size, 20):
        with flipped(path, int(place)):
            assert "pytorch_model.bin was changed since conversion" in broken(folder)
    state = torch.load(path, weights_only=True)
    state["cls.predictions.decoder.bias"] = state["cls.predictions.bias"] + 1
    state["bert.pooler.dense.bias"] += 1
    torch.save(state, path)
    message = broken(folder)
    assert "cls.predictions.decoder.bias is not tied to cls.predictions.bias" in message
    assert "tensor bert.pooler.dense.bias has other values" in message
    del state["cls.predictions.bias"]
    torch.save(state, path)
    assert "tensor cls.predictions.bias is missing" in broken(folder)


def test_a_checkpoint_written_again_by_others_with_the_same_values_still_holds(
    tmp_path: Path, artifacts: dict[str, Path], source: Path
) -> None:
    """The source is held by its values, not by its files."""
    held = arrays() | {"global_step": np.array(3, np.int64)}
    specs = [TensorSpec(name, array.dtype.name, array.shape) for name, array in held.items()]
    write_bundle(tmp_path / "again.ckpt", specs, held.values(), shards=4)
    assert verify(artifacts["pytorch"], source=tmp_path / "again.ckpt").source_tensors == len(arrays())
