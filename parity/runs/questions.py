"""How each question about a model is answered; one function a question, one table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from parity.artifacts.proof import TensorProof, read_proof, sha256_array
from parity.artifacts.reload import reload
from parity.artifacts.tokenizer_ids import LIBRARIES, first_difference, first_other_row
from parity.artifacts.verify import verify
from parity.backends import RUNTIMES, Runtime
from parity.backends.outcome import Outcome
from parity.errors import BrokenParity, MissingRuntime, ParityError
from parity.families import family
from parity.inputs.corpora import sentences
from parity.runs import generated
from parity.runs.answer import Answer
from parity.runs.judging import Judging
from parity.runs.model import ModelRun
from parity.runs.outline import Case, Question
from parity.runs.store import missing_exporter
from parity.weights import Zeros


def answer(case: Case, model: ModelRun, judging: Judging) -> Answer:
    """Answer one case; whatever a user can mend becomes a failing or skipped answer, never a traceback."""
    row = RUNTIMES.get(case.backend)
    refused = family(model.outline.family).refused(model.outline.config, model.outline.head)
    cannot = refused.get(case.backend) or refused.get(row.kind if row else case.backend)
    if cannot is not None:
        return Answer(case, "skip", cannot)
    try:
        return _ANSWERS[case.question](case, model, judging)
    except MissingRuntime as error:
        return missing(case, model, str(error), None)
    except BrokenParity as error:
        return Answer(case, "fail", str(error))
    except ParityError as error:
        return Answer(case, "fail", f"could not be answered: {error}")


def missing(case: Case, model: ModelRun, reason: str, remedy: str | None) -> Answer:
    """A runtime that is not there: red if it was asked for by name, a skip with its remedy if not."""
    row = RUNTIMES.get(case.backend)
    named = any(name in (case.backend, row.backend if row else "") for name in model.options.backends)
    return Answer(case, "fail" if named else "skip", reason, remedy=remedy)


def _proof(case: Case, model: ModelRun, judging: Judging) -> Answer:
    absent = missing_exporter(case.backend)
    if absent is not None:
        return missing(case, model, absent.what, absent.remedy)
    folder = model.artifact(case.backend)
    with model.times.stage("proof", case.backend):
        return _verified(case, model, folder)


def _verified(case: Case, model: ModelRun, folder: Path) -> Answer:
    found = verify(folder, source=model.source.checkpoint if case.backend == "pytorch" else None)
    if case.backend == "tensorflow":
        origin = str(found.proof.notes.get("origin"))
        if not origin.startswith("bit-identical"):
            return Answer(case, "fail", f"the way back does not end where it began: {origin}")
    elif case.backend != "pytorch":
        _same_sources(found.proof.tensors, read_proof(model.artifact("pytorch")).tensors, folder)
    return Answer(
        case, "pass", f"{found.tensors} tensors by SHA-256, {len(found.proof.dropped)} left behind with reasons"
    )


def _same_sources(lines: Iterable[TensorProof], pytorch: Iterable[TensorProof], folder: Path) -> None:
    """The artifact was made of the very tensors whose way from the source `test_proof[…pytorch…]` checks."""
    sources = {line.source: line.source_sha256 for line in pytorch}
    for line in lines:
        # What only an artifact's class has was made of nothing: it must be zeros.
        made = sha256_array(np.zeros(line.target_shape, np.float32)) if line.operation == Zeros().name else None
        if sources.get(line.source, made) != line.source_sha256:
            raise BrokenParity(f"{line.source} is not the tensor that was converted", where=folder)


def _tokenization(case: Case, model: ModelRun, judging: Judging) -> Answer:
    if case.backend == "spacy":
        return _spacy_ids(case, model, judging)
    texts = list(dict.fromkeys([*sentences(), *(text for batch in model.batches for text in batch.texts or ())]))
    folder = model.artifact("pytorch")
    with model.times.stage("tokenization", case.backend), closing(LIBRARIES[case.backend](folder)) as library:
        count, first = first_difference(model.tokenizer, texts, library.ids(texts))
        other = None if count else first_other_row(model.tokenizer, library, texts)
    if count:
        return Answer(case, "fail", f"{count} of {len(texts)} texts get other ids, the first: {first}")
    if other is not None:
        return Answer(case, "fail", f"special tokens or segments are not the source's: {other}")
    return Answer(case, "pass", f"{len(texts)} texts get the source's ids, and their pairs its segments")


def _spacy_ids(case: Case, model: ModelRun, judging: Judging) -> Answer:
    row = RUNTIMES["spacy"]
    outcome = judging.outcome(row)
    if not outcome.ok:
        return (
            missing(case, model, outcome.reason, row.pip)
            if outcome.status == "missing"
            else _lost(case, outcome.reason)
        )
    compared, different = judging.fed(row)
    if different is not None:
        return Answer(case, "fail", f"batch {different}: spaCy fed other ids than the source's rules give")
    if not compared:
        return Answer(case, "fail", "no batch has texts: nothing was compared")
    return Answer(case, "pass", f"{compared} ids as by the source's rules")


def _lost(case: Case, reason: str) -> Answer:
    return Answer(case, "skip", f"not compared: {reason}", remedy=f"see test_backend[{case.model}-{case.backend}…]")


def _backend(case: Case, model: ModelRun, judging: Judging) -> Answer:
    row = RUNTIMES[case.backend]
    outcome = judging.outcome(row)
    if outcome.status == "missing":
        return missing(case, model, outcome.reason, row.pip)
    if not outcome.ok:
        tail = f"\n{outcome.stderr_tail}" if outcome.stderr_tail else ""
        return Answer(case, "fail", f"{outcome.status}: {outcome.reason}{tail}")
    facts = ", ".join(f"{name} {value}" for name, value in outcome.describe.items()) or outcome.reason
    return Answer(case, "pass", facts)


def _station(case: Case, model: ModelRun, judging: Judging) -> Answer:
    return _of_outcome(case, model, judging, lambda row, outcome: judging.station(case, row))


def _invariance(case: Case, model: ModelRun, judging: Judging) -> Answer:
    return _of_outcome(case, model, judging, partial(model.invariances.answer, case))


def _of_outcome(
    case: Case, model: ModelRun, judging: Judging, answered: Callable[[Runtime, Outcome], Answer]
) -> Answer:
    """What a runtime's answers say, where it gave any."""
    row = RUNTIMES[case.backend]
    outcome = judging.outcome(row)
    if outcome.status == "missing":
        return missing(case, model, outcome.reason, row.pip)
    return answered(row, outcome) if outcome.ok else _lost(case, outcome.reason)


