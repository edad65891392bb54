"""Transformer-XL as its authors released it: kimiyoung/transformer-xl, the TensorFlow code and its checkpoints."""

from __future__ import annotations

from parity.families.base import Family
from parity.families.transfo_xl.config import read_config, unread_keys
from parity.families.transfo_xl.heads import (
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
from parity.families.transfo_xl.hypotheses import SUSPECTS
from parity.families.transfo_xl.reference import stages
from parity.families.transfo_xl.table import known, table
from parity.families.transfo_xl.tensors import infer, layers, misfits
from parity.families.transfo_xl.variables import variables
from parity.families.transfo_xl.written import notes, source_config, target_config

FAMILY = Family(
    name="transfo-xl",
    config_names=("model_flags.json", "config.json"),
    vocabulary_names=(("cache.pkl",), ("vocab.pkl",), ("vocab.txt",)),
    tokenizer="words",
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
    cannot={
        "spacy": "spacy-transformers loads classes of transformers, and Transformer-XL is none any more",
        "torch:sdpa": "relative attention is computed step by step: there is no other implementation",
    },
    target="parity.torch",
    positioned=False,
    infer=infer,
    notes=notes,
    suspects=SUSPECTS,
)
