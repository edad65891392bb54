"""BERT as Google released it: google-research/bert, modeling.py and the run_*.py scripts."""

from __future__ import annotations

from parity.families.base import Family
from parity.families.bert.config import infer, layers, misfits, read_config, source_config, target_config, unread_keys
from parity.families.bert.heads import ALL_HEADS, fine_taps, has_labels, heads, labels, recognises, taps
from parity.families.bert.hypotheses import SUSPECTS
from parity.families.bert.reference import stages
from parity.families.bert.table import known, table, unused_by_class
from parity.families.bert.variables import variables

FAMILY = Family(
    name="bert",
    config_names=("bert_config.json", "config.json"),
    vocabulary_names=(("vocab.txt",),),
    tokenizer="wordpiece",
    prefix="bert_model.ckpt",
    recognises=recognises,
    read_config=read_config,
    all_heads=ALL_HEADS,
    heads=heads,
    known=known,
    layers=layers,
    misfits=misfits,
    has_labels=has_labels,
    labels=labels,
    unused_by_class=unused_by_class,
    unread_keys=unread_keys,
    variables=variables,
    table=table,
    taps=taps,
    fine_taps=fine_taps,
    stages=stages,
    target_config=target_config,
    source_config=source_config,
    config_needed=True,
    infer=infer,
    suspects=SUSPECTS,
)
