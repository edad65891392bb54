"""A runtime that is there but does not work."""

raise ImportError("libfoo.so.1: cannot open shared object file")
