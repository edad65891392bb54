"""GPT-2's weight table: TensorFlow's variables beside Hugging Face's parameters.

Nothing is transposed: transformers kept the original's convolutions of width 1 with weights [in, out], less the
leading axis of 1.
"""

from __future__ import annotations

from collections.abc import Collection

from parity.families.gpt2.config import layers
from parity.families.values import Config, Head
from parity.weights import Drop, Rule, Squeeze, Table

_S = Squeeze()
_TF, _HF = "model/h{i}/", "h.{i}."
_RULES = (
    Rule("model/wpe", "wpe.weight"),
    Rule("model/wte", "wte.weight"),
    Rule(_TF + "ln_1/g", _HF + "ln_1.weight"),
    Rule(_TF + "ln_1/b", _HF + "ln_1.bias"),
    Rule(_TF + "attn/c_attn/w", _HF + "attn.c_attn.weight", _S),
    Rule(_TF + "attn/c_attn/b", _HF + "attn.c_attn.bias"),
    Rule(_TF + "attn/c_proj/w", _HF + "attn.c_proj.weight", _S),
    Rule(_TF + "attn/c_proj/b", _HF + "attn.c_proj.bias"),
    Rule(_TF + "ln_2/g", _HF + "ln_2.weight"),
    Rule(_TF + "ln_2/b", _HF + "ln_2.bias"),
    Rule(_TF + "mlp/c_fc/w", _HF + "mlp.c_fc.weight", _S),
    Rule(_TF + "mlp/c_fc/b", _HF + "mlp.c_fc.bias"),
    Rule(_TF + "mlp/c_proj/w", _HF + "mlp.c_proj.weight", _S),
    Rule(_TF + "mlp/c_proj/b", _HF + "mlp.c_proj.bias"),
    Rule("model/ln_f/g", "ln_f.weight"),
    Rule("model/ln_f/b", "ln_f.bias"),
)
_TOTALS = ("global_step", "*_step", "*/global_step", "*beta1_power*", "*beta2_power*", "*learning_rate*", "*/lr", "lr")
# Slots beside a variable are told by their place (see parity.weights.plan); these are where a trainer gave them a
# scope of their own, such as `train/model/wte/Adam_1`.
_SLOTS = (
    *("Adam", "Adam_?", "adam_[mv]", "AdamW*Optimizer", "AdamW*Optimizer_?", "adafactor_v", "adafactor_v[cr]"),
    *("Momentum", "RMSProp", "RMSProp_?", "Adagrad", "LAMB", "LAMB_?"),
)
_STATE = (
    *(Drop(name, "training state, not part of the model") for name in _TOTALS),
    *(Drop(f"*/{slot}", "optimizer slot, not part of the model") for slot in _SLOTS),
)


def table(config: Config, head: Head) -> Table:
    """The rules for `head`'s Hugging Face class."""
    if not head.taps:
        return Table(_RULES, config.layers, drops=_STATE)
    rules = tuple(Rule(rule.source, f"transformer.{rule.target}", rule.operation) for rule in _RULES)
    return Table(rules, config.layers, drops=_STATE, tied=(("lm_head.weight", "transformer.wte.weight"),))


def known(names: Collection[str]) -> tuple[frozenset[str], tuple[Drop, ...]]:
    """Every variable of a model of this depth, and the training state beside them."""
    return frozenset(rule.source for rule in Table(_RULES, layers(names)).expanded()), _STATE
