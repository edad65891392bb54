"""GPT-2 as OpenAI released it: openai/gpt-2, src/model.py."""

from __future__ import annotations

from parity.families.base import Family
from parity.families.gpt2.config import infer, layers, misfits, read_config, source_config, target_config, unread_keys
from parity.families.gpt2.heads import (
    ALL_HEADS,
    FEEDS,
    fine_taps,
    has_labels,
    heads,
    labels,
    recognises,
    taps,
    unused_by_class,
)
from parity.families.gpt2.hypotheses import SUSPECTS
from parity.families.gpt2.reference import stages
from parity.families.gpt2.table import known, table
from parity.families.gpt2.variables import variables

FAMILY = Family(
    name="gpt2",
    config_names=("hparams.json", "config.json"),
    vocabulary_names=(("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")),
    tokenizer="byte-bpe",
    prefix="model.ckpt",
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
    feeds=FEEDS,
    infer=infer,
    suspects=SUSPECTS,
)
