"""XLNet as its authors released it: zihangdai/xlnet, modeling.py, xlnet.py and function_builder.py."""

from __future__ import annotations

from parity.families.base import Family
from parity.families.values import Feeds
from parity.families.xlnet.attention import placed
from parity.families.xlnet.config import read_config
from parity.families.xlnet.fit import infer, misfits, unread_keys
from parity.families.xlnet.heads import (
    ALL_HEADS,
    cannot_with,
    fine_taps,
    has_labels,
    heads,
    labels,
    of_task,
    recognises,
    taps,
)
from parity.families.xlnet.hypotheses import SUSPECTS
from parity.families.xlnet.names import layers
from parity.families.xlnet.reference import stages
from parity.families.xlnet.table import known, table, unused_by_class
from parity.families.xlnet.target import notes, source_config, target_config
from parity.families.xlnet.variables import variables

FAMILY = Family(
    name="xlnet",
    config_names=("xlnet_config.json", "config.json"),
    vocabulary_names=(("spiece.model",),),
    tokenizer="sentencepiece",
    prefix="xlnet_model.ckpt",
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
    feeds=Feeds(
        states=("mems.{k}",),
        empty=lambda config, rows, length: (rows, length, config.hidden_size),
        left=True,
        padding_type=4,
        two_streams=True,
        placed=placed,
    ),
    cannot={"torch:sdpa": "transformers' XLNet computes its relative attention itself: it has no other implementation"},
    cannot_with=cannot_with,
    positioned=False,
    infer=infer,
    notes=notes,
    suspects=SUSPECTS,
    of_task=of_task,
)
