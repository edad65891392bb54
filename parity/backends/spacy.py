"""A spaCy package on texts, run by the code that it ships with; the taps come from `doc._.trf_data`.

spaCy makes its own token ids, so every answer holds what the transformer was really fed under `inputs/<name>`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import spacy_transformers  # noqa: F401 - imported here, while another worker computes, and not while loading
import torch
import transformers
from transformers import AutoModel, AutoTokenizer  # noqa: F401
from transformers.modeling_utils import no_init_weights

from parity.backends.job import Job
from parity.backends.protocol import BatchSkipped
from parity.backends.torch_taps import stations
from parity.errors import BrokenParity, ParityError, Problems
from parity.tensorfile import Array
from parity.traces import INPUTS

_FED = ("input_ids", "attention_mask", "token_type_ids")
_NEARLY = 1e-5
_STATE = re.compile(r"embeddings|layer\.\d+|final_norm")
"""What layers hand on: one row of channels for each piece."""
_OF_HEADS = ("logits", "log_probs", "summary")
_FALLBACK = "Error loading saved torch state_dict"
"""How spacy-transformers begins its warning before it loads what happens to fit and leaves the rest random."""


class Spacy:
    """A loaded pipeline; the transformer is told to hand out every hidden state, which changes nothing it computes."""

    def __init__(self, job: Job) -> None:
        if job.precision != "float32":
            raise ParityError("spaCy runs what the package holds", got=job.precision, expected="float32")
        torch.set_num_threads(job.threads)
        spacy.require_cpu()
        pipeline = _find(job.artifact)
        self._nlp: Any = _load(pipeline)
        model = self._nlp.get_pipe("transformer").model.transformer
        _check_weights(model.state_dict(), pipeline)
        _check_vectors(self._nlp, pipeline)
        states = [tap for tap in job.taps if _STATE.fullmatch(tap)]
        found, absent = stations(model, job.family, states, attention=model.config._attn_implementation)
        self._stations = {tap: one for tap, one in found.items() if one.module is not None or one.field is not None}
        shown = {*self._stations, *({"pooler"} if hasattr(model, "pooler") else ())}
        self._unavailable = {tap: absent.get(tap) or _why_not(tap) for tap in job.taps if tap not in shown}
        self._taps = tuple(tap for tap in job.taps if tap in shown)
        self._found: dict[str, Any] = {}
        for tap, station in self._stations.items():
            if station.module is not None:
                station.module.register_forward_hook(partial(self._keep, tap))
        model.register_forward_hook(self._collect)
        model.config.output_hidden_states = True
        self._model: Any = model

    def _keep(self, tap: str, _module: Any, _arguments: Any, output: Any) -> None:
        station = self._stations[tap]
        value = output[station.part] if isinstance(output, tuple | list) else output
        self._found[tap] = value.transpose(0, 1) if station.turned else value

    def _collect(self, _model: Any, _arguments: Any, answer: Any) -> None:
        """Have the answer hold the taps, in their order, where spacy-transformers looks for hidden states."""
        for tap, station in self._stations.items():
            if station.module is None:
                self._found[tap] = answer[station.field][station.index]
        answer.hidden_states = tuple(self._found[tap] for tap in self._stations)

    def describe(self) -> Mapping[str, str]:
        """Versions, package, and the attention that transformers picked."""
        return {
            "version": str(spacy.__version__),
            "precision": str(self._model.dtype).removeprefix("torch."),
            "spacy-transformers": metadata.version("spacy-transformers"),
            "transformers": str(transformers.__version__),
            "torch": str(torch.__version__),
            "package": f"{self._nlp.meta['lang']}_{self._nlp.meta['name']} {self._nlp.meta['version']}",
            "attention": str(self._model.config._attn_implementation),
            "threads": str(torch.get_num_threads()),
        }

    def unavailable(self) -> Mapping[str, str]:
        """Heads, fine taps, layers beyond the last."""
        return self._unavailable

    def run(self, inputs: Mapping[str, Array], *, texts: Sequence[str] | None) -> Mapping[str, Array]:
        """Taps at the positions of `input_ids` that are real, zeros elsewhere, and the arrays that spaCy fed.

        A row of which spaCy makes other than the batch's number of tokens begins at the first position, and one of more
        than the batch has widens all arrays, so that comparing them fails.

        Raises:
            BatchSkipped: there are no texts (pairs, holes), or an empty one.
        """
        if texts is None:
            raise BatchSkipped("spaCy is fed texts, and this batch has none")
        if "" in texts:
            raise BatchSkipped("spaCy feeds its transformer nothing for an empty text")
        # One text goes the way of a single document, which must not differ from that of many.
        documents = self._nlp.pipe(texts) if len(texts) > 1 else [self._nlp(texts[0])]
        rows = [self._row(doc._.trf_data) for doc in documents]
        length = max([inputs["input_ids"].shape[1], *(len(row[INPUTS + "input_ids"]) for row in rows)])
        real = [np.flatnonzero(mask == 1) for mask in inputs["attention_mask"]]
        return {
            name: np.stack([_padded(row[name], name, length, at) for row, at in zip(rows, real, strict=True)])
            for name in rows[0]
        }

    def _row(self, data: Any) -> dict[str, Array]:
        """One document: windows one after the other, padding left out."""
        pieces, output = data.wordpieces, data.model_output
        real = pieces.attention_mask.astype(bool)
        fed = {name: array for name in _FED if (array := getattr(pieces, name)) is not None}
        found = {INPUTS + name: array[real].astype(np.int32) for name, array in fed.items()}
        for tap in self._taps:
            if tap == "pooler":
                found[tap] = output.pooler_output[0]
            else:
                found[tap] = output.hidden_states[list(self._stations).index(tap)][real]
        return found

    def close(self) -> None:
        """Drop the pipeline."""
        self._nlp = self._model = None


def open(job: Job) -> Spacy:  # noqa: A001 - the name every runtime module has
    """Load the artifact: a folder of `parity convert --to spacy`, or the pipeline folder of an installed package.

    Raises:
        ParityError: no such pipeline, or another copy of the package is loaded; BrokenParity: its weights are not
            those of its proof.
    """
    return Spacy(job)


def _why_not(tap: str) -> str:
    if tap.partition(".")[0] in _OF_HEADS:
        return "a spaCy pipeline holds no head"
    return "spaCy shows what layers hand on, not more"


def _check_vectors(nlp: Any, pipeline: Path) -> None:
    """What a user asks a pipeline first must answer.

    Raises:
        BrokenParity: vectors or similarity do not.
    """
    words, empty = nlp("Hej verden, привет мир!"), nlp("")
    holds = {
        "doc.vector is not finite": bool(np.isfinite(words.vector).all()),
        "doc.vector is zero": bool(words.vector.any()),
        "a token has no vector": all(token.vector.any() for token in words if not token.is_space),
        "a document is not similar to itself": abs(words.similarity(nlp(words.text)) - 1) < _NEARLY,
        "the vector of an empty document is not zero": not empty.vector.any(),
        "an empty document's vector has another width": empty.vector.shape == words.vector.shape,
    }
    problems = Problems("the pipeline does not answer", where=pipeline)
    for what, right in holds.items():
        if not right:
            problems.add(what, remedy="convert again")
    problems.raise_if_any(BrokenParity)


def _find(artifact: Path) -> Path:
    """The pipeline's folder, which lies in its package."""
    here = artifact / "config.cfg"
    found = [here] if here.is_file() else sorted(artifact.glob("*/*/config.cfg"))
    if len(found) != 1:
        remedy = "name a folder that `parity convert --to spacy` wrote"
        raise ParityError("no spaCy pipeline here", where=artifact, got=f"{len(found)} of them", remedy=remedy)
    return found[0].parent.resolve()


