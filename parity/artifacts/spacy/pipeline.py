"""A Hugging Face folder as a spaCy pipeline folder: the bare model's weights bit for bit, and its tokenizer."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.artifacts.hf_folder import HfFolder
from parity.artifacts.spacy.identity import META, REQUIREMENTS, Identity
from parity.artifacts.spacy.weights import put_weights
from parity.errors import ParityError, Problems

TRANSFORMER, VECTORS = "transformer", "vectors"
_NEEDED = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Written:
    """What went into a pipeline."""

    tensors: Mapping[str, str]
    """The pipeline's own name of each tensor, and the name it has in `model.safetensors`."""
    zeros: Mapping[str, tuple[int, ...]]
    """What only the bare model has, by its own name: written as zeros."""
    left_out: tuple[str, ...]
    """Names in `model.safetensors` of what is not part of the bare model."""
    window: int
    overlap: int


def write_pipeline(source: HfFolder, folder: Path, identity: Identity, tokenizer_json: Path) -> Written:
    """Write a pipeline that names the functions of `component.py` as the package will register them.

    Args:
        source: Hugging Face folder with float32 weights.
        folder: the pipeline's folder; made here.
        identity: names the package that the pipeline will lie in.
        tokenizer_json: where the windows will look for the tokenizer.

    Raises:
        ParityError: a file is missing or does not fit the others, or spaCy has no such language.
    """
    problems = Problems("not a folder to make a spaCy pipeline of", where=source.folder)
    for name in _NEEDED:
        if not (source.folder / name).is_file():
            problems.add(f"{name} is missing", remedy="write the folder with `parity convert --to pytorch`")
    problems.raise_if_any()
    # transformers imports TensorFlow, for seconds, wherever it is installed; this is read when it is imported.
    os.environ.setdefault("USE_TF", "0")
    import spacy
    import torch
    from safetensors.torch import load_file
    from spacy_transformers.data_classes import HFObjects
    from transformers import AutoConfig, AutoModel

    try:
        nlp = spacy.blank(identity.lang)
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise ParityError(f"spaCy cannot make a pipeline for language {identity.lang}: {reason}") from error
    config = AutoConfig.from_pretrained(source.folder)
    bare = next(head.target_class for head in source.family.all_heads if head.name == "none")
    config.update({"architectures": [bare], "return_dict": True, **_stateless(config)})
    config.name_or_path = ""  # else the path on this machine
    tokenizer = _tokenizer(source.folder, source.config.positions)
    with torch.device("meta"):  # names and shapes; nothing is allocated or drawn at random
        model = AutoModel.from_config(config)
    names, zeros = _encoder_names(source, model)
    window = source.config.positions - tokenizer.num_special_tokens_to_add()
    left_out = tuple(sorted(set(source.specs) - set(names.values())))
    written = Written(tensors=names, zeros=zeros, left_out=left_out, window=window, overlap=window // 4)
    pipe = nlp.add_pipe(TRANSFORMER, config={"model": {"name": identity.package, **_STOCK}})
    vocab_file = getattr(tokenizer, "vocab_file", None)
    contents = Path(vocab_file).read_bytes() if vocab_file else None
    pipe.model.attrs["set_transformer"](pipe.model, HFObjects(tokenizer, model, contents))
    pipe.model.layers[0].shims[0]._model = torch.nn.Module()  # no weights yet: put_weights writes them
    # An empty table of the right width tells spaCy how long the vector of an empty document is.
    nlp.vocab.reset_vectors(width=config.hidden_size)
    nlp.to_disk(folder)
    stored = load_file(source.weights)
    filled = {name: torch.zeros(shape) for name, shape in zeros.items()}
    put_weights(folder, {name: filled[name] if name in filled else stored[names[name]] for name in model.state_dict()})
    _name_own_functions(folder, identity, written, config.hidden_size)
    shutil.copyfile(source.folder / "tokenizer.json", tokenizer_json)
    return written


_STOCK = {
    "@architectures": "spacy-transformers.TransformerModel.v3",
    "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
    "tokenizer_config": {"use_fast": True},
    "transformer_config": {},
    "mixed_precision": False,
    "grad_scaler_config": {},
}


def _stateless(config: Any) -> dict[str, bool]:
    """What a model hands on for the text that follows has no place in a document."""
    return {key: False for key in ("use_cache", "use_mems_eval", "use_mems_train") if getattr(config, key, False)}


def _tokenizer(source: Path, positions: int) -> Any:
    from tokenizers import Tokenizer, processors
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, model_max_length=positions)
    meant = json.loads(Tokenizer.from_file(str(source / "tokenizer.json")).to_str())
    loaded = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else {}
    problems = Problems("transformers makes another tokenizer of these files", where=source)
    for part in ("normalizer", "pre_tokenizer", "model", "post_processor"):
        if loaded.get(part) != meant[part]:
            remedy = "make tokenizer.json and tokenizer_config.json say the same"
            problems.add(f"{part} is not that of tokenizer.json", remedy=remedy)
    if tokenizer.pad_token is None:
        # spacy-transformers pads every batch; what it pads with lies behind the attention mask.
        padding = tokenizer.eos_token or tokenizer.unk_token
        if padding is None:
            problems.add("no token to pad with", remedy="name an eos_token in tokenizer_config.json")
        tokenizer.pad_token = padding
    problems.raise_if_any()
    if meant["post_processor"] and meant["post_processor"]["type"] == "ByteLevel":
        # To spaCy the space before a word is part of the token before it, which must not get the word's piece.
        tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def _encoder_names(source: HfFolder, model: Any) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """The model class's own name of each tensor, and its name in `model.safetensors`; refuses what does not fit.

    Also the shapes of those that the bare class has and the head's class has not (a pooler): spacy-transformers makes
    the bare one, and what it lacked would be random.
    """
    expected = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    prefix = f"{model.base_model_prefix}."
    if not any(name.startswith(prefix) for name in source.specs):
        prefix = ""  # written by the bare model's own class
    names = {name.removeprefix(prefix): name for name in source.specs if name.startswith(prefix)}
    problems = Problems("the weights do not fit config.json", where=source.weights)
    unused = source.family.unused_by_class(source.head)
    absent = {name for name in set(expected) - set(names) if f"{prefix}{name}" in unused}
    for name in sorted((set(names) ^ set(expected)) - absent):
        problems.add(f"{prefix}{name} is {'missing' if name in expected else 'not part of the model'}")
    for name in sorted(set(names) & set(expected)):
        spec = source.specs[names[name]]
        if (spec.dtype, list(spec.shape)) != ("float32", expected[name]):
            got = f"{spec.dtype} {list(spec.shape)}"
            problems.add(f"{prefix}{name}", got=got, expected=f"float32 {expected[name]}")
    problems.raise_if_any()
    zeros = {name: tuple(expected[name]) for name in expected if name in absent}
    return {name: names[name] for name in expected if name not in absent}, zeros


