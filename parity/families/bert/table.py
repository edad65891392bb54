"""BERT's weight table: TensorFlow's variables beside Hugging Face's parameters.

Only `kernel` is transposed ([in, out] becomes [out, in]); `output_weights` is stored [out, in] already.
"""

from __future__ import annotations

from collections.abc import Collection

from parity.families.bert.config import layers
from parity.families.bert.heads import MARKS, parts, pooled, poolerless
from parity.families.values import Config, Head
from parity.weights import Drop, Rule, Table, Transpose

_T = Transpose()
_TF, _HF = "bert/encoder/layer_{i}/", "bert.encoder.layer.{i}."

_ENCODER = (
    Rule("bert/embeddings/word_embeddings", "bert.embeddings.word_embeddings.weight"),
    Rule("bert/embeddings/position_embeddings", "bert.embeddings.position_embeddings.weight"),
    Rule("bert/embeddings/token_type_embeddings", "bert.embeddings.token_type_embeddings.weight"),
    Rule("bert/embeddings/LayerNorm/gamma", "bert.embeddings.LayerNorm.weight"),
    Rule("bert/embeddings/LayerNorm/beta", "bert.embeddings.LayerNorm.bias"),
    Rule(_TF + "attention/self/query/kernel", _HF + "attention.self.query.weight", _T),
    Rule(_TF + "attention/self/query/bias", _HF + "attention.self.query.bias"),
    Rule(_TF + "attention/self/key/kernel", _HF + "attention.self.key.weight", _T),
    Rule(_TF + "attention/self/key/bias", _HF + "attention.self.key.bias"),
    Rule(_TF + "attention/self/value/kernel", _HF + "attention.self.value.weight", _T),
    Rule(_TF + "attention/self/value/bias", _HF + "attention.self.value.bias"),
    Rule(_TF + "attention/output/dense/kernel", _HF + "attention.output.dense.weight", _T),
    Rule(_TF + "attention/output/dense/bias", _HF + "attention.output.dense.bias"),
    Rule(_TF + "attention/output/LayerNorm/gamma", _HF + "attention.output.LayerNorm.weight"),
    Rule(_TF + "attention/output/LayerNorm/beta", _HF + "attention.output.LayerNorm.bias"),
    Rule(_TF + "intermediate/dense/kernel", _HF + "intermediate.dense.weight", _T),
    Rule(_TF + "intermediate/dense/bias", _HF + "intermediate.dense.bias"),
    Rule(_TF + "output/dense/kernel", _HF + "output.dense.weight", _T),
    Rule(_TF + "output/dense/bias", _HF + "output.dense.bias"),
    Rule(_TF + "output/LayerNorm/gamma", _HF + "output.LayerNorm.weight"),
    Rule(_TF + "output/LayerNorm/beta", _HF + "output.LayerNorm.bias"),
    Rule("bert/pooler/dense/kernel", "bert.pooler.dense.weight", _T),
    Rule("bert/pooler/dense/bias", "bert.pooler.dense.bias"),
)
_PARTS = {
    "mlm": (
        Rule("cls/predictions/transform/dense/kernel", "cls.predictions.transform.dense.weight", _T),
        Rule("cls/predictions/transform/dense/bias", "cls.predictions.transform.dense.bias"),
        Rule("cls/predictions/transform/LayerNorm/gamma", "cls.predictions.transform.LayerNorm.weight"),
        Rule("cls/predictions/transform/LayerNorm/beta", "cls.predictions.transform.LayerNorm.bias"),
        Rule("cls/predictions/output_bias", "cls.predictions.bias"),
    ),
    "nsp": (
        Rule("cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
        Rule("cls/seq_relationship/output_bias", "cls.seq_relationship.bias"),
    ),
    **dict.fromkeys(
        ("classifier", "token-classifier", "multiple-choice"),
        (Rule("output_weights", "classifier.weight"), Rule("output_bias", "classifier.bias")),
    ),
    "qa": (
        Rule("cls/squad/output_weights", "qa_outputs.weight"),
        Rule("cls/squad/output_bias", "qa_outputs.bias"),
    ),
}
_TIED = {
    "mlm": (
        ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    )
}
# Bare training state; the slots beside each variable are told by their place (see parity.weights.plan).
_STATE = tuple(
    Drop(name, "training state, not part of the model")
    for name in (
        "global_step",
        "*_step",
        "beta1_power*",
        "beta2_power*",
        "*loss_scale*",
        "good_steps",
        "bad_steps",
        "optimizer/*",
    )
)


def table(config: Config, head: Head) -> Table:
    """The rules for `head`'s Hugging Face class; variables of other heads are dropped, and the proof says so."""
    wanted = parts(head)
    rules = (*_ENCODER, *(rule for part in wanted for rule in _PARTS[part]))
    if not pooled(config, head):
        rules = tuple(rule for rule in rules if rule.target not in _POOLER)
    if not wanted:
        # BertModel alone keeps its parameters without the prefix.
        rules = tuple(Rule(rule.source, rule.target.removeprefix("bert."), rule.operation) for rule in rules)
    others = tuple(
        Drop(name, f"part of head {part}, which --head {head.name} leaves out")
        for part, names in MARKS.items()
        if part not in wanted
        for name in sorted(names)
    )
    tied = tuple(pair for part in wanted for pair in _TIED.get(part, ()))
    return Table(rules, config.layers, drops=(*_STATE, *others), tied=tied)


def known(names: Collection[str]) -> tuple[frozenset[str], tuple[Drop, ...]]:
    """Every variable that some head's graph of this depth has, and the training state beside them."""
    rules = Table((*_ENCODER, *(rule for part in _PARTS.values() for rule in part)), layers(names)).expanded()
    return frozenset(rule.source for rule in rules), _STATE


def unused_by_class(head: Head) -> frozenset[str]:
    """The pooler, where the head's class has none: BertForQuestionAnswering and BertForMaskedLM, among others.

    It is written all the same: the checkpoint holds it, AutoModel wants it, and the way back needs it.
    """
    return _POOLER if poolerless(head) else frozenset()


_POOLER = frozenset({"bert.pooler.dense.weight", "bert.pooler.dense.bias"})
