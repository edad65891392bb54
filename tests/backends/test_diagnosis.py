"""Faults put into a converted model by hand: the diagnosis names each, and nothing where it does not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module

import numpy as np
import pytest

from parity.backends import diagnosis
from parity.errors import ParityError
from parity.tensorfile import Array, numpy_dtype

from .diagnosed import Edit, Patient

pytest.importorskip("torch", reason='pip install "parity[torch]"')
pytest.importorskip("transformers", reason='pip install "parity[torch]"')

HF, TF = "bert.encoder.layer.1.", "bert/encoder/layer_1/"
WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARITY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PARITY_MODELS", raising=False)
        yield Patient(tmp_path_factory.mktemp("patient"))


def transposed(name: str) -> Edit:
    return lambda held: held.update({name: held[name].T})


def times(name: str, factor: float) -> Edit:
    return lambda held: held.update({name: held[name] * np.float32(factor)})


def exchanged(*pairs: tuple[str, str]) -> Edit:
    def edit(held: dict[str, Array]) -> None:
        for one, other in pairs:
            held[one], held[other] = held[other], held[one]

    return edit


def ends(one: str, other: str) -> Edit:
    return exchanged(*((f"{HF}{one}.{end}", f"{HF}{other}.{end}") for end in ("weight", "bias")))


def rounded(held: dict[str, Array], dtype: str, *, scope: str = "") -> None:
    for name in held:
        if name.startswith(scope):
            held[name] = held[name].astype(numpy_dtype(dtype)).astype(np.float32)


def since(held: dict[str, Array], value: Array | float) -> None:
    held[WORDS] = held[WORDS].copy()
    held[WORDS][len(held[WORDS]) // 2 :] = value


def alike_layer_0(held: dict[str, Array]) -> None:
    held.update({name: held[name.replace("layer.1.", "layer.0.")] for name in held if name.startswith(HF)})


def backwards(*names: str) -> Edit:
    return lambda held: held.update({name: held[name][::-1] for name in names})


NAMED: dict[str, tuple[Edit, str, str]] = {
    # what was done, kind, the tensor that is named; `parity faults` has many more of each kind
    "swapped": (ends("attention.self.query", "attention.self.value"), "", f"{TF}attention/self/value/kernel"),
    "norm-not-loaded": (lambda h: h[f"{HF}output.LayerNorm.weight"].fill(1), "", f"{TF}output/LayerNorm/gamma"),
    "low-precision-weights": (
        lambda held: rounded(held, "float16", scope=f"{HF}intermediate.dense.weight"),
        "",
        f"{TF}intermediate/dense/kernel",
    ),
    "other-layer": (alike_layer_0, "", f"{TF}output/dense/kernel"),
    "truncated-vocabulary": (lambda held: since(held, held[WORDS][1]), "", "bert/embeddings/word_embeddings"),
    "bias-doubled": (times("cls.predictions.bias", 2), "", "cls/predictions/output_bias"),
    "outputs-swapped": (
        backwards("cls.seq_relationship.weight", "cls.seq_relationship.bias"),
        "",
        "cls/seq_relationship/output_weights",
    ),
}


SHOWN = {
    "bert/embeddings/": ("embeddings", "logits.mlm"),
    "bert/encoder/": ("layer.1",),
    "cls/predictions/": ("logits.mlm",),
    "cls/seq_relationship/": ("logits.nsp",),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_fault_in_the_weights_is_named_with_its_tensor(patient: Patient, case: str) -> None:
    edit, kind, subject = NAMED[case]
    found = patient.examined(edit, stations=next(taps for scope, taps in SHOWN.items() if subject.startswith(scope)))
    assert {cause.kind for cause in found.causes} == {kind or case}, found.sentence
    assert any(subject in cause.subject for cause in found.causes)
    assert (found.group, found.unexplained) == (None, ())
    assert all(cause.before > 1 >= cause.after for cause in found.causes)


def test_a_sound_run_has_nothing_to_explain(patient: Patient) -> None:
    found = patient.examined()
    assert (found.causes, found.station, found.tried) == ((), None, 0)
    assert "nothing to explain" in found.sentence


def test_the_bias_of_keys_is_invisible(patient: Patient) -> None:
    assert patient.examined(times(f"{HF}attention.self.key.bias", 0)).station is None


def test_epsilon_everywhere_is_one_cause_with_its_value(patient: Patient) -> None:
    found = patient.examined(config={"layer_norm_eps": 1e-6})
    (cause,) = found.causes
    assert cause.kind == "epsilon"
    assert cause.stations == ("embeddings", "layer.0", "layer.1", "logits.mlm")
    assert cause.coefficient is not None
    assert cause.error is not None
    assert abs(cause.coefficient - 1e-6) <= 5 * cause.error <= 1e-8
    assert "not 1e-12" in found.sentence


def test_another_activation_is_one_cause(patient: Patient) -> None:
    (cause,) = patient.examined(config={"hidden_act": "quick_gelu"}, stations=("layer.0", "layer.1")).causes
    assert (cause.kind, cause.stations) == ("activation", ("layer.0", "layer.1"))
    assert "sigmoid(1.702 x)" in cause.sentence


def test_a_factor_is_recovered_with_its_error(patient: Patient) -> None:
    found = patient.examined(times(f"{HF}output.dense.bias", 0.75), stations=("layer.1",))
    (cause,) = found.causes
    assert (cause.kind, cause.subject) == ("scale", (f"{TF}output/dense/bias",))
    assert cause.coefficient == pytest.approx(0.75, abs=1e-4)
    assert cause.error is not None
    assert 0 < cause.error < 1e-3


def test_one_changed_weight_is_found_with_row_column_and_value(patient: Patient) -> None:
    def edit(held: dict[str, Array]) -> None:
        held[f"{HF}output.dense.weight"][3, 5] += np.float32(0.001)

    (cause,) = patient.examined(edit, stations=("layer.1",)).causes
    assert (cause.kind, cause.subject) == ("single-weight", (f"{TF}output/dense/kernel",))
    assert "kernel[5, 3] is" in cause.sentence


def test_weights_through_bfloat16_everywhere_are_one_cause(patient: Patient) -> None:
    found = patient.examined(lambda held: rounded(held, "bfloat16"))
    (cause,) = found.causes
    assert cause.kind == "low-precision-weights"
    assert "bfloat16" in cause.sentence
    assert cause.stations == patient.taps


def test_arithmetic_in_bfloat16_is_told_from_weights_in_it(patient: Patient) -> None:
    (cause,) = patient.examined(settings={"dtype": "bfloat16"}).causes
    assert cause.kind == "low-precision-arithmetic"
    assert cause.subject == ("bfloat16",)


def test_inputs_that_do_not_arrive(patient: Patient) -> None:
    def told(fed: dict[str, Array]) -> dict[str, Array]:
        return {**fed, "attention_mask": fed["token_type_ids"], "token_type_ids": fed["attention_mask"]}

    found = patient.examined(fed=told)
    assert {cause.kind for cause in found.causes} == {"mask-and-types-swapped"}, found.sentence
    assert found.unexplained == ()


def test_a_list_of_states_that_begins_elsewhere(patient: Patient) -> None:
    listed = ("embeddings", "layer.0", "layer.1")

    def retold(taps: dict[str, Array]) -> dict[str, Array]:
        return {**taps, **{tap: taps[listed[min(i + 1, 2)]] for i, tap in enumerate(listed)}}

    found = patient.examined(retold=retold)
    assert [cause.kind for cause in found.causes] == ["list-shifted"], found.sentence
    assert "after" in found.causes[0].sentence


def test_what_is_about_one_station_is_not_tried_at_another(patient: Patient) -> None:
    def retold(taps: dict[str, Array]) -> dict[str, Array]:
        return {**taps, "layer.0": taps["embeddings"], "layer.1": taps["embeddings"]}

    found = patient.examined(retold=retold, stations=("layer.0", "layer.1"))
    assert [(cause.kind, cause.stations) for cause in found.causes] == [
        ("skipped", ("layer.0",)),
        ("skipped", ("layer.1",)),
    ]


def test_an_epsilon_of_one_norm_and_a_factor_that_explains_as_much_are_alternatives(patient: Patient) -> None:
    found = patient.examined(misdeed="eps-one", stations=("layer.1",))
    epsilon = next(cause for cause in found.causes if cause.kind == "epsilon")
    assert epsilon.subject == ("layer.1.attention.norm",)
    assert epsilon.coefficient == pytest.approx(1e-5, rel=0.02)
    assert "either LayerNorm in layer.1.attention.norm" in found.sentence
    assert [cause.subject for cause in found.causes[1:]] == [(f"{TF}attention/output/LayerNorm/gamma",)]


def test_positions_from_1_whose_last_is_held(patient: Patient) -> None:
    (cause,) = patient.examined(misdeed="positions+1", stations=("embeddings",)).causes
    assert cause.kind == "positions-shifted"
    assert "counted from 1 on, and what lies beyond the table" in cause.sentence


def test_autocast_is_told_from_arithmetic_in_bfloat16(patient: Patient) -> None:
    found = patient.examined(misdeed="autocast", stations=("layer.0", "layer.1"))
    (cause,) = found.causes
    assert (cause.kind, cause.subject) == ("low-precision-arithmetic", ("bfloat16",))
    assert "products, and what is made of them" in cause.sentence
    assert cause.coefficient == pytest.approx(1, abs=0.2)


def test_a_row_that_is_the_whole_sample(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("parity.backends.diagnosis.sample"), "TOKENS", 1)
    (cause,) = patient.examined(times("bert.pooler.dense.bias", 0), stations=("pooler",)).causes
    assert cause.kind == "bias-dropped"


def test_two_faults_in_two_layers_are_two_causes(patient: Patient) -> None:
    def edit(held: dict[str, Array]) -> None:
        held["bert.encoder.layer.0.attention.self.value.bias"][:] = 0
        transposed(f"{HF}attention.output.dense.weight")(held)

    found = patient.examined(edit, stations=("layer.0", "layer.1"))
    assert {(cause.kind, cause.stations) for cause in found.causes} == {
        ("bias-dropped", ("layer.0",)),
        ("untransposed", ("layer.1",)),
    }
    assert "; and " in found.sentence


def test_two_faults_in_one_layer_are_named_together(patient: Patient) -> None:
    def edit(held: dict[str, Array]) -> None:
        held[f"{HF}attention.self.value.bias"][:] = 0
        transposed(f"{HF}attention.output.dense.weight")(held)

    (cause,) = patient.examined(edit, stations=("layer.1",)).causes
    assert set(cause.kind.split(" and ")) == {"bias-dropped", "untransposed"}
    assert f"{TF}attention/output/dense/kernel" in cause.sentence


def test_what_is_not_listed_is_unknown_and_has_a_group(patient: Patient) -> None:
    def edit(held: dict[str, Array]) -> None:
        kernel = held[f"{HF}intermediate.dense.weight"]
        kernel[:] = kernel[np.random.default_rng(1).permutation(len(kernel))]

    found = patient.examined(edit, stations=("layer.1",))
    assert (found.causes, found.unexplained, found.group) == ((), ("layer.1",), "the whole")
    assert f"none of {found.tried} hypotheses" in found.sentence


def test_what_is_searched_in_vain_is_not_searched_everywhere(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def retold(taps: dict[str, Array]) -> dict[str, Array]:
        moved = {tap: np.array(taps[tap]) for tap in ("layer.0", "layer.1")}
        for values in moved.values():
            values[..., 9] += np.sin(1e3 * values[..., 9]).astype(np.float32)
        return {**taps, **moved}

    monkeypatch.setattr(diagnosis, "SEARCHED", 1)
    found = patient.examined(retold=retold, stations=("layer.0", "layer.1"))
    assert (found.causes, found.group) == ((), "channel 9")
    assert (found.unexplained, found.passed_over) == (("layer.0", "layer.1"), ("layer.1",))
    assert "1 more guilty station" in found.sentence


def test_values_that_are_not_finite_are_not_explained(patient: Patient) -> None:
    def retold(taps: dict[str, Array]) -> dict[str, Array]:
        broken = np.array(taps["layer.1"])
        broken[0, 0, 0] = np.nan
        return {**taps, "layer.1": broken}

    found = patient.examined(retold=retold, stations=("layer.1",))
    assert (found.causes, found.group) == ((), "values that are not finite")


def test_a_fine_tap_narrows_what_is_tried(patient: Patient) -> None:
    fine = "layer.1.attention.value"
    found = patient.examined(
        times(f"{HF}attention.self.value.bias", 0), taps=(*patient.taps, fine), stations=(fine, "layer.1")
    )
    (cause,) = found.causes
    assert (cause.kind, cause.stations, found.station) == ("bias-dropped", (fine,), fine)


def test_a_tap_that_is_not_there_is_said(patient: Patient) -> None:
    with pytest.raises(ParityError, match="does not show layer"):
        patient.examined(stations=("layer.0.output",))


def test_a_diagnosis_is_json(patient: Patient) -> None:
    found = patient.examined(times(f"{HF}output.dense.bias", 2), stations=("layer.1",))
    assert json.loads(json.dumps(found.as_dict()))["causes"][0]["kind"] == "bias-doubled"
