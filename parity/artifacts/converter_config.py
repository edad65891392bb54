"""`converter_config.json`: BERT's config, a Hugging Face class, and which source name becomes which of its parameters.

The file was described for `pytorch_transformers bert CHECKPOINT converter_config.json OUT.bin`: `bert_config_path`,
`bert_model_class`, `tf_torch_mappings`, `args`. What it leaves open is filled by the family's own table; a parameter of
the class that no variable fills is an error, where the old tool left random numbers.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.artifacts.mappings import Filled, fill
from parity.artifacts.source import Choices, read_json
from parity.checkpoints import open_checkpoint
from parity.errors import ParityError, Problems
from parity.families import family
from parity.families.values import Head

_MAX = 1 << 20
_REQUIRED = ("bert_config_path", "bert_model_class")
_KEYS = (*_REQUIRED, "tf_torch_mappings", "args")
# Constructor arguments of the old classes that decide what is returned or trained, and no parameter.
_WITHOUT_EFFECT = ("num_choices", "output_attentions", "output_hidden_states", "keep_multihead_output")
# A string, to be kept as it is, or a comma that nothing follows.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])')


@dataclass(frozen=True)
class ConverterConfig:
    """What such a file says; nothing is known of the checkpoint yet."""

    path: Path
    config: Path
    head: Head
    mappings: Mapping[str, str]
    labels: int | None
    said: tuple[str, ...]


def is_converter_config(path: Path) -> bool:
    """Does this file say which class to fill, instead of a model's sizes?"""
    try:
        found = _parse(path)[0]
    except ParityError:
        return False
    return any(key in found for key in (*_REQUIRED, "tf_torch_mappings")) and "hidden_size" not in found


def read_converter_config(path: Path) -> ConverterConfig:
    """Read the file; environment variables in its path expand.

    Raises:
        ParityError: unreadable, keys missing or unknown, a class or argument that is not known; all at once.
    """
    raw, said = _parse(path)
    bert, problems = family("bert"), Problems("this converter config cannot be followed", where=path)
    for key in _REQUIRED:
        if not isinstance(raw.get(key), str):
            problems.add(f"{key} is missing" if key not in raw else f"{key} is no text", remedy="write it as a string")
    for key in raw.keys() - set(_KEYS):
        problems.add(f"unknown key {key}", remedy=_nearest(key, _KEYS))
    classes = {head.target_class: head for head in bert.all_heads}
    named = str(raw.get("bert_model_class"))
    if isinstance(raw.get("bert_model_class"), str) and named not in classes:
        problems.add(
            f"unknown bert_model_class {named}",
            expected=f"one of {', '.join(classes)}",
            remedy=_nearest(named, classes),
        )
    mappings, arguments = raw.get("tf_torch_mappings", {}), raw.get("args", {})
    if not isinstance(mappings, dict) or not all(isinstance(value, str) for value in mappings.values()):
        problems.add("tf_torch_mappings is no object of strings", remedy='write {"source name": "parameter name"}')
    config = _attempt(problems, lambda: _expanded(str(raw.get("bert_config_path", "")), path))
    labels = _attempt(problems, lambda: _labels(arguments, classes.get(named), path))
    problems.raise_if_any()
    assert config is not None
    unused = [f"args.{key} decides no parameter: without effect" for key in _WITHOUT_EFFECT if key in arguments]
    return ConverterConfig(path, config, classes[named], mappings, labels, (*said, *unused))


