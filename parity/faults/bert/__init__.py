"""The corpus of a BERT: one table per chapter of the catalogue."""

from __future__ import annotations

from parity.faults.bert import config, export, masks, naming, numerics, reading, silent, tokens, turning

FAULTS = tuple(
    fault
    for chapter in (reading, naming, turning, config, tokens, masks, numerics, export, silent)
    for fault in chapter.FAULTS
)
