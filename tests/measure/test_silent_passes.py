"""What other tools have let pass as green, each shown red here, on arrays and through traces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.errors import ParityError
from parity.measure import Comparison, compare_traces
from parity.traces import read_batch

from .support import Batches, batches, inputs, write_trace

Change = Callable[[Batches], object]


def compare(tmp_path: Path, change: Change, metas: dict[int, dict[str, Any]] | None = None) -> Comparison:
    parties = batches()
    change(parties["candidate"])
    for party, made in parties.items():
        write_trace(tmp_path / party, made, metas=metas if party == "candidate" else None)
    return compare_traces(tmp_path / "source", [tmp_path / "candidate"], oracle=tmp_path / "oracle")


def on(tap: str, change: Callable[[np.ndarray], object]) -> Change:
    """The change to one tap in the second batch."""

    def apply(candidate: Batches) -> None:
        array = candidate[1][tap].copy()
        changed = change(array)
        candidate[1][tap] = array if changed is None else np.ascontiguousarray(changed)

    return apply


def zero_mean(array: np.ndarray) -> None:
    """Half the values up, half down by the same: the signed mean does not move."""
    array.reshape(-1)[0::2] += np.float32(1e-3)
    array.reshape(-1)[1::2] -= np.float32(1e-3)


def scale(array: np.ndarray) -> None:
    """Perfectly correlated, cosine 1."""
    array *= np.float32(1.001)


CHANGES: dict[str, Change] = {
    "missing output": lambda c: c[1].pop("layer.0"),
    "missing output everywhere": lambda c: [batch.pop("layer.0") for batch in c],
    "surplus output": lambda c: c[1].update(surplus=np.zeros((4, 6, 8), np.float32)),
    "one output twice": lambda c: c[1].update({"layer.0": c[0]["layer.0"]}),
    "missing batch": lambda c: c.pop(),
    "surplus batch": lambda c: c.append(dict(c[0])),
    "no outputs at all": lambda c: [batch.clear() for batch in c],
    "NaN": on("layer.0", lambda a: a.__setitem__((0, 0, 0), np.nan)),
    "infinite": on("layer.0", lambda a: a.__setitem__((3, 3, 7), -np.inf)),
    "all NaN": on("layer.0", lambda a: a.fill(np.nan)),
    "shape mismatch": on("layer.0", lambda a: a[:, :5]),
    "transposed": on("layer.0", lambda a: a.transpose(0, 2, 1)),
    "broadcastable channels": on("layer.0", lambda a: a[..., :1]),
    "broadcastable rows": on("pooler", lambda a: a[:1]),
    "flattened": on("layer.0", lambda a: a.reshape(4, 48)),
    "an extra axis": on("layer.0", lambda a: a[None]),
    "wrong dtype": on("layer.0", lambda a: a.astype(np.float64)),
    "half precision labelled float32": on("layer.0", lambda a: a.astype(np.float16)),
    "half precision cast back": on("layer.0", lambda a: a.astype(np.float16).astype(np.float32)),
    "integers": on("layer.0", lambda a: a.astype(np.int32)),
    "empty": on("layer.0", lambda a: a[:0]),
    "constant": on("layer.0", lambda a: a.fill(0.25)),
    "all zero": on("layer.0", lambda a: a.fill(0)),
    "only the first row": on("layer.0", lambda a: a.__setitem__(0, a[0] + np.float32(1e-4))),
    "only the last row": on("layer.0", lambda a: a.__setitem__(3, a[3] + np.float32(1e-4))),
    "only the last real token": on("layer.0", lambda a: a.__setitem__((3, 3), a[3, 3] + np.float32(1e-4))),
    "rows exchanged": on("layer.0", lambda a: a[::-1]),
    "signed mean": on("layer.0", zero_mean),
    "correlation": on("layer.0", scale),
    "constant offset, std zero": on("layer.0", lambda a: np.add(a, np.float32(1e-4))),
}


@pytest.mark.parametrize("name", CHANGES)
def test_is_red(name: str, tmp_path: Path) -> None:
    comparison = compare(tmp_path, CHANGES[name])
    assert not comparison.holds
    assert any(row[2] == "fail" and row[-1] for row in comparison.rows())


def test_the_unchanged_traces_are_green_so_that_red_means_something(tmp_path: Path) -> None:
    assert compare(tmp_path, lambda c: None).holds


def test_equal_nan_on_all_sides_is_red(tmp_path: Path) -> None:
    parties = batches()
    for party, made in parties.items():
        made[0]["layer.0"][2, 1, 4] = np.nan
        write_trace(tmp_path / party, made)
    comparison = compare_traces(tmp_path / "source", [tmp_path / "candidate"], oracle=tmp_path / "oracle")
    assert not comparison.holds
    verdict = next(tap.verdict for tap in comparison.candidates[0].taps if tap.tap == "layer.0")
    assert verdict.message == "values that are NaN or infinite: 1 in the candidate, 1 in the source, 1 in the oracle"


def test_nan_without_an_oracle_is_red(tmp_path: Path) -> None:
    parties = batches()
    parties["candidate"][0]["pooler"][0, 0] = np.nan
    for party, made in parties.items():
        write_trace(tmp_path / party, made)
    assert not compare_traces(tmp_path / "source", [tmp_path / "candidate"]).holds


def test_one_output_under_two_names_in_a_file_is_refused(tmp_path: Path) -> None:
    write_trace(tmp_path / "trace", batches()["candidate"])
    path = next((tmp_path / "trace").glob("batch-*.safetensors"))
    raw = path.read_bytes()
    # Names of one length: the header stays as long as it says.
    assert raw.count(b'"layer.0"') == 1
    path.write_bytes(raw.replace(b'"layer.0"', b'"pooler" ', 1))
    with pytest.raises(ParityError):
        read_batch(path)


def test_no_candidate_at_all_is_red(tmp_path: Path) -> None:
    base = write_trace(tmp_path / "source", batches()["source"])
    assert not compare_traces(base, []).holds


def test_all_skipped_is_red(tmp_path: Path) -> None:
    skipped = {number: {"skipped": "no texts"} for number in (0, 1)}
    comparison = compare(tmp_path, lambda c: [batch.clear() for batch in c], skipped)
    (candidate,) = comparison.candidates
    assert (candidate.done, candidate.skipped, candidate.expected) == (0, 6, 6)
    assert "no comparison was made at all" in candidate.problems
    assert not comparison.holds


def test_a_batch_declared_skipped_that_has_outputs_is_red(tmp_path: Path) -> None:
    comparison = compare(tmp_path, lambda c: None, {1: {"skipped": "no texts"}})
    assert not comparison.holds


def test_a_batch_of_padding_only_is_red(tmp_path: Path) -> None:
    for party, made in batches().items():
        write_trace(tmp_path / party, made, inputs(real=0))
    comparison = compare_traces(tmp_path / "source", [tmp_path / "candidate"], oracle=tmp_path / "oracle")
    assert not comparison.holds


def test_a_base_without_outputs_is_red(tmp_path: Path) -> None:
    for party in ("candidate", "source"):
        write_trace(tmp_path / party, [{}, {}])
    comparison = compare_traces(tmp_path / "source", [tmp_path / "candidate"])
    assert not comparison.holds
    assert comparison.candidates[0].expected == 0


def test_an_oracle_that_lacks_a_batch_or_tap_is_red(tmp_path: Path) -> None:
    for missing in ("batch", "tap"):
        parties = batches()
        if missing == "batch":
            parties["oracle"].pop()
        else:
            del parties["oracle"][1]["layer.0"]
        for party, made in parties.items():
            write_trace(tmp_path / missing / party, made)
        folder = tmp_path / missing
        assert not compare_traces(folder / "source", [folder / "candidate"], oracle=folder / "oracle").holds


def test_one_bad_candidate_among_good_ones_is_red(tmp_path: Path) -> None:
    parties = batches()
    good = [write_trace(tmp_path / name, parties["candidate"]) for name in ("one", "two")]
    parties["candidate"][0]["pooler"][0, 0] += 1
    bad = write_trace(tmp_path / "bad", parties["candidate"])
    base = write_trace(tmp_path / "base", parties["source"])
    oracle = write_trace(tmp_path / "oracle", parties["oracle"])
    assert compare_traces(base, good, oracle=oracle).holds
    assert not compare_traces(base, [good[0], bad, good[1]], oracle=oracle).holds
