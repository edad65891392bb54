"""The first GPT as OpenAI released it: openai/finetune-transformer-lm, train.py."""

from __future__ import annotations

from parity.families.base import Family
from parity.families.openai_gpt.config import (
    infer,
    layers,
    misfits,
    notes,
    read_config,
    unread_keys,
)
from parity.families.openai_gpt.heads import (
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
from parity.families.openai_gpt.hypotheses import SUSPECTS
from parity.families.openai_gpt.reference import stages
from parity.families.openai_gpt.table import known, table
from parity.families.openai_gpt.target import source_config, target_config
from parity.families.openai_gpt.variables import variables

FAMILY = Family(
    name="openai-gpt",
    config_names=("config.json", "model_flags.json"),
    vocabulary_names=(("encoder_bpe_40000.json", "vocab_40000.bpe"), ("vocab.json", "merges.txt")),
    tokenizer="bpe",
    prefix="params_shapes.json",
    container="openai-params",
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
    notes=notes,
    suspects=SUSPECTS,
    cannot={"torch:sdpa": "transformers' OpenAIGPT classes compute attention eagerly only"},
)
