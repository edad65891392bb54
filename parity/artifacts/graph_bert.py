"""What a Hugging Face BERT class computes, as a text for a `Builder`.

Follows `modeling_bert.py` of transformers with eager attention (https://github.com/huggingface/transformers), in
inference. Inner values carry the names of taps, the finer ones included; `mlm.transform` [B,T,C] is what enters the
vocabulary product, so that a reader of the graph can gather positions before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from parity.artifacts.graph_builder import Builder, Value
from parity.artifacts.graph_config import ACTIVATIONS
from parity.artifacts.graph_export import INPUTS, Source, Text
from parity.errors import Problems

_SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size",
)  # fmt: skip
_WORDS = "embeddings.word_embeddings.weight"


class _Bert:
    """One folder's BERT, drawn with one builder."""

    def __init__(self, source: Source, builder: Builder) -> None:
        self.weights, self.draw = source.weights, builder
        self.config = checked_config(source)
        self.activation = ACTIVATIONS[self.config["hidden_act"]]
        self.hidden: int = self.config["hidden_size"]
        self.base = "bert." if f"bert.{_WORDS}" in source.weights else ""

    def dense(self, name: str, x: Value, scope: str, shape: tuple[int, int]) -> Value:
        """A dense layer, its weight [out,in] checked first."""
        self.weights.check_shape(f"{scope}.weight", shape)
        self.weights.check_shape(f"{scope}.bias", shape[:1])
        return self.draw.dense(name, x, f"{scope}.weight", f"{scope}.bias")

    def norm(self, name: str, x: Value, scope: str) -> Value:
        """A layer norm over the hidden axis."""
        for part in ("weight", "bias"):
            self.weights.check_shape(f"{scope}.{part}", (self.hidden,))
        return self.draw.norm(name, x, f"{scope}.weight", f"{scope}.bias", self.config["layer_norm_eps"])

    def table(self, name: str, rows: str) -> str:
        """Name of an embedding table, [config[rows], hidden], its shape checked."""
        weight = f"{self.base}embeddings.{name}_embeddings.weight"
        self.weights.check_shape(weight, (self.config[rows], self.hidden))
        return weight

    def encoder(self) -> Value:
        """The last hidden state, [B,T,C], shipped."""
        draw = self.draw
        ids, mask, types = (draw.input(name, self.config["max_position_embeddings"]) for name in INPUTS)
        words = draw.lookup("embeddings.words", self.table("word", "vocab_size"), ids)
        segments = draw.lookup("embeddings.token_types", self.table("token_type", "type_vocab_size"), types)
        places = draw.leading_rows("embeddings.positions", self.table("position", "max_position_embeddings"), ids)
        summed = draw.add("embeddings.sum", draw.add("embeddings.words_and_types", words, segments), places)
        hidden = self.norm("embeddings", summed, f"{self.base}embeddings.LayerNorm")
        hiding = draw.hide("attention_bias", mask)
        for k in range(self.config["num_hidden_layers"]):
            hidden = self.layer(f"layer.{k}", f"{self.base}encoder.layer.{k}", hidden, hiding)
        draw.output("last_hidden_state", hidden, ("batch", "sequence", self.hidden))
        return hidden

    def layer(self, tap: str, scope: str, hidden: Value, hiding: Value) -> Value:
        """One encoder block."""
        draw, count, width = self.draw, self.config["num_attention_heads"], self.config["intermediate_size"]
        at, own, square = f"{tap}.attention", f"{scope}.attention", (self.hidden, self.hidden)
        query, key, value = (
            self.dense(f"{at}.{name}", hidden, f"{own}.self.{name}", square) for name in ("query", "key", "value")
        )
        size = self.hidden // count
        turned = draw.split(f"{at}.key_heads", key, count, size, (0, 2, 3, 1))
        products = draw.matmul(
            f"{at}.products", draw.split(f"{at}.query_heads", query, count, size, (0, 2, 1, 3)), turned
        )
        scaled = draw.scale(f"{at}.scaled", products, 1 / math.sqrt(size))
        probs = draw.softmax(f"{at}.probs", draw.add(f"{at}.scores", scaled, hiding))
        mixed = draw.matmul(f"{at}.mixed", probs, draw.split(f"{at}.value_heads", value, count, size, (0, 2, 1, 3)))
        output = self.dense(
            f"{at}.output", draw.merge(f"{at}.context", mixed, self.hidden), f"{own}.output.dense", square
        )
        attended = self.norm(f"{at}.norm", draw.add(f"{at}.sum", output, hidden), f"{own}.output.LayerNorm")
        wide = self.dense(f"{tap}.wide", attended, f"{scope}.intermediate.dense", (width, self.hidden))
        active = draw.activate(f"{tap}.intermediate", wide, self.activation)
        narrow = self.dense(f"{tap}.output", active, f"{scope}.output.dense", (self.hidden, width))
        return self.norm(tap, draw.add(f"{tap}.sum", narrow, attended), f"{scope}.output.LayerNorm")

    def pooler(self, hidden: Value) -> Value:
        """Tanh of a dense layer over the first token, [B,C], shipped."""
        first = self.draw.token("pooler.token", hidden, 0)
        dense = self.dense("pooler.dense", first, f"{self.base}pooler.dense", (self.hidden, self.hidden))
        pooled = self.draw.activate("pooler", dense, "tanh")
        self.draw.output("pooler_output", pooled, ("batch", self.hidden))
        return pooled

    def mlm(self, hidden: Value, output: str) -> None:
        """Vocabulary logits of every token, [B,T,V], shipped under the name `output`."""
        scope, vocabulary = "cls.predictions", self.config["vocab_size"]
        dense = self.dense("mlm.dense", hidden, f"{scope}.transform.dense", (self.hidden, self.hidden))
        active = self.draw.activate("mlm.activation", dense, self.activation)
        transformed = self.norm("mlm.transform", active, f"{scope}.transform.LayerNorm")
        table = self.weights.one_of(self.table("word", "vocab_size"), f"{scope}.decoder.weight")
        bias = self.weights.one_of(f"{scope}.bias", f"{scope}.decoder.bias")
        self.weights.check_shape(table, (vocabulary, self.hidden))
        self.weights.check_shape(bias, (vocabulary,))
        logits = self.draw.dense("logits.mlm", transformed, table, bias)
        self.draw.output(output, logits, ("batch", "sequence", vocabulary))

    def logits(self, tap: str, x: Value, scope: str, output: str, *, along: tuple[str, ...] = ("batch",)) -> None:
        """A dense head over [B,C] or [B,T,C], as wide as its bias, shipped under the name `output`."""
        labels = math.prod(self.weights.shape(f"{scope}.bias"))
        self.draw.output(output, self.dense(tap, x, scope, (labels, self.hidden)), (*along, labels))

    def spans(self, hidden: Value) -> None:
        """Start and end logits of every token, [B,T] each, shipped."""
        both = self.dense("logits.qa", hidden, "qa_outputs", (2, self.hidden))
        for index, name in enumerate(("start_logits", "end_logits")):
            self.draw.output(name, self.draw.channel(f"logits.qa.{index}", both, index), ("batch", "sequence"))


