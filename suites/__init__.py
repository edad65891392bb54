"""The parity questions. A package, so that `--pyargs parity.suites` finds it where parity is installed."""
