"""Identical token batches for everyone: the source's tokenizer rules, the corpora, batches, INPUTS files."""
