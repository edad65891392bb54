"""What is known of one published model: a frozen, closed schema for `fixtures/models/*.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

Text = Annotated[str, Field(min_length=1)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Licence(_Closed):
    """SPDX identifier, and where that is stated."""

    id: Text
    reason: Text


class Origin(_Closed):
    """Where the weights come from: one archive, or single files under one address."""

    urls: Annotated[tuple[Url, ...], Field(min_length=1)]
    """Mirrors, tried in order: of the archive, or, without one, of the address to which each of `files` is appended."""
    references: tuple[Url, ...] = ()
    archive: FileName | None = None
    """None where the files are published one by one."""
    sha256: Sha256 | None = None
    """Of the archive, only where its publisher or a verified copy tells; else recorded on first fetch."""
    hashes: Mapping[RelativePath, Sha256] = {}
    """SHA-256 of single files, likewise."""
    folder: FileName
    """The folder inside the archive; single files are put into one of this name."""
    prefix: RelativePath
    """The checkpoint's prefix in that folder."""
    files: Annotated[tuple[RelativePath, ...], Field(min_length=1)]
    """What is fetched and must be there afterwards, each by its path in that folder."""
    slots: tuple[FileName, ...] = ()
    """Optimizer slots published beside each variable: the last part of their names."""
    absent: Mapping[str, Text] = {}
    """Variables of the architecture that the publication lacks, each with the reason."""

    @model_validator(mode="after")
    def _files_tell_apart(self) -> Self:
        # Some file systems do not tell names apart by case.
        plain = [file.lower() for file in self.files]
        if len(set(plain)) != len(plain):
            raise ValueError("two files have the same name")
        if nested := [file for file in plain if any(other.startswith(f"{file}/") for other in plain)]:
            raise ValueError(f"{nested[0]} is both a file and a folder")
        return self

    @model_validator(mode="after")
    def _hashes_are_of_what_is_fetched(self) -> Self:
        if self.archive is not None:
            if self.hashes:
                raise ValueError("hashes are of single files; that of the archive is sha256")
            return self
        if self.sha256 is not None:
            raise ValueError("sha256 is of an archive, and there is none; hashes are of single files")
        if unknown := sorted(set(self.hashes) - set(self.files)):
            raise ValueError(f"a hash of {unknown[0]}, which is no file of this model")
        if any("?" in url or "#" in url for url in self.urls):
            raise ValueError("file names are appended to the urls, so these end in no query and no fragment")
        return self


class Casing(_Closed):
    """What the model's own tokenizer does to text before it looks words up."""

    lower_case: bool
    strip_accents: bool
    reason: Text


class Activation(_Closed):
    """Which GELU the weights were trained with; the published configs say `gelu` for both."""

    function: Literal["erf", "tanh"]
    certainty: Literal["known", "assumed"]
    reason: Text


class Vocabulary(_Closed):
    """Lines of the vocabulary file, and the special tokens' ids in it."""

    size: PositiveInt
    special: Annotated[Mapping[Text, NonNegativeInt], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_fit(self) -> Self:
        ids = list(self.special.values())
        if len(set(ids)) != len(ids):
            raise ValueError("two special tokens share an id")
        if max(ids) >= self.size:
            raise ValueError(f"special id {max(ids)} lies outside a vocabulary of {self.size}")
        return self


class Deviation(_Closed):
    """A published figure for how far two runtimes lay apart, for orientation; never a bound."""

    what: Text
    metric: Literal["std", "rms", "max", "mean"]
    low: NonNegativeFloat
    high: NonNegativeFloat
    source: Url

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} above high {self.high}")
        return self


class Spacy(_Closed):
    """Language code and name of the spaCy pipeline made from this model."""

    lang: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]

    @property
    def package(self) -> str:
        """The name by which `spacy.load` finds the installed package."""
        return f"{self.lang}_{self.name}"


class Card(_Closed):
    """One published model. `config` is the source's own file, key by key, with its redundant keys."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    family: Text
    languages: Annotated[tuple[Text, ...], Field(min_length=1)]
    notes: tuple[Text, ...] = ()
    licence: Licence
    source: Origin
    casing: Casing | None = None
    """None where the architecture's tokenizer has one casing."""
    activation: Activation | None = None
    """None where the config says what is computed."""
    vocabulary: Vocabulary
    config: Annotated[Mapping[Text, bool | int | float | str | tuple[bool | int, ...]], Field(min_length=1)]
    deviations: tuple[Deviation, ...] = ()
    spacy: Spacy | None = None
    """None where spaCy cannot hold the architecture."""

    @model_validator(mode="after")
    def _bert_says_more(self) -> Self:
        if self.family == "bert" and None in (self.casing, self.activation, self.spacy):
            raise ValueError("a BERT needs casing, activation and spacy")
        return self

    @property
    def spare_rows(self) -> int:
        """Rows of the embedding table that no line of the published vocabulary names; usually 0."""
        rows = self.config.get("vocab_size", self.vocabulary.size)
        return (rows if isinstance(rows, int) else self.vocabulary.size) - self.vocabulary.size
