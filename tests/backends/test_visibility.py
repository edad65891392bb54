"""What a run says it could have seen of each weight is what changed weights show: injected, in real float32 noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from small_bert import CYRILLIC, ERF, PREFIX, read_source

from parity.backends import visibility
from parity.backends.executors.numpy_ops import NumpyOps
from parity.backends.executors.walk import walk
from parity.backends.job import Job
from parity.errors import ParityError
from parity.families import family
from parity.families.values import Variable
from parity.inputs.batch import spread_positions
from parity.measure.visibility import Sight, names, pool, seen
from parity.ops import Stage
from parity.tensorfile import Array
from parity.traces import TraceBatch

BERT = family("bert")
INTO = ("embeddings", "layer.0.attention.query", "layer.1.attention.output", "layer.0.attention.norm")
INTO += ("layer.2.intermediate", "layer.1.output", "layer.1", "pooler", "mlm.transform", "logits.mlm", "logits.nsp")


@dataclass(frozen=True)
class Model:
    stages: dict[str, Stage]
    weights: dict[str, Array]
    inputs: dict[str, Array]
    sights: tuple[Sight, ...]

    def values(self) -> dict[str, Array]:
        """Every stage's value in float32, and the inputs by the names that stages need."""
        ops = NumpyOps(self.weights.__getitem__, np.dtype(np.float32))
        found = walk(list(self.stages.values()), ops, self.inputs, set(self.stages))
        return found | {f"inputs/{name}": array for name, array in self.inputs.items()}


@pytest.fixture(scope="module", params=[CYRILLIC, ERF], ids=lambda case: case.name)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    case: Path = request.param
    weights = read_source(case)
    inputs = batch(len(weights["bert/embeddings/word_embeddings"]))
    job = Job(
        backend="visibility",
        family="bert",
        head="pretraining",
        artifact=case,
        source={"checkpoint": str(case / PREFIX), "config": str(case / "bert_config.json"), "activation": "erf"},
        taps=(),
        inputs=(),
        out=tmp_path_factory.mktemp(case.name),
        threads=2,
    )
    uses = visibility.uses_of(*stages_and_variables(job))
    opened = visibility.open(Job(**{**job.__dict__, "taps": names(uses)}))
    answer = opened.run(inputs, texts=None)
    opened.close()
    stages = {stage.name: stage for stage in stages_and_variables(job)[0]}
    return Model(stages, weights, inputs, pool(uses, [TraceBatch(answer, inputs)]))


def batch(vocabulary: int) -> dict[str, Array]:
    """Twelve rows, some padded right, left or within."""
    rng = np.random.default_rng(11)
    mask = np.ones((12, 14), np.int32)
    mask[0, 9:], mask[1, :5], mask[2, 4:7], mask[3, 2:] = 0, 0, 0, 0
    return {
        "input_ids": rng.integers(0, vocabulary, mask.shape, dtype=np.int32),
        "attention_mask": mask,
        "token_type_ids": rng.integers(0, 2, mask.shape, dtype=np.int32),
        "logit_positions": spread_positions(mask, 6),
    }


def stages_and_variables(job: Job) -> tuple[list[Stage], list[object]]:
    import json

    where = Path(job.source["config"])
    config = BERT.read_config(json.loads(where.read_text()), where=where, activation="erf")
    head = next(head for head in BERT.all_heads if head.name == job.head)
    return list(BERT.stages(config, head)), list(BERT.variables(config, head))


def judged(model: Model, stage: str, array: Array) -> Array:
    """The positions of a value that are judged, [N, C]."""
    mask = model.inputs["attention_mask"] == 1
    if array.ndim == 2:
        return array
    if array.shape[1] == mask.shape[1]:
        return array[mask]
    first = [np.unique(row, return_index=True)[1] for row in model.inputs["logit_positions"]]
    return np.concatenate([rows[mine] for rows, mine in zip(array, first, strict=True)])


