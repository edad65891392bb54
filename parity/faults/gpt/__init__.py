"""Rows that GPT and GPT-2 have in common: transformers gave both the same names."""
