"""A Hugging Face directory as a source: its config, head and tensors, with the proof where parity wrote one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.artifacts.hf_weights import LAYOUTS, HfWeights, open_weights, weights_file
from parity.artifacts.proof import FILE, Dropped, Proof, TensorProof, read_proof, sha256_array
from parity.artifacts.source import read_json
from parity.errors import ParityError
from parity.families import FAMILIES, family
from parity.families.base import Family
from parity.families.values import Config, Head, gelu_option
from parity.tensorfile import Array, TensorSpec
from parity.weights import Drop, reason_to_drop

BUFFERS = (
    Drop("*position_ids", "the numbers 0, 1, 2, ..., not a weight"),
    Drop("*.attn.bias", "the causal mask, not a weight"),
    Drop("*.attn.masked_bias", "what the causal mask subtracts, not a weight"),
    Drop("*pos_emb.inv_freq", "the frequencies of the sinusoids, not a weight"),
)
"""What modules store beside their weights, and compute anew."""
_REMEDY = "name a Hugging Face directory with config.json and model.safetensors"


@dataclass(frozen=True)
class HfFolder:
    """What a Hugging Face directory says of itself."""

    folder: Path
    weights: Path
    family: Family
    config: Config
    head: Head
    labels: int
    specs: Mapping[str, TensorSpec]
    """By the names of the head's class, whatever older spelling or prefix they are stored under."""
    proof: Proof | None
    stored: HfWeights
    names: Mapping[str, str]
    """The stored name of each."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that holds tensors."""
        return self.stored.files

    def read(self, name: str) -> Array:
        """One tensor, a view on the file where it allows one."""
        return self.stored.read(self.names[name])

    @property
    def plain(self) -> bool:
        """Is it stored as `parity convert` stores one: one file, float32, its class's own names and nothing else?"""
        expected = {rule.target for rule in self.family.table(self.config, self.head).expanded()}
        return self.proof is not None or (
            self.weights.name == LAYOUTS[0]
            and all(name == stored for name, stored in self.names.items())
            and all(spec.dtype == "float32" for spec in self.specs.values())
            and self.specs.keys() <= expected
        )

    def source_config(self) -> dict[str, Any]:
        """The original's config file for this model."""
        return self.family.source_config(self.config)

    def as_proof(self) -> Proof:
        """The directory's proof, or, where parity wrote none, one in which every tensor is its own source."""
        if self.proof is not None:
            # Trained further in its place, it may have another head than the one that was converted.
            return replace(self.proof, head=self.head.name, labels=self.labels)
        reasons = ((name, reason_to_drop(name, (), BUFFERS)) for name in self.specs)
        buffers = {name: reason for name, reason in reasons if reason is not None}
        return Proof(
            to="pytorch",
            family=self.family.name,
            head=self.head.name,
            labels=self.labels,
            source_format="huggingface",
            config_file="config.json",
            config=self.config.raw,
            activation=self.config.activation,
            epsilon=self.config.epsilon,
            casing={},
            assumptions=(),
            tensors=tuple(self._line(name) for name in self.specs if name not in buffers),
            dropped=tuple(Dropped(name, reason) for name, reason in buffers.items()),
            tied=(),
        )

    def changed(self) -> list[str]:
        """Tensors that are not as the directory's proof says; none without a proof."""
        if self.proof is None:
            return []
        lines = {line.target: line for line in self.proof.tensors}
        return sorted({name for name in lines if not self.holds(lines[name])} | (self.specs.keys() - lines.keys()))

    def holds(self, line: TensorProof) -> bool:
        """Is this tensor still what that line of a proof says?"""
        if line.target not in self.specs:
            return False
        found = self._line(line.target)
        return (found.target_dtype, found.target_shape, found.target_sha256) == (
            line.target_dtype,
            line.target_shape,
            line.target_sha256,
        )

    def _line(self, name: str) -> TensorProof:
        array = self.read(name)
        digest, dtype = sha256_array(array), array.dtype.name
        return TensorProof(name, name, "copy", array.shape, array.shape, dtype, dtype, digest, digest)


