"""Rows that do not depend on an architecture, or only on what its tensors are called."""
