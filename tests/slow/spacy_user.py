"""What somebody does who was given a spaCy package and has never heard of parity; prints what came of it.

python spacy_user.py PACKAGE PYTORCH_FOLDER < {"words": [...], "texts": [...], "long": "..."}
"""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import spacy
import torch
import transformers


def main(package: str, folder: str) -> dict[str, Any]:
    asked = json.load(sys.stdin)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlp = spacy.load(package)
        first, second = (nlp(text) for text in asked["texts"])
        empty, long = nlp(""), nlp(asked["long"])
        similar = [first.similarity(second), first.similarity(first), first[0].similarity(second[0])]
        similar += [first.similarity(empty), nlp(asked["texts"][0]).similarity(first)]
    windows = [sum(piece != "[PAD]" for piece in window) for window in long._.trf_data.wordpieces.strings]
    return {
        "parity": importlib.util.find_spec("parity") is not None,
        "offered": [entry.name for entry in entry_points(group="spacy_models")],
        "pipeline": [nlp.lang, nlp.meta["name"], nlp.pipe_names],
        "similar": similar,
        "vectors": [list(first.vector.shape), list(first[0].vector.shape), float(abs(first[0].vector).max())],
        "mean": float(abs(first.vector - np.mean([token.vector for token in first], axis=0)).max()),
        "empty": [list(empty.vector.shape), float(abs(empty.vector).max())],
        "windows": windows,
        "bare": [token.text for token in long if not token.is_space and not token.has_vector],
        "gaps": gaps(nlp, folder, asked["words"]),
        "warnings": sorted({str(one.message) for one in caught if "spacy" in str(one.filename)}),
        "versions": {module.__name__: module.__version__ for module in (spacy, torch, transformers)},
    }


def gaps(nlp: Any, folder: str, words: list[str]) -> list[float]:
    """Per word: its vector in spaCy against the mean of its pieces in the Hugging Face model that was converted too."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    found = []
    for word in words:
        with torch.inference_mode():
            fed = tokenizer(word, return_tensors="pt", return_special_tokens_mask=True)
            around = fed.pop("special_tokens_mask")[0].bool()
            hidden = model(**fed).last_hidden_state[0, ~around]
        found.append(float(abs(nlp(word)[0].vector - hidden.mean(0).numpy()).max()))
    return found


if __name__ == "__main__":
    sys.stdout.write("SEEN " + json.dumps(main(*sys.argv[1:])) + "\n")