def is_hf_folder(path: Path) -> bool:
    """A folder whose config.json names a transformers class, with weights beside it."""
    try:
        if not (path / "config.json").is_file() or weights_file(path) is None:
            return False
    except (OSError, ValueError):
        return False
    try:
        raw = json.loads((path / "config.json").read_text(encoding="utf-8"))
        return isinstance(raw, dict) and "architectures" in raw
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def read_hf_folder(folder: Path) -> HfFolder:
    """Read config and tensor names; no tensor yet.

    Raises:
        ParityError: not such a directory, or of an architecture or class this house does not know.
    """
    stored = open_weights(folder)
    raw = read_json(folder / "config.json")
    named_type = raw.get("model_type")
    if named_type not in FAMILIES:
        what = "a Hugging Face directory of an architecture that this house does not have"
        remedy = "no artifact of it can be judged here"
        expected = f"model_type one of {', '.join(FAMILIES)}"
        raise ParityError(what, where=folder / "config.json", got=named_type, expected=expected, remedy=remedy)
    architecture = family(named_type)
    proof = read_proof(folder) if (folder / FILE).is_file() else None
    erf = None
    if proof is not None:
        # The proof holds the source's own config, which says less ambiguously what config.json repeats.
        activation = gelu_option(proof.activation)
        config = architecture.read_config(dict(proof.config), where=folder / FILE, activation=activation)
    else:
        # Unlike in Google's files, "gelu" always means erf in transformers.
        erf = "erf" if raw.get("hidden_act") == "gelu" else None
        config = architecture.read_config(raw, where=folder / "config.json", activation=erf)
    classes = raw.get("architectures")
    named = classes[0] if isinstance(classes, list) and classes else classes
    head = architecture.head_of_class(named, name=proof.head if proof is not None else None)
    if head is None:
        known = ", ".join(head.target_class for head in architecture.all_heads)
        remedy = "name the class under architectures"
        raise ParityError(
            "unknown class", where=folder / "config.json", got=named, expected=f"one of {known}", remedy=remedy
        )
    if config.layers > len(stored.specs):
        what = "num_hidden_layers does not fit the weights beside it"
        raise ParityError(what, where=folder / "config.json", got=config.layers, remedy=_REMEDY)
    names = raw.get("id2label")
    # transformers writes the names of two classes only where they are not its own.
    labels = (len(names) if isinstance(names, dict) else 2) if architecture.has_labels(head) else 0
    rules = architecture.table(config, head).expanded()
    names = known_names(stored.specs, {rule.target for rule in rules})
    if architecture.infer is not None and proof is None:
        held = {rule.source: stored.specs[names[rule.target]].shape for rule in rules if rule.target in names}
        told = {key: value for key, value in architecture.infer(held).items() if key not in raw}
        if told:
            config = architecture.read_config({**raw, **told}, where=folder / "config.json", activation=erf)
    specs = {name: replace(stored.specs[old], name=name) for name, old in names.items()}
    outputs = [specs[rule.target].shape[0] for rule in rules if rule.target in specs and _is_output(rule.target)]
    if labels and outputs and set(outputs) != {labels}:
        what, remedy = "id2label does not fit the classifier beside it", "name as many classes as it has"
        raise ParityError(what, where=folder / "config.json", got=labels, expected=outputs[0], remedy=remedy)
    return HfFolder(folder, stored.path, architecture, config, head, labels, specs, proof, stored, names)


def _is_output(target: str) -> bool:
    """Is this a classifier's last layer, whose first axis is the classes?"""
    return target.startswith(("classifier.", "logits_proj."))


def known_names(stored: Collection[str], wanted: Collection[str]) -> dict[str, str]:
    """Names of the class, and what each is stored under.

    Directories of the first years call a norm's weights gamma and beta; a bare model is sometimes saved without the
    prefix that the class with a head has for it, or with it.
    """
    prefixes = sorted({name.partition(".")[0] + "." for name in wanted if "." in name})
    found: dict[str, str] = {}
    for name in stored:
        plain = _OLD.sub(lambda match: {"gamma": "weight", "beta": "bias"}[match[1]], name)
        spellings = (plain, *(prefix + plain for prefix in prefixes), plain.partition(".")[2])
        found[next((one for one in spellings if one in wanted), name)] = name
    return found


_OLD = re.compile(r"(?<=LayerNorm\.)(gamma|beta)\Z")
