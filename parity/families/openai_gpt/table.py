"""GPT's weight table: the names of train.py's graph beside Hugging Face's parameters.

Nothing is transposed but the classifier, a plain matrix [in, out]: transformers kept the original's convolutions of
width 1 with weights [in, out], less the leading axis of 1. After training, tokens, special tokens and positions are
one table, which is cut in two.
"""

from __future__ import annotations

from collections.abc import Collection

from parity.families.openai_gpt.config import GptConfig, layers
from parity.families.openai_gpt.heads import CHOICE, CLASSIFIER
from parity.families.values import Config, Head
from parity.weights import Cut, Drop, Rule, Squeeze, Table, Transpose

_S = Squeeze()
_TF, _HF = "model/h{i}/", "h.{i}."
_TABLES = (Rule("positions", "positions_embed.weight"), Rule("tokens", "tokens_embed.weight"))
_BLOCKS = (
    Rule(_TF + "attn/c_attn/w", _HF + "attn.c_attn.weight", _S),
    Rule(_TF + "attn/c_attn/b", _HF + "attn.c_attn.bias"),
    Rule(_TF + "attn/c_proj/w", _HF + "attn.c_proj.weight", _S),
    Rule(_TF + "attn/c_proj/b", _HF + "attn.c_proj.bias"),
    Rule(_TF + "ln_1/g", _HF + "ln_1.weight"),
    Rule(_TF + "ln_1/b", _HF + "ln_1.bias"),
    Rule(_TF + "mlp/c_fc/w", _HF + "mlp.c_fc.weight", _S),
    Rule(_TF + "mlp/c_fc/b", _HF + "mlp.c_fc.bias"),
    Rule(_TF + "mlp/c_proj/w", _HF + "mlp.c_proj.weight", _S),
    Rule(_TF + "mlp/c_proj/b", _HF + "mlp.c_proj.bias"),
    Rule(_TF + "ln_2/g", _HF + "ln_2.weight"),
    Rule(_TF + "ln_2/b", _HF + "ln_2.bias"),
)
_CHOICE = (
    Rule("model/clf/w", "multiple_choice_head.summary.weight", Transpose()),
    Rule("model/clf/b", "multiple_choice_head.summary.bias"),
)


def table(config: Config, head: Head) -> Table:
    """The rules for `head`'s Hugging Face class; where it has no place for a classifier, that is dropped by name."""
    rows = config.rows if isinstance(config, GptConfig) else None
    rules = (*(_TABLES if rows is None else _joined(config.vocab_size, rows)), *_BLOCKS)
    drops = () if head == CHOICE else tuple(_dropped(name, head) for name in sorted(CLASSIFIER))
    if not head.taps:
        return Table(rules, config.layers, drops=drops)
    rules = tuple(Rule(rule.source, f"transformer.{rule.target}", rule.operation) for rule in rules)
    tied = (("lm_head.weight", "transformer.tokens_embed.weight"),)
    return Table((*rules, *(_CHOICE if head == CHOICE else ())), config.layers, drops=drops, tied=tied)


def _joined(tokens: int, rows: int) -> tuple[Rule, ...]:
    return (
        Rule("model/we", "tokens_embed.weight", Cut(0, tokens, rows)),
        Rule("model/we", "positions_embed.weight", Cut(tokens, rows, rows)),
    )


def _dropped(name: str, head: Head) -> Drop:
    return Drop(name, f"part of head {CHOICE.name}, which --head {head.name} leaves out")


def known(names: Collection[str]) -> tuple[frozenset[str], tuple[Drop, ...]]:
    """Every variable of a model of this depth; nothing else lies beside them in these files."""
    tables = ("model/we",) if "model/we" in names else tuple(rule.source for rule in _TABLES)
    blocks = (rule.source for rule in Table(_BLOCKS, layers(names)).expanded())
    return frozenset((*tables, *blocks, *CLASSIFIER)), ()