def checked_config(source: Source) -> Mapping[str, Any]:
    """The config, when it describes what this text draws.

    Raises:
        ParityError: fields missing, or another computation; all problems at once.
    """
    config = source.config
    problems = Problems("config.json does not describe a BERT this graph computes", where=source.folder / "config.json")
    for key in _SIZES:
        value = config.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            problems.add(f"{key} is not a positive whole number", got=value)
    if not isinstance(config.get("layer_norm_eps"), float):
        problems.add("layer_norm_eps is not a number", got=config.get("layer_norm_eps"))
    if config.get("hidden_act") not in ACTIVATIONS:
        problems.add("unknown hidden_act", got=config.get("hidden_act"), expected=f"one of {', '.join(ACTIVATIONS)}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        problems.add("only absolute positions can be drawn", got=config["position_embedding_type"])
    for key in ("is_decoder", "add_cross_attention", "pruned_heads"):
        if config.get(key):
            problems.add(f"{key} cannot be drawn", got=config[key])
    if not len(problems) and config["hidden_size"] % config["num_attention_heads"]:
        problems.add("hidden_size is no multiple of num_attention_heads", got=config["hidden_size"])
    problems.raise_if_any()
    return config


def _model(bert: _Bert) -> None:
    bert.pooler(bert.encoder())


def _masked_lm(bert: _Bert) -> None:
    bert.mlm(bert.encoder(), "logits")


def _pretraining(bert: _Bert) -> None:
    hidden = bert.encoder()
    pooled = bert.pooler(hidden)
    bert.mlm(hidden, "prediction_logits")
    bert.logits("logits.nsp", pooled, "cls.seq_relationship", "seq_relationship_logits")


def _next_sentence(bert: _Bert) -> None:
    bert.logits("logits.nsp", bert.pooler(bert.encoder()), "cls.seq_relationship", "logits")


def _classifier(bert: _Bert) -> None:
    bert.logits("logits.classifier", bert.pooler(bert.encoder()), "classifier", "logits")


def _token_classifier(bert: _Bert) -> None:
    bert.logits("logits.tokens", bert.encoder(), "classifier", "logits", along=("batch", "sequence"))


def _question_answering(bert: _Bert) -> None:
    bert.spans(bert.encoder())


def _text(parts: Callable[[_Bert], None]) -> Text:
    return lambda source, builder: parts(_Bert(source, builder))


TEXTS: Mapping[str, Text] = {
    "BertModel": _text(_model),
    "BertForPreTraining": _text(_pretraining),
    "BertForMaskedLM": _text(_masked_lm),
    "BertLMHeadModel": _text(_masked_lm),
    "BertForNextSentencePrediction": _text(_next_sentence),
    "BertForSequenceClassification": _text(_classifier),
    "BertForMultipleChoice": _text(_classifier),
    "BertForTokenClassification": _text(_token_classifier),
    "BertForQuestionAnswering": _text(_question_answering),
}
"""Multiple choice: every choice is a row of its own, with one score."""
