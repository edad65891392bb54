"""Generated batches of a model without mask and special tokens: GPT-2 over the golden's vocabulary."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_gpt2 import GOLDEN

from parity.inputs import strategies
from parity.inputs.batch import Batch
from parity.inputs.byte_bpe import read

RULES = read(GOLDEN / "encoder.json", size=355)
KINDS = strategies.batches(RULES, vocab_size=355, positions=40, token_types=0, masked=False)


@settings(max_examples=300, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of([strategy for _, strategy in KINDS]))
def test_every_row_has_a_token_and_padding_only_on_the_right(batch: Batch) -> None:
    mask = batch.arrays["attention_mask"]
    assert mask.shape[1] >= 1
    assert (mask[:, 0] == 1).all()
    assert (np.diff(mask, axis=1) <= 0).all()
    assert "token_type_ids" not in batch.arrays
    if batch.texts is not None:
        for text, ids, real in zip(batch.texts, batch.arrays["input_ids"], mask.astype(bool), strict=True):
            assert RULES.ids(text) == ids[real].tolist()
