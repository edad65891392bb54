from __future__ import annotations

import subprocess
import sys

import pytest

import parity


def test_importing_the_package_loads_nothing_else() -> None:
    probe = "import parity, sys; print(sorted(name for name in sys.modules if name.startswith(('parity.', 'numpy'))))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["compare", "convert", "run", "trace"])
def test_the_four_functions_are_there_whatever_was_imported_before(name: str) -> None:
    import parity.runs.tracing
    import parity.traces

    assert callable(getattr(parity, name))
    assert name in parity.__all__


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'convrt'"):
        _ = parity.convrt
