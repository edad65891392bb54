"""The source's tokenizer rules, written in this house, against the tokenizers that ship with an artifact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from parity.errors import MissingRuntime, ParityError
from parity.inputs.wordpiece import Tokenizer

Ids = list[list[int]]

# In a process of its own: importing transformers takes seconds and may import a framework.
_TRANSFORMERS = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], local_files_only=True)
texts = json.load(sys.stdin)
json.dump([tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts], sys.stdout)
"""


def by_tokenizers(folder: Path, texts: Sequence[str]) -> Ids:
    """Token ids by the library `tokenizers` alone, from tokenizer.json.

    Raises:
        MissingRuntime: the library is not installed.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise MissingRuntime("tokenizers is not installed", remedy='pip install "parity[torch]"') from error
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [list(encoding.ids) for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def by_transformers(folder: Path, texts: Sequence[str]) -> Ids:
    """Token ids by transformers' AutoTokenizer, as a user gets it.

    Raises:
        ParityError: it fails; MissingRuntime: it is not installed.
    """
    from importlib.util import find_spec

    if find_spec("transformers") is None:
        raise MissingRuntime("transformers is not installed", remedy='pip install "parity[torch]"')
    quiet = {"USE_TF": "0", "USE_TORCH": "0", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _TRANSFORMERS, str(folder)],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        env={**os.environ, **quiet},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ParityError(f"AutoTokenizer failed: {last}", where=folder, remedy="convert again")
    ids: Ids = json.loads(done.stdout)
    return ids


def first_difference(tokenizer: Tokenizer, texts: Sequence[str], ids: Ids) -> tuple[int, str]:
    """How many texts get other ids than by the source's rules, and the first of them in words (empty if none)."""
    found = [
        (text, ours, theirs)
        for text, theirs in zip(texts, ids, strict=True)
        if (ours := tokenizer.ids(text)) != list(theirs)
    ]
    if not found:
        return 0, ""
    text, ours, theirs = found[0]
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    names = tokenizer.vocab.tokens

    def shown(row: list[int]) -> str:
        return " ".join(names[i] if 0 <= i < len(names) else f"<{i}>" for i in row[at : at + 5]) or "nothing"

    return len(found), f"{text!r}: piece {at} on, source {shown(ours)!r}, artifact {shown(list(theirs))!r}"
