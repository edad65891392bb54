"""Known conversion faults, injected on purpose, to measure the harness itself."""
