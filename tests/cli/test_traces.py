"""parity trace and compare, as a user types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_bert import ERF, tree

from parity.traces import TraceBatch, batch_path, read_batch, write_batch

from .conftest import Parity

QUICK = ("--in-process", "--threads", "2")


@pytest.fixture(scope="module")
def traces(golden_batches: dict[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The golden in float64 and float32, and with the other GELU."""
    from parity.artifacts import Choices
    from parity.runs.options import RunOptions
    from parity.runs.tracing import trace

    folder, options = tmp_path_factory.mktemp("traces"), RunOptions(in_process=True, threads=2)
    inputs = golden_batches[ERF]
    trace(str(ERF), inputs, folder / "oracle", backend="oracle", options=options)
    trace(str(ERF), inputs, folder / "base", backend="tensorflow:numpy", options=options)
    wrong = Choices(activation="tanh")
    trace(str(ERF), inputs, folder / "wrong", backend="tensorflow:numpy", options=options, choices=wrong)
    return {name: folder / name for name in ("oracle", "base", "wrong")}


def test_trace_tells_what_ran_and_where_it_lies(
    parity: Parity, golden_batches: dict[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = parity("trace", ERF, golden_batches[ERF], out, "--backend", "oracle", *QUICK)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{out}: 1 batches in ")
    assert " s by oracle (version " in said.out
    assert "precision float64" in said.out
    assert tree(out) == {"batch-000.safetensors"}


def test_every_option_arrives(parity: Parity, golden_batches: dict[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    said = parity(
        *("trace", ERF / "bert_model.ckpt", golden_batches[ERF], out, "--force", "--backend", "oracle", *QUICK),
        *("--config", ERF / "bert_config.json", "--vocab", ERF / "vocab.txt", "--family", "bert", "--head", "mlm"),
        *("--activation", "tanh", "--precision", "float32", "--taps", "logits.*", "--taps", "layer.0.output"),
        *("--logit-positions", "all", "--timeout", "60"),
    )
    assert said.code == 0, said.err
    found = read_batch(batch_path(out, 0))
    assert sorted(found.taps) == ["layer.0.output", "logits.mlm"]
    assert found.taps["logits.mlm"].shape == (3, 40, 601)
    assert found.taps["logits.mlm"].dtype == np.float32
    deviation = np.abs(found.taps["logits.mlm"] - np.load(ERF / "golden.npz")["mlm_logits"])
    assert deviation.max() > 1e-4, "the other GELU"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--backend", "oracel"], "did you mean oracle"),
        (["--backend", "oracle", "--logit-positions", "some"], "--logit-positions is given or all"),
        (["--backend", "oracle", "--set", "x"], "--set wants NAME=VALUE"),
        (["--backend", "oracle", "--set", "x=1"], "x is no setting"),
        (["--backend", "oracle", "--set", "hidden_activation=relu"], "did you mean hidden_act"),
        (["--backend", "oracle", "--set", "graph=x.meta"], "graph"),
        (["--backend", "oracle", "--taps", "nothing.*"], "nothing.*"),
        (["--backend", "oracle", "--precision", "float8"], "does not compute in float8"),
        (["--backend", "oracle", "--python", "torch=/no/such"], "--python wants NAME=PATH"),
        (["--backend", "oracle", "--head", "qa"], "holds no head qa"),
    ],
)
def test_wrong_requests_are_exit_2(
    parity: Parity, golden_batches: dict[Path, Path], tmp_path: Path, options: list[str], says: str
) -> None:
    said = parity("trace", ERF, golden_batches[ERF], tmp_path / "out", *options, *QUICK)
    assert said.code == 2
    assert says in said.err
    assert tree(tmp_path) == set()


def test_ids_outside_the_vocabulary_are_exit_2(parity: Parity, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", input_ids=np.array([[1, 601]]))
    said = parity("trace", ERF, tmp_path / "mine.npz", tmp_path / "out", "--backend", "oracle", *QUICK)
    assert said.code == 2
    assert said.err.startswith(f"parity: {tmp_path / 'mine.npz'}: input_ids at row 0, position 1 is out of range")
    assert tree(tmp_path) == {"mine.npz"}


def test_compare_holds_for_the_same_computation(parity: Parity, traces: dict[str, Path]) -> None:
    said = parity("compare", traces["base"], traces["base"], "--oracle", traces["oracle"])
    assert (said.code, said.err) == (0, "")
    assert "layer.2" in said.out


def test_compare_is_exit_1_for_the_wrong_activation_and_names_the_layers(
    parity: Parity, traces: dict[str, Path]
) -> None:
    said = parity("compare", traces["base"], traces["wrong"], "--oracle", traces["oracle"], "--json")
    assert said.code == 1
    assert said.err == "parity: parity is broken\n"
    (candidate,) = json.loads(said.out)["candidates"]
    failed = {tap["tap"] for tap in candidate["taps"] if tap["status"] == "fail"}
    assert {"layer.0", "layer.1", "layer.2"} <= failed
    assert "embeddings" not in failed


def test_without_an_oracle_only_a_bound_decides_about_size(parity: Parity, traces: dict[str, Path]) -> None:
    assert parity("compare", traces["base"], traces["wrong"]).code == 0
    assert parity("compare", traces["base"], traces["wrong"], "--bound", "max=1e-4").code == 1
    assert parity("compare", traces["base"], traces["wrong"], "--bound", "max=1").code == 0
    assert parity("compare", traces["base"], traces["base"], "--bound", "max=1e-9", "--bound", "rms=1e-9").code == 0


def test_one_broken_candidate_among_several_is_enough(parity: Parity, traces: dict[str, Path]) -> None:
    said = parity("compare", traces["base"], traces["base"], traces["wrong"], "--oracle", traces["oracle"])
    assert said.code == 1


def test_a_tap_that_is_missing_is_broken(parity: Parity, traces: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(traces["base"], tmp_path / "less"))
    whole = read_batch(batch_path(folder, 0))
    less = {name: np.array(array) for name, array in whole.taps.items() if name != "layer.1"}
    inputs = {name: np.array(array) for name, array in whole.inputs.items()}
    write_batch(batch_path(folder, 0), TraceBatch(less, inputs, whole.meta))
    said = parity("compare", traces["base"], folder)
    assert said.code == 1
    assert "layer.1" in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["base", "nowhere"], "nowhere"),
        (["nowhere", "base"], "nowhere"),
        (["base", "base", "--oracle", "nowhere"], "nowhere"),
        (["base", "base", "--bound", "max=high"], "the bound of max is not a number (got high)"),
        (["base", "base", "--bound", "maximum=1"], "maximum"),
        (["base", "base", "--bound", "max"], "--bound wants NAME=VALUE"),
        (["base", "base", "--bound", "max=nan"], "max"),
    ],
)
def test_what_cannot_be_compared_is_exit_2(
    parity: Parity, traces: dict[str, Path], tmp_path: Path, arguments: list[str], says: str
) -> None:
    given = [traces.get(word, tmp_path / word if word == "nowhere" else word) for word in arguments]
    said = parity("compare", *given)
    assert said.code == 2
    assert says in said.err


def test_a_references_flags_go_over_the_config_and_the_graphs_own_file_is_read(
    parity: Parity, golden_batches: dict[Path, Path], tmp_path: Path
) -> None:
    for act in ("gelu", "relu"):
        flags = ("--backend", "oracle", "--set", f"hidden_act={act}", *QUICK)
        assert parity("trace", ERF, golden_batches[ERF], tmp_path / act, *flags).code == 0
    gelu, relu = (read_batch(batch_path(tmp_path / act, 0)).taps["layer.0"] for act in ("gelu", "relu"))
    assert np.abs(gelu - relu).max() > 1e-3
    flags = ("--backend", "metagraph", "--set", "graph=no-such.meta", *QUICK)
    said = parity("trace", ERF, golden_batches[ERF], tmp_path / "out", *flags)
    assert (said.code, "no-such.meta" in said.err) == (2, True), said.err
