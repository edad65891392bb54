"""TensorFlow 2's object-based checkpoints of BERT's encoder, under the names and shapes of TensorFlow 1.

`tf.train.Checkpoint` names tensors by the Python attributes that lead to them. The Model Garden's TransformerEncoder
(up to version 2.3) is known in that form: its layers are numbered in the order they were made, embeddings first. Names
are those that transformers' `convert_bert_original_tf2_checkpoint_to_pytorch.py` reads and `official/nlp/bert/
tf2_encoder_checkpoint_converter.py` of tensorflow/models writes. Projections are kept by head, [H,N,d] and [N,d,H];
TensorFlow 1 has the same bytes as matrices.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from parity.checkpoints.entry import STRING
from parity.checkpoints.index import Stored, is_object_key, shown
from parity.errors import ParityError, Problems

FORMAT = "tensorflow-v2-objects"
_VALUE, _SLOT = "/.ATTRIBUTES/VARIABLE_VALUE", "/.OPTIMIZER_SLOT/"
_ROOTS = ("model/", "encoder/", "")
"""Under which name the encoder was given to tf.train.Checkpoint."""
_LAYER = re.compile(r"layer_with_weights-(\d{1,5})/(.+)")
_EMBEDDINGS = {
    0: {"embeddings": "word_embeddings"},
    1: {"embeddings": "position_embeddings"},
    2: {"embeddings": "token_type_embeddings"},
    3: {"gamma": "LayerNorm/gamma", "beta": "LayerNorm/beta"},
}
_FIRST = len(_EMBEDDINGS)
_DENSE = {
    "_attention_layer/_query_dense": "attention/self/query",
    "_attention_layer/_key_dense": "attention/self/key",
    "_attention_layer/_value_dense": "attention/self/value",
    "_attention_output_dense": "attention/output/dense",
    "_intermediate_dense": "intermediate/dense",
    "_output_dense": "output/dense",
}
_NORMS = {"_attention_layer_norm": "attention/output/LayerNorm", "_output_layer_norm": "output/LayerNorm"}
_INNER = {
    **{f"{a}/{part}": f"{b}/{part}" for a, b in _DENSE.items() for part in ("kernel", "bias")},
    **{f"{a}/{part}": f"{b}/{part}" for a, b in _NORMS.items() for part in ("gamma", "beta")},
}
_REFUSED = (
    "this is a TensorFlow 2 object-based checkpoint (tf.train.Checkpoint): "
    "it names tensors by Python attributes, not by variables"
)
_REMEDY = (
    "give the original TensorFlow 1 checkpoint, or restore it in the code that wrote it "
    "and save the variables by name with tf.compat.v1.train.Saver"
)


def is_object_based(tensors: Mapping[str, Stored]) -> bool:
    """Whether tensors are named by attributes."""
    return any(map(is_object_key, tensors))


def as_variables(tensors: Mapping[str, Stored]) -> Mapping[str, Stored]:
    """The same tensors under BERT's variable names; the checkpoint's own bookkeeping is no tensor of the model.

    Optimizer slots follow their variables (`<variable>/<slot>`); what is not known keeps its path, for whoever plans to
    refuse or drop it by name.

    Raises:
        ParityError: another model than the Model Garden's BERT encoder, one with heads, or impossible shapes.
    """
    paths = {name.removesuffix(_VALUE): stored for name, stored in tensors.items() if stored.dtype != STRING}
    paths.pop("save_counter", None)
    root = next((r for r in _ROOTS if f"{r}layer_with_weights-0/embeddings" in paths), None)
    if root is None:
        inner = next((path for path in paths if path.count("layer_with_weights-") > 1), None)
        if inner is not None:
            raise ParityError(
                "a TensorFlow 2 object-based checkpoint whose encoder is part of a larger model: only the encoder by "
                "itself is read",
                got=shown(inner),
                remedy=_REMEDY,
            )
        raise ParityError(_REFUSED, remedy=_REMEDY)
    layers = sum(path.endswith("/_attention_layer/_query_dense/kernel") for path in paths)
    found: dict[str, Stored] = {}
    problems = Problems("the checkpoint's objects are not those of a BERT encoder")
    for path, stored in paths.items():
        variable, _, slot = path.removeprefix(root).partition(_SLOT)
        name = _variable(variable, layers)
        known = name or variable
        named = f"{known}/{slot.rpartition('/')[2]}" if slot else known
        if named in found:
            problems.add(f"two objects are {shown(named)}", got=shown(path))
        try:
            found[named] = _flat(stored, name) if name else stored
        except ValueError as error:
            problems.add(f"{shown(path)} has another shape than {name}", got=list(stored.shape), expected=str(error))
    problems.raise_if_any()
    return found


def _variable(path: str, layers: int) -> str | None:
    match = _LAYER.fullmatch(path)
    if match is None:
        return None
    number, inner = int(match[1]), match[2]
    if number < _FIRST:
        scope, names = "bert/embeddings", _EMBEDDINGS[number]
    elif number < _FIRST + layers:
        scope, names = f"bert/encoder/layer_{number - _FIRST}", _INNER
    elif number == _FIRST + layers:
        scope, names = "bert/pooler/dense", {"kernel": "kernel", "bias": "bias"}
    else:
        return None
    return f"{scope}/{names[inner]}" if inner in names else None


def _flat(stored: Stored, name: str) -> Stored:
    """Heads side by side: the same bytes in one axis less.

    Raises:
        ValueError: a shape that is not one of a projection by heads.
    """
    shape, last = stored.shape, name.rpartition("/")[2]
    wanted = {"kernel": 2, "bias": 1, "gamma": 1, "beta": 1}.get(last, 2)
    if len(shape) == wanted:
        return stored
    by_heads = "/attention/" in name and len(shape) == wanted + 1 and last in ("kernel", "bias")
    if not by_heads or any(piece.box is not None for piece in stored.pieces):
        raise ValueError(f"{wanted} axes")
    if "/self/" in name:
        return replace(stored, shape=(*shape[:-2], shape[-2] * shape[-1]))
    return replace(stored, shape=(shape[0] * shape[1], *shape[2:]))
