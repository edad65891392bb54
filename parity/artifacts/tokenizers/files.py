"""The three JSON files that every tokenizer of a Hugging Face directory has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_files(
    folder: Path, *, tokenizer: Mapping[str, Any], config: Mapping[str, Any], special: Mapping[str, str]
) -> None:
    """Write tokenizer.json, tokenizer_config.json and special_tokens_map.json."""
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", special)


def write_json(path: Path, value: object) -> None:
    """A file for people, too: indented, every letter as it is."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
