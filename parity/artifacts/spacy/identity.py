"""What a spaCy package is called, and what it says about itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from parity.errors import Problems

REQUIREMENTS = (
    "spacy>=3.8,<3.9",
    "spacy-transformers>=1.4,<1.5",
    # Above spacy-transformers' own lower bounds: weights that load without a pickle being run, and one set of buffers.
    "torch>=2.6",
    "transformers>=4.48",
)
PYTHON = ">=3.10"
META = ("description", "author", "email", "url", "license")

_NUMBER = r"(0|[1-9][0-9]*)"
_VERSION = re.compile(rf"{_NUMBER}(\.{_NUMBER})*((a|b|rc){_NUMBER})?(\.post{_NUMBER})?(\.dev{_NUMBER})?")


@dataclass(frozen=True)
class Identity:
    """Name, language and version of a package, and the free text of its metadata."""

    name: str
    """As given; `slug` is what of it may stand in a package's name."""
    lang: str
    version: str
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name in small letters, digits and single underscores."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")

    @property
    def package(self) -> str:
        """Name to import and to give to `spacy.load`: `da_danish_bert`."""
        return self.slug if self.slug.startswith(f"{self.lang}_") else f"{self.lang}_{self.slug}"

    @property
    def release(self) -> str:
        """Name and version: `da_danish_bert-1.0.0`, also the folder of the pipeline inside the package."""
        return f"{self.package}-{self.version}"

    def line(self, key: str) -> str:
        """One entry of the metadata on one line; empty where it is not given."""
        return " ".join(self.meta.get(key, "").split())

    @property
    def summary(self) -> str:
        """One line of description."""
        return self.line("description") or f"{self.name} for spaCy: vectors and similarity from the last hidden state"

    def check(self) -> None:
        """Refuse what cannot be a package.

        Raises:
            ParityError: the name has no letter or digit, or language, version or a key of the metadata is not valid.
        """
        problems = Problems("this cannot be a spaCy package")
        if not self.slug:
            problems.add("the name has no Latin letter or digit", got=repr(self.name), remedy="give another name")
        if not re.fullmatch(r"[a-z]{2,3}", self.lang):
            problems.add("not a language code", got=repr(self.lang), expected="two or three letters: da, ru, xx")
        if not _VERSION.fullmatch(self.version):
            problems.add("not a version", got=repr(self.version), expected="numbers and dots: 1.0.0")
        for key in sorted(set(self.meta) - set(META)):
            problems.add(f"unknown metadata {key!r}", expected=f"of {', '.join(META)}")
        problems.raise_if_any()