def _name_own_functions(folder: Path, identity: Identity, written: Written, width: int) -> None:
    """Point the written pipeline at the package's functions.

    Done on the files: naming them while the pipeline is built would mean registering them in this process, where a
    package loaded later could not register its own.
    """
    from thinc.api import Config

    path = folder / "config.cfg"
    config = Config().from_disk(path, interpolate=False)
    getter = {"@span_getters": f"{identity.package}.windows.v1", "window": written.window, "overlap": written.overlap}
    config["components"][TRANSFORMER]["model"]["get_spans"] = getter
    config["components"][VECTORS] = {"factory": f"{identity.package}_vectors", "width": width}
    config["nlp"]["pipeline"] = [TRANSFORMER, VECTORS]
    config.to_disk(path, interpolate=False)
    path = folder / "meta.json"
    meta = json.loads(path.read_text(encoding="utf-8"))
    meta |= {key: identity.line(key) for key in META}
    meta |= {
        "name": identity.package.removeprefix(f"{identity.lang}_"),
        "version": identity.version,
        "description": identity.summary,
        "requirements": list(REQUIREMENTS),
        "pipeline": [TRANSFORMER, VECTORS],
        "components": [TRANSFORMER, VECTORS],
        "labels": {TRANSFORMER: [], VECTORS: []},
        "spacy_version": REQUIREMENTS[0].removeprefix("spacy"),
    }
    path.write_text(json.dumps(meta, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