def follow(checkpoint: Path, told: ConverterConfig, choices: Choices) -> Choices:
    """The choices that the file makes for this checkpoint, beside those made by hand (which win).

    Raises:
        ParityError: a mapping that means nothing here, or a parameter that no variable fills; all at once.
    """
    bert, head, name = family("bert"), told.head, told.path.name
    if choices.head not in (None, head.name):
        got = f"--head {choices.head}"
        raise ParityError(
            f"{name} asks for {head.target_class}", where=told.path, got=got, remedy="leave one of them out"
        )
    if choices.family not in (None, "bert"):
        raise ParityError(f"{name} is for BERT", where=told.path, got=f"--family {choices.family}")
    config = bert.read_config(read_json(told.config), where=told.config)
    with open_checkpoint(checkpoint) as opened:
        shapes = {variable: entry.shape for variable, entry in opened.entries.items()}
    filled = fill(
        bert.table(config, head), head.target_class, told.mappings, shapes, by_hand=choices.rename, where=told.path
    )
    said = [*told.said, *(f"{name}: {line}" for line in filled.said)]
    if bert.has_labels(head):
        said += _check_labels(told, filled, shapes)
    if head.target_class == "BertLMHeadModel":
        said.append(
            "BertLMHeadModel is written without is_decoder: its logits are those of BertForMaskedLM, as the source's "
            "are; with is_decoder transformers would hide what follows each token, which this model never saw hidden"
        )
    rename = {**filled.rename, **choices.rename}
    return replace(choices, family="bert", head=head.name, rename=rename, said=(*choices.said, *said))


def _check_labels(told: ConverterConfig, filled: Filled, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    variable = filled.variables["classifier.weight"]
    held = shapes[variable][0] if shapes[variable] else 0
    if told.labels is None:
        return [f"{told.path.name} gives no num_labels; {variable} has {held} rows"]
    if told.labels != held:
        raise ParityError(
            f"args.num_labels does not fit {variable}",
            where=told.path,
            got=told.labels,
            expected=held,
            remedy="write the number of classes that the checkpoint was trained for",
        )
    return []


def _labels(arguments: object, head: Head | None, path: Path) -> int | None:
    """`args.num_labels`, checked against what the class takes."""
    if not isinstance(arguments, dict):
        raise ParityError("args is no object", where=path, remedy='write {"num_labels": 2}')
    known = ("num_labels", *_WITHOUT_EFFECT)
    for key in arguments:
        if key not in known:
            raise ParityError(f"unknown constructor argument args.{key}", where=path, remedy=_nearest(key, known))
    labels = arguments.get("num_labels")
    if labels is None:
        return None
    if not isinstance(labels, int) or isinstance(labels, bool) or labels < 1:
        raise ParityError("args.num_labels is not a positive whole number", where=path, got=labels)
    if head is not None and not family("bert").has_labels(head) and (labels != 2 or head.name != "qa"):
        raise ParityError(
            f"{head.target_class} takes no num_labels", where=path, got=labels, remedy="leave args.num_labels out"
        )
    return labels


def _expanded(written: str, path: Path) -> Path:
    """A path with its environment variables, from where we are, or else from where the file lies."""
    expanded = os.path.expandvars(written)
    unset = re.search(r"\$(\w+|\{[^}]*\})", expanded)
    if unset:
        raise ParityError(
            f"bert_config_path names {unset[0]}, which is not set", where=path, remedy=f"export {unset[1].strip('{}')}"
        )
    found = Path(expanded).expanduser()
    places = (found, path.parent / found)
    if written and not any(place.is_file() for place in places):
        raise ParityError("bert_config_path: there is no such file", where=path, got=expanded, remedy="mend the path")
    return next((place for place in places if place.is_file()), found)


def _parse(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The object, and what had to be overlooked: the documentation's own sample has a comma too many."""
    try:
        if path.stat().st_size > _MAX:
            raise ParityError("too large for a converter config", where=path, got=f"{path.stat().st_size} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParityError(f"cannot read the converter config: {error}", where=path, remedy="check the path") from error
    tidy = _TOKEN.sub(lambda found: "" if found[0] == "," else found[0], text)
    try:
        value = json.loads(tidy)
    except (ValueError, RecursionError) as error:
        raise ParityError(f"the converter config is not JSON: {error}", where=path) from error
    if not isinstance(value, dict):
        raise ParityError("the converter config is not a JSON object", where=path, got=type(value).__name__)
    return value, () if tidy == text else (f"{path.name} has a comma that nothing follows: overlooked",)


def _attempt(problems: Problems, step: Callable[[], Any]) -> Any:
    try:
        return step()
    except ParityError as error:
        problems.extend([error])
        return None


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else "leave it out"
