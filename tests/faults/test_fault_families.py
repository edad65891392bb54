"""A few faults of other architectures than BERT, end to end on tiny stand-ins: caught, placed, named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from parity.faults.corpus import corpus
from parity.faults.finding import Finding
from parity.faults.sound import _run
from parity.faults.trial import Trials
from parity.faults.values import fill
from parity.faults.variants import variants
from parity.runs.options import RunOptions
from parity.runs.workbench import Workbench

KINDS = ("padded", "segment", "permuted")
Bench = Callable[[str], Workbench]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A workbench of a card on a few batches, made once."""
    held: dict[str, Workbench] = {}

    def get(model: str) -> Workbench:
        if model not in held:
            folder, options = tmp_path_factory.mktemp("bench"), RunOptions(scale="tiny", threads=1)
            whole = Workbench(model, folder=folder / "whole", options=options)
            few = [batch for batch in whole.batches if batch.kind in KINDS]
            whole.close()
            held[model] = Workbench(model, folder=folder, options=options, batches=few)
        return held[model]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARITY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")
        patch.delenv("PARITY_MODELS", raising=False)
        yield get
        for one in held.values():
            one.close()


def finding(bench: Workbench, name: str) -> Finding:
    trials = Trials(bench)
    (fault,) = corpus(bench.outline.family, name)
    return Finding(fault, trials.run(fault), fill(fault.place, trials.layout))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt2", "T-02/square kernel"),
        ("gpt2", "N-15/key bias"),
        ("gpt2", "M-11/past ignored"),
        ("gpt2", "R-06/no index"),
        ("gpt2", "M-09/left-padded"),
        ("openai-gpt", "T-03/fused"),
        ("openai-gpt", "N-15/key bias"),
        ("transfo-xl-wt103", "T-05/r_w_bias of layer 0"),
        ("transfo-xl-wt103", "T-08/clusters reversed"),
        ("transfo-xl-wt103", "M-11/memory zeroed"),
        ("xlnet-base-cased", "T-06/exchanged"),
        ("xlnet-base-cased", "N-09/spelling corrected"),
    ],
)
def test_it_is_caught_placed_and_named(bench: Bench, model: str, name: str) -> None:
    found = finding(bench(model), name)
    assert found.right, found.seen
    assert found.placed is not False, found.seen
    assert found.cause in ("", "right"), found.seen


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt2", "torch:eager neurons permuted"),
        ("gpt2", "torch:eager convolution-dense"),
        ("gpt2", "torch:eager rows alone"),
        ("transfo-xl-wt103", "torch:eager dense-halves"),
        ("xlnet-base-cased", "torch:eager gelu-formula"),
    ],
)
def test_harmless_variants_are_quiet(bench: Bench, model: str, name: str) -> None:
    one = bench(model)
    found = _run(one, "few", next(variant for variant in variants(one.outline.family) if variant.name == name))
    assert found is not None
    assert found.alarm == ""


def test_what_an_architecture_cannot_run_is_no_variant_of_it(bench: Bench) -> None:
    one = bench("openai-gpt")
    sdpa = next(variant for variant in variants("openai-gpt") if variant.name == "torch:sdpa")
    assert _run(one, "few", sdpa) is None
