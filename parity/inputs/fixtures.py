"""Where the data that ships with the package lies: `fixtures/` in a checkout, `parity.fixtures` when installed."""

from __future__ import annotations

from pathlib import Path

import parity
from parity.errors import ParityError


def fixtures_root() -> Path:
    """The folder that holds `corpora/` and `models/`.

    Raises:
        ParityError: neither the installed package nor the checkout has it.
    """
    package = Path(parity.__file__).resolve().parent
    places = (package / "fixtures", package.parent / "fixtures")
    for place in places:
        if (place / "corpora").is_dir():
            return place
    raise ParityError(
        "the package's own data is missing",
        where=package,
        expected=" or ".join(str(place) for place in places),
        remedy="install parity again",
    )