def _artifacts(case: Case, model: ModelRun, judging: Judging) -> Answer:
    absent = missing_exporter(case.backend)
    if absent is not None:
        return missing(case, model, absent.what, absent.remedy)
    folder = model.artifact(case.backend)
    if case.backend in _SHIPPED:
        return judging.shipped(case, _SHIPPED[case.backend])
    if case.backend == "spacy":
        return _spacy_answers(case, model, judging)
    if _needs_torch():
        raise MissingRuntime("PyTorch and transformers are not installed", remedy='pip install "parity[torch]"')
    with model.times.stage("reload", case.backend):
        problems, seen = reload(case.backend, folder, spare=model.spare, lacking=model.lacking)
    if problems:
        return Answer(case, "fail", "; ".join(problems))
    return Answer(case, "pass", f"loads: {seen}")


def _spacy_answers(case: Case, model: ModelRun, judging: Judging) -> Answer:
    """The worker loads the package from disk as users do, and first asks it for vectors and similarity."""
    row = RUNTIMES["spacy"]
    outcome = judging.outcome(row)
    if outcome.status == "missing":
        return missing(case, model, outcome.reason, row.pip)
    if not outcome.describe:
        return Answer(case, "fail", f"does not load: {outcome.reason}")
    return Answer(case, "pass", f"{outcome.describe['package']} loads; vectors and similarity answer")


def _needs_torch() -> bool:
    from parity.backends import status

    return status(RUNTIMES["torch:eager"]).state != "ready"


_SHIPPED: Mapping[str, Runtime] = {"openvino": RUNTIMES["openvino:f32"], "onnx": RUNTIMES["onnxruntime"]}
_ANSWERS: Mapping[Question, Callable[[Case, ModelRun, Judging], Answer]] = {
    "proof": _proof,
    "tokenization": _tokenization,
    "backend": _backend,
    "hidden_states": _station,
    "heads": _station,
    "artifacts": _artifacts,
    "invariance": _invariance,
    "generated_ids": generated.ids,
    "generated_states": generated.states,
    "regression": generated.regression,
}