def _load(pipeline: Path) -> Any:
    package = pipeline.parent
    place = str(package.parent)
    sys.path.insert(0, place)
    try:
        module = importlib.import_module(package.name)
    finally:
        sys.path.remove(place)
    if Path(str(module.__file__)).resolve().parent != package:
        raise ParityError(
            f"another {package.name} is loaded in this process",
            where=module.__file__,
            remedy="run without --in-process",
        )
    # spacy-transformers fills the model with random numbers, for seconds, before it loads over them.
    with warnings.catch_warnings(), no_init_weights():
        warnings.filterwarnings("error", message=_FALLBACK)
        try:
            return module.load()
        except UserWarning as error:
            raise _broken(pipeline, "its weights do not fit its model class") from error


def _check_weights(state: Mapping[str, Any], pipeline: Path) -> None:
    """Every loaded tensor is one of the proof's, and the other way round, by SHA-256."""
    proof = pipeline / "conversion.json"
    try:
        lines = json.loads(proof.read_text(encoding="utf-8"))["tensors"]
        expected = {line["target"]: line["target_sha256"] for line in lines}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParityError("no readable proof in the package", where=proof, remedy="convert again") from error
    problems = Problems("the loaded model is not what was converted", where=pipeline)
    for name in sorted(set(expected) ^ set(state)):
        problems.add(f"{name} is {'missing' if name in expected else 'not in the proof'}")
    for name in sorted(set(expected) & set(state)):
        array = np.ascontiguousarray(state[name].numpy())
        if hashlib.sha256(array.reshape(-1).view(np.uint8).data).hexdigest() != expected[name]:
            problems.add(f"{name} has other values than its proof says", remedy="convert again")
    problems.raise_if_any(BrokenParity)


def _broken(pipeline: Path, what: str) -> BrokenParity:
    return BrokenParity(what, where=pipeline, remedy="convert again with the transformers that is installed here")


def _padded(row: Array, name: str, length: int, real: Array) -> Array:
    if name == "pooler":
        return row
    padded = np.zeros((length, *row.shape[1:]), row.dtype)
    padded[real if len(real) == len(row) else slice(0, len(row))] = row
    return padded