def caught(model: Model, sight: Sight, times: float, values: dict[str, Array]) -> tuple[int, int]:
    """How many of some weights, one in each of some channels, changed by `times` their smallest visible change."""
    rng = np.random.default_rng(len(sight.inputs))
    use, width = sight.use, len(sight.gains)
    channels = rng.choice(width, max(1, min(width // 4, 24)), replace=False)
    rows = rng.choice(np.flatnonzero(sight.inputs > 0), len(channels))
    changed = model.weights[use.variable].astype(np.float64)
    smallest = sight.smallest()[rows, channels]
    use.matrix(changed)[rows, channels] += times * smallest * rng.choice((-1, 1), len(rows))
    # What float32 makes of the change is what is looked for.
    arrays = model.weights | {use.variable: changed.astype(np.float32)}
    stage = model.stages[use.stage]
    needs = [values[need] for need in stage.needs]
    found = stage.fn(NumpyOps(arrays.__getitem__, np.dtype(np.float32)), *needs)
    wide = [need.astype(np.float64) if need.dtype == np.float32 else need for need in needs]
    truth = stage.fn(NumpyOps(model.weights.__getitem__, np.dtype(np.float64)), *wide)
    errors = judged(model, use.stage, found.astype(np.float64) - truth)
    ratio = np.sqrt(np.square(errors).mean(axis=0)) / sight.bounds
    finite = np.isfinite(smallest)
    return int((ratio[channels] > 1)[finite].sum()), int(finite.sum())


@pytest.fixture(scope="module")
def injected(model: Model) -> dict[float, dict[str, tuple[int, int]]]:
    """Times the smallest visible change -> use -> (caught, changed)."""
    values, chosen = model.values(), [sight for sight in model.sights if sight.use.stage in INTO]
    return {
        times: {f"{one.use.variable}@{one.use.stage}": caught(model, one, times, values) for one in chosen}
        for times in (2.0, 0.5, 0.0)
    }


def test_twice_the_smallest_visible_change_is_caught_and_half_of_it_is_not(
    injected: dict[float, dict[str, tuple[int, int]]],
) -> None:
    total = {
        times: sum(hit for hit, _ in of.values()) / sum(n for _, n in of.values()) for times, of in injected.items()
    }
    assert total[2.0] >= 0.97
    assert total[0.5] <= 0.03
    assert total[0.0] == 0
    for times, wrong in ((2.0, lambda hit, of: hit < 0.8 * of), (0.5, lambda hit, of: hit > 0.2 * of)):
        assert {name for name, (hit, of) in injected[times].items() if of >= 8 and wrong(hit, of)} == set()


def test_every_variable_of_the_graph_is_used_somewhere(model: Model) -> None:
    uses = [sight.use for sight in model.sights]
    assert {use.variable for use in uses} == {name for name in model.weights if "/" in name and "adam" not in name}
    found = {(use.stage, use.kind, use.transposed) for use in uses if use.variable.endswith("word_embeddings")}
    assert found == {("embeddings", "table", False), ("logits.mlm", "product", True)}


def test_rows_that_no_token_names_are_never_seen(model: Model) -> None:
    sight = next(one for one in model.sights if one.use.variable.endswith("position_embeddings"))
    table = model.weights[sight.use.variable]
    length = model.inputs["input_ids"].shape[1]
    assert (sight.inputs[:length] > 0).all()
    assert not sight.inputs[length:].any()
    assert np.isinf(sight.smallest()[length:]).all()
    told = seen(sight, table)
    assert told.untouched == (len(table) - length) * table.shape[1]
    assert all(share <= length / len(table) for share in told.bits.values())


def test_padding_and_repeated_logit_positions_do_not_count(model: Model) -> None:
    assert {sight.positions for sight in model.sights} == {
        12,
        int(model.inputs["attention_mask"].sum()),
        distinct(model),
    }


def distinct(model: Model) -> int:
    return sum(len(set(row)) for row in model.inputs["logit_positions"].tolist())


def test_a_weight_that_is_used_in_an_unknown_way_is_told() -> None:
    odd = Stage("odd", ("inputs/input_ids",), lambda ops, ids: ops.add(ops.cast(ids), ops.weight("table")))
    with pytest.raises(ParityError, match="table is used in a way"):
        visibility.uses_of([odd], [Variable("table", (4, 4), "kernel")])
