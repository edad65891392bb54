"""The README that a package carries."""

from __future__ import annotations

from parity.artifacts.spacy.identity import REQUIREMENTS, Identity
from parity.artifacts.spacy.pipeline import Written

_TEXT = """# {package}

{summary}

```python
import spacy

nlp = spacy.load("{package}")
one, other = nlp("..."), nlp("...")
one.similarity(other)      # cosine of the two documents
one[0].vector              # float32, mean over the word pieces of the first token
one[0:2].similarity(other[0])
```

A document's and a span's vector is the mean over their tokens; a token without word pieces (white space) has zeros, and
so has an empty document. `doc._.trf_data` holds the transformer's whole output, and components with a
`TransformerListener` can be trained on top: the pipeline's component is called `transformer`.

A document of up to {window} word pieces is read at once. A longer one is read in windows of as many, each sharing up to
{overlap} pieces with the one before; where they overlap a token's vector is the mean over its pieces in both. A single
token longer than a window is represented by its first pieces.

spaCy does not carry similarity hooks through `to_bytes` and `nlp.pipe(n_process=2)`; vectors it does. Afterwards
`{package}.attach(doc)` makes `similarity` contextual again.

The weights are those of `{package}-{version}/conversion.json`, bit for bit; what the pipeline leaves out stands there
under `left_out`. Needs {requirements}.
"""


def readme_text(identity: Identity, written: Written) -> str:
    """Markdown; the same input gives the same text."""
    return _TEXT.format(
        package=identity.package,
        version=identity.version,
        summary=identity.summary,
        window=written.window,
        overlap=written.overlap,
        requirements=", ".join(REQUIREMENTS),
    )
