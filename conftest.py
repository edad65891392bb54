"""Makes the suites' options known to every pytest run in this repository."""

pytest_plugins = ["parity.pytest_plugin"]
