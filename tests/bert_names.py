"""BERT's variables and parameters, written down from the published description and not from parity's table.

One line per tensor: the original's name, its axes, Hugging Face's name, and whether the matrix is stored turned.
H hidden, I intermediate, V vocabulary, P positions, S segments (token types), C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

EMBEDDINGS = """
bert/embeddings/word_embeddings            VH  bert.embeddings.word_embeddings.weight        same
bert/embeddings/token_type_embeddings      SH  bert.embeddings.token_type_embeddings.weight  same
bert/embeddings/position_embeddings        PH  bert.embeddings.position_embeddings.weight    same
bert/embeddings/LayerNorm/gamma            H   bert.embeddings.LayerNorm.weight              same
bert/embeddings/LayerNorm/beta             H   bert.embeddings.LayerNorm.bias                same
"""
LAYER = """
bert/encoder/layer_#/attention/self/query/kernel      HH  bert.encoder.layer.#.attention.self.query.weight        turned
bert/encoder/layer_#/attention/self/query/bias        H   bert.encoder.layer.#.attention.self.query.bias          same
bert/encoder/layer_#/attention/self/key/kernel        HH  bert.encoder.layer.#.attention.self.key.weight          turned
bert/encoder/layer_#/attention/self/key/bias          H   bert.encoder.layer.#.attention.self.key.bias            same
bert/encoder/layer_#/attention/self/value/kernel      HH  bert.encoder.layer.#.attention.self.value.weight        turned
bert/encoder/layer_#/attention/self/value/bias        H   bert.encoder.layer.#.attention.self.value.bias          same
bert/encoder/layer_#/attention/output/dense/kernel    HH  bert.encoder.layer.#.attention.output.dense.weight      turned
bert/encoder/layer_#/attention/output/dense/bias      H   bert.encoder.layer.#.attention.output.dense.bias        same
bert/encoder/layer_#/attention/output/LayerNorm/gamma H   bert.encoder.layer.#.attention.output.LayerNorm.weight  same
bert/encoder/layer_#/attention/output/LayerNorm/beta  H   bert.encoder.layer.#.attention.output.LayerNorm.bias    same
bert/encoder/layer_#/intermediate/dense/kernel        HI  bert.encoder.layer.#.intermediate.dense.weight          turned
bert/encoder/layer_#/intermediate/dense/bias          I   bert.encoder.layer.#.intermediate.dense.bias            same
bert/encoder/layer_#/output/dense/kernel              IH  bert.encoder.layer.#.output.dense.weight                turned
bert/encoder/layer_#/output/dense/bias                H   bert.encoder.layer.#.output.dense.bias                  same
bert/encoder/layer_#/output/LayerNorm/gamma           H   bert.encoder.layer.#.output.LayerNorm.weight            same
bert/encoder/layer_#/output/LayerNorm/beta            H   bert.encoder.layer.#.output.LayerNorm.bias              same
"""
POOLER = """
bert/pooler/dense/kernel  HH  bert.pooler.dense.weight  turned
bert/pooler/dense/bias    H   bert.pooler.dense.bias    same
"""
MLM = """
cls/predictions/transform/dense/kernel     HH  cls.predictions.transform.dense.weight      turned
cls/predictions/transform/dense/bias       H   cls.predictions.transform.dense.bias        same
cls/predictions/transform/LayerNorm/gamma  H   cls.predictions.transform.LayerNorm.weight  same
cls/predictions/transform/LayerNorm/beta   H   cls.predictions.transform.LayerNorm.bias    same
cls/predictions/output_bias                V   cls.predictions.bias                        same
"""
NSP = """
cls/seq_relationship/output_weights  2H  cls.seq_relationship.weight  same
cls/seq_relationship/output_bias     2   cls.seq_relationship.bias    same
"""
CLASSIFIER = """
output_weights  CH  classifier.weight  same
output_bias     C   classifier.bias    same
"""
SQUAD = """
cls/squad/output_weights  2H  qa_outputs.weight  same
cls/squad/output_bias     2   qa_outputs.bias    same
"""
HEADS = {
    "pretraining": MLM + NSP,
    "mlm": MLM,
    "nsp": NSP,
    "classifier": CLASSIFIER,
    "qa": SQUAD,
    "none": "",
}
# Heads that have the variables of another: what such a checkpoint is for, its names do not tell.
ALIKE = {"token-classifier": "classifier", "multiple-choice": "classifier", "lm": "mlm"}
ALIKE_CLASSES = {
    "token-classifier": "BertForTokenClassification",
    "multiple-choice": "BertForMultipleChoice",
    "lm": "BertLMHeadModel",
}
CLASSES = {
    "pretraining": "BertForPreTraining",
    "mlm": "BertForMaskedLM",
    "nsp": "BertForNextSentencePrediction",
    "classifier": "BertForSequenceClassification",
    "qa": "BertForQuestionAnswering",
    "none": "BertModel",
}


@dataclass(frozen=True)
class Line:
    source: str
    axes: str
    target: str
    turned: bool


def lines(layers: int, head: str) -> list[Line]:
    text = EMBEDDINGS + "".join(LAYER.replace("#", str(i)) for i in range(layers)) + POOLER + HEADS[head]
    found = [Line(source, axes, target, kind == "turned") for source, axes, target, kind in map(str.split, rows(text))]
    if head == "none":
        return [Line(x.source, x.axes, x.target.removeprefix("bert."), x.turned) for x in found]
    return found


def rows(text: str) -> list[str]:
    return [row for row in text.splitlines() if row]
