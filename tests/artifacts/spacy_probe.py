"""Runs where the package is installed and parity is not: uses the pipeline as a user would, and prints what it saw.

python -I spacy_probe.py SITE PACKAGE PIPELINE SCRATCH OTHER_SITE OTHER_PACKAGE
"""

from __future__ import annotations

import json
import pickle
import sys
import warnings

SITE, PACKAGE, PIPELINE, SCRATCH, OTHER_SITE, OTHER_PACKAGE = sys.argv[1:]
sys.path[:0] = [SITE, OTHER_SITE]
sys.modules["parity"] = None  # importing it fails
TEXTS = ["the river bank, walking", "", "the money bank\n\n  of sål!", "sal sål (мир) 中文 ."]
LONG = "the river bank. (money)\n" * 60


def main() -> dict[str, object]:
    import numpy as np
    import spacy

    seen: dict[str, object] = {}
    # Nothing has imported the package yet: only its entry points tell spaCy about its functions.
    seen["bare"] = spacy.load(PIPELINE).pipe_names
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlp = spacy.load(PACKAGE)
        docs = [nlp(text) for text in TEXTS]
        empty = docs[1]
        seen["similar"] = [
            docs[0].similarity(docs[2]),
            docs[0][2].similarity(docs[2][2]),
            docs[0][1:3].similarity(docs[2]),
            docs[0].similarity(docs[0]),
            empty.similarity(docs[0]),
            docs[0].similarity(empty),
        ]
        seen["empty"] = [list(empty.vector.shape), float(abs(empty.vector).max()), empty.vector_norm, empty.has_vector]
        blank = nlp(" \n ")
        seen["blank"] = [len(blank), float(abs(blank.vector).max()), blank.similarity(docs[0]), blank.has_vector]
    seen["warnings"] = sorted({str(w.message) for w in caught if "spacy" in w.filename or "spacy" in str(w.message)})
    seen["file"] = sys.modules[PACKAGE].__file__
    seen["parity"] = sorted(name for name in sys.modules if name.startswith("parity") and sys.modules[name])
    # Vectors against the raw output, computed another way.
    gaps = []
    for doc in [*docs, nlp(LONG)]:
        for token in doc:
            data = doc._.trf_data
            rows = data.model_output.last_hidden_state.reshape(-1, data.model_output.last_hidden_state.shape[-1])
            start = int(data.align.lengths[: token.i].sum())
            mine = rows[data.align.dataXd[start : start + data.align.lengths[token.i]].ravel()]
            mean = mine.astype(np.float64).mean(axis=0) if len(mine) else np.zeros(rows.shape[1])
            gaps.append(float(abs(token.vector - mean).max()))
        if len(doc):
            mean = np.mean([token.vector for token in doc], axis=0, dtype=np.float64)
            gaps.append(float(abs(doc.vector - mean).max()))
    seen["gap"] = max(gaps)
    seen["long"] = _long(nlp)
    tokenizer = nlp.get_pipe("transformer").model.tokenizer
    seen["ids"] = {word: tokenizer.tokenize(word) for word in ("sål", "sal", "Bank")}
    seen["lengths"] = [len(tokenizer.tokenize("e" * 200)), tokenizer.tokenize("e" * 201)]
    seen["types"] = sorted({str(t.dtype) for t in nlp.get_pipe("transformer").model.transformer.state_dict().values()})
    # Documents, pipelines and worker processes.
    copy = pickle.loads(pickle.dumps(docs[0]))
    seen["doc pickled"] = [copy.similarity(docs[2]), bool((copy.vector == docs[0].vector).all())]
    again = pickle.loads(pickle.dumps(nlp))
    seen["nlp pickled"] = again(TEXTS[0]).similarity(docs[2])
    several = [*TEXTS, LONG]  # long enough for several threads, which a forked worker does not have
    alone = list(nlp.pipe(several))
    apart = list(nlp.pipe(several, n_process=2, batch_size=2))
    seen["processes"] = [float(abs(one.vector - other.vector).max()) for one, other in zip(alone, apart, strict=True)]
    attach = sys.modules[PACKAGE].attach
    seen["attached"] = attach(apart[0]).similarity(attach(apart[2]))
    nlp.to_disk(f"{SCRATCH}/saved")
    seen["saved"] = spacy.load(f"{SCRATCH}/saved")(TEXTS[0]).similarity(docs[2])
    seen["other"] = spacy.load(OTHER_PACKAGE)(TEXTS[0]).similarity(docs[0])
    seen["trained"] = _train(nlp)
    return seen


def _long(nlp) -> dict[str, object]:
    doc = nlp(LONG)
    data = doc._.trf_data
    pieces = [piece for window in data.wordpieces.strings for piece in window]
    wrong = []
    for token in doc:
        start = int(data.align.lengths[: token.i].sum())
        mine = [pieces[i] for i in data.align.dataXd[start : start + data.align.lengths[token.i]].ravel()]
        text = "".join(mine).replace("##", "")
        times = len(text) // max(len(token.text), 1)  # twice where windows overlap
        if text != token.text.strip() * times or (token.text.strip() and times not in (1, 2)):
            wrong.append([token.i, token.text, mine])
    return {
        "tokens": len(doc),
        "windows": [sum(p != "[PAD]" for p in window) for window in data.wordpieces.strings],
        "without": [token.text for token in doc if not token.has_vector and not token.is_space],
        "wrong": wrong,
    }


def _train(nlp) -> dict[str, object]:
    """One step of a text classifier on top of the sourced transformer."""
    import numpy as np
    import spacy
    from spacy.training import Example

    student = spacy.blank(nlp.lang)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # W113: the empty vector tables have different widths
        student.add_pipe("transformer", source=nlp)
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    ensemble = {
        "@architectures": "spacy.TextCatReduce.v1",
        "exclusive_classes": True,
        "use_reduce_first": False,
        "use_reduce_last": False,
        "use_reduce_max": False,
        "use_reduce_mean": True,
        "tok2vec": listener,
    }
    student.add_pipe("textcat", config={"model": ensemble})
    made = [
        (student.make_doc(TEXTS[0]), {"cats": {"a": 1, "b": 0}}),
        (student.make_doc(LONG), {"cats": {"a": 0, "b": 1}}),
    ]
    examples = [Example.from_dict(doc, cats) for doc, cats in made]
    student.initialize(lambda: examples)
    weight = student.get_pipe("transformer").model.transformer.encoder.layer[0].output.dense.weight
    before = weight.detach().numpy().copy()
    sgd = student.resume_training()
    student.update(examples, sgd=sgd)  # the classifier starts at zero and passes no gradient on
    losses = student.update(examples, sgd=sgd)
    return {
        "moved": float(np.abs(weight.detach().numpy() - before).max()),
        "losses": {key: float(value) for key, value in losses.items()},
    }


if __name__ == "__main__":
    sys.stdout.write("PROBE " + json.dumps(main()) + "\n")
