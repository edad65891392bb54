"""XLNet's weight table: TensorFlow's variables beside Hugging Face's parameters.

The attention's kernels are [model, head, size] on both sides and stay as they are, `o` too. Only plain dense kernels
are transposed. The relative biases and the segment embedding are stacked over the layers in the source; tied biases
(`untie_r` false) stand there once, and every layer of the target has a copy.
"""

from __future__ import annotations

from collections.abc import Collection

from parity.families.values import Config, Head
from parity.families.xlnet.heads import SUMMARY, has_summary, heads, marks, named
from parity.families.xlnet.names import layers, task
from parity.families.xlnet.numbers import numbers
from parity.weights import Copy, Drop, Operation, Rule, Same, Table, Transpose

_T = Transpose()
_MODEL = "model/transformer/"
_TF, _HF = "model/transformer/layer_{i}/", "transformer.layer.{i}."
_MASK = "model/transformer/mask_emb/mask_emb"

_LAYERS = (
    Rule(_TF + "rel_attn/q/kernel", _HF + "rel_attn.q"),
    Rule(_TF + "rel_attn/k/kernel", _HF + "rel_attn.k"),
    Rule(_TF + "rel_attn/v/kernel", _HF + "rel_attn.v"),
    Rule(_TF + "rel_attn/r/kernel", _HF + "rel_attn.r"),
    Rule(_TF + "rel_attn/o/kernel", _HF + "rel_attn.o"),
    Rule(_TF + "rel_attn/LayerNorm/gamma", _HF + "rel_attn.layer_norm.weight"),
    Rule(_TF + "rel_attn/LayerNorm/beta", _HF + "rel_attn.layer_norm.bias"),
    Rule(_TF + "ff/layer_1/kernel", _HF + "ff.layer_1.weight", _T),
    Rule(_TF + "ff/layer_1/bias", _HF + "ff.layer_1.bias"),
    Rule(_TF + "ff/layer_2/kernel", _HF + "ff.layer_2.weight", _T),
    Rule(_TF + "ff/layer_2/bias", _HF + "ff.layer_2.bias"),
    Rule(_TF + "ff/LayerNorm/gamma", _HF + "ff.layer_norm.weight"),
    Rule(_TF + "ff/LayerNorm/beta", _HF + "ff.layer_norm.bias"),
)
_TIED = {
    "lm": (("lm_loss.weight", "transformer.word_embedding.weight"),),
}
# Bare training state; the slots beside each variable are told by their place (see parity.weights.plan).
_STATE = tuple(
    Drop(name, "training state, not part of the model")
    for name in ("global_step", "*_step", "beta1_power*", "beta2_power*", "*loss_scale*", "good_steps", "bad_steps")
)


def table(config: Config, head: Head) -> Table:
    """The rules for `head`'s Hugging Face class; variables of other heads are dropped, and the proof says so."""
    rules = (*_model(untied=numbers(config).untied), *_head(head), *(_SUMMARY if has_summary(config, head) else ()))
    if task(head.name).kind == "none":
        # XLNetModel alone keeps its parameters without the prefix.
        rules = tuple(Rule(rule.source, rule.target.removeprefix("transformer."), rule.operation) for rule in rules)
    # Fine-tuning has no second stream: its checkpoints lack the vector that this begins with.
    absent = () if task(head.name).kind == "lm" else ((_MASK, (1, 1, config.hidden_size)),)
    return Table(rules, config.layers, drops=(*_STATE, *_others(head)), tied=_TIED.get(head.name, ()), zeros=absent)


def _model(*, untied: bool) -> tuple[Rule, ...]:
    shared: Operation = Copy() if untied else Same()
    return (
        Rule(_MODEL + "word_embedding/lookup_table", "transformer.word_embedding.weight"),
        Rule(_MASK, "transformer.mask_emb"),
        Rule(_MODEL + "r_w_bias", _HF + "rel_attn.r_w_bias", shared),
        Rule(_MODEL + "r_r_bias", _HF + "rel_attn.r_r_bias", shared),
        Rule(_MODEL + "r_s_bias", _HF + "rel_attn.r_s_bias", shared),
        Rule(_MODEL + "seg_embed", _HF + "rel_attn.seg_embed"),
        *_LAYERS,
    )


_SUMMARY = (
    Rule("model/sequnece_summary/summary/kernel", "sequence_summary.summary.weight", _T),
    Rule("model/sequnece_summary/summary/bias", "sequence_summary.summary.bias"),
)


def _head(head: Head) -> tuple[Rule, ...]:
    scope, kind = task(head.name).scope, task(head.name).kind
    inner = "dense/" if kind == "multiple-choice" else ""
    logits = (
        Rule(f"{scope}{inner}kernel", "logits_proj.weight", _T),
        Rule(f"{scope}{inner}bias", "logits_proj.bias"),
    )
    found = {
        "lm": (Rule("model/lm_loss/bias", "lm_loss.bias"),),
        "none": (),
        "qa": (
            Rule(f"{scope}start_logits/dense/kernel", "start_logits.dense.weight", _T),
            Rule(f"{scope}start_logits/dense/bias", "start_logits.dense.bias"),
            Rule(f"{scope}end_logits/dense_0/kernel", "end_logits.dense_0.weight", _T),
            Rule(f"{scope}end_logits/dense_0/bias", "end_logits.dense_0.bias"),
            Rule(f"{scope}end_logits/LayerNorm/gamma", "end_logits.LayerNorm.weight"),
            Rule(f"{scope}end_logits/LayerNorm/beta", "end_logits.LayerNorm.bias"),
            Rule(f"{scope}end_logits/dense_1/kernel", "end_logits.dense_1.weight", _T),
            Rule(f"{scope}end_logits/dense_1/bias", "end_logits.dense_1.bias"),
            Rule(f"{scope}answer_class/dense_0/kernel", "answer_class.dense_0.weight", _T),
            Rule(f"{scope}answer_class/dense_0/bias", "answer_class.dense_0.bias"),
            Rule(f"{scope}answer_class/dense_1/kernel", "answer_class.dense_1.weight", _T),
        ),
    }
    return found.get(kind, logits)


def _others(head: Head) -> tuple[Drop, ...]:
    """What heads leave behind that are not asked for; names of tasks are only known from the checkpoint."""
    kind = task(head.name).kind
    reason = f"part of another head, which --head {head.name} leaves out"
    fixed = (named(name) for name in ("lm", "qa", "qa-model", "multiple-choice", "multiple-choice-model"))
    patterns = [name for other in fixed if other.name != head.name for name in sorted(marks(other))]
    patterns += ["model/classification_*/logit/kernel", "model/classification_*/logit/bias"]
    patterns += ["model/regression_*/logit/kernel", "model/regression_*/logit/bias"]
    if kind not in ("classifier", "regression", "multiple-choice"):
        patterns += sorted(SUMMARY)
    return tuple(Drop(pattern, reason) for pattern in patterns)


def known(names: Collection[str]) -> tuple[frozenset[str], tuple[Drop, ...]]:
    """Every variable that some head's graph of this depth has, and the training state beside them."""
    found = {rule.source for rule in Table(_model(untied=True), layers(names)).expanded()} | SUMMARY
    return frozenset(found.union(*map(marks, heads(names)))), _STATE


def unused_by_class(head: Head) -> frozenset[str]:
    """The vector that the second stream begins with: no class reads it where there is no target mapping.

    Graphs have one stream, so it is none of their constants.
    """
    return frozenset({"mask_emb" if task(head.name).kind == "none" else "transformer.mask_emb"})
