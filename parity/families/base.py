"""What every architecture tells the rest of the house; one folder per architecture fills this in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parity.families.suspects import Suspects
from parity.families.values import Config, Feeds, Head, Tap, Variable
from parity.ops import Stage
from parity.weights import Drop, Table


@dataclass(frozen=True)
class Family:
    """An architecture. Every member is a pure function; nothing here loads a framework."""

    name: str
    config_names: tuple[str, ...]
    """File names under which the source keeps its config, most specific first."""
    vocabulary_names: tuple[tuple[str, ...], ...]
    """File names of its vocabulary; each entry is a set of files that belong together, the first names the set."""
    tokenizer: str
    """Which rules read text into ids: a key of `parity.inputs.tokenizers.KINDS`."""
    prefix: str
    """What a checkpoint is called that leads back to the source."""
    recognises: Callable[[Collection[str]], bool]
    """Do these variable names belong to this family?"""
    read_config: Callable[..., Config]
    """(raw JSON, *, where: Path, activation: str | None) -> Config; raises ParityError. Reads the target's config.json,
    too: a Hugging Face directory may be the source."""
    all_heads: tuple[Head, ...]
    heads: Callable[[Collection[str]], tuple[Head, ...]]
    """The heads that a checkpoint with these variable names can be converted to; the first is the default."""
    known: Callable[[Collection[str]], tuple[Collection[str], Sequence[Drop]]]
    """(checkpoint's names) -> names of every head's model variables, and what training leaves beside them."""
    layers: Callable[[Collection[str]], int]
    """How many layers these variable names have."""
    misfits: Callable[[Config, Mapping[str, tuple[int, ...]]], Sequence[tuple[str, int, int, str]]]
    """(config, checkpoint's shapes) -> per mismatch: config key, what it says, what the tensors say, which variable."""
    has_labels: Callable[[Head], bool]
    """Is the number of this head's outputs free (a classifier)?"""
    labels: Callable[[Head, Mapping[str, tuple[int, ...]]], int]
    """(head, checkpoint's shapes) -> number of classes; 2 where it is not free."""
    unused_by_class: Callable[[Head], frozenset[str]]
    """Target tensors that the head's class ignores, kept so that nothing of the checkpoint is lost."""
    unread_keys: Callable[[Mapping[str, Any]], Sequence[str]]
    """Config keys that the original code never reads."""
    variables: Callable[..., tuple[Variable, ...]]
    """(config, head: Head, *, labels: int) -> the variables that head's original graph has."""
    table: Callable[[Config, Head], Table]
    taps: Callable[[Config, Head], tuple[Tap, ...]]
    """Stations in the order data flows through them: embeddings first, heads last, fine taps not included."""
    fine_taps: Callable[[Config, Head], tuple[Tap, ...]]
    """Values inside the layers, traced only when asked for by name."""
    stages: Callable[[Config, Head], Sequence[Stage]]
    target_config: Callable[..., dict[str, Any]]
    """(config, head, *, labels: int, special: Mapping[str, int]) -> the Hugging Face config.json."""
    source_config: Callable[[Config], dict[str, Any]]
    """What the original's config file says for these numbers: the way back."""
    feeds: Feeds = field(default_factory=Feeds)
    container: str = "bundle"
    """How the source keeps its tensors: a key of `parity.checkpoints.WRITERS`."""
    cannot: Mapping[str, str] = field(default_factory=dict)
    """Kinds of artifact that cannot hold it, and runtimes (`torch:sdpa`) that cannot run it: declared skips."""
    cannot_with: Callable[[Config, Head], Mapping[str, str]] = lambda config, head: {}
    """The same, of some configs and heads alone."""
    target: str = "transformers"
    """The package that has the classes of its heads."""
    positioned: bool = True
    """Is there a table of positions, which no row may exceed?"""
    config_needed: bool = False
    """Is a config file wanted even though tensors tell something of it?"""
    infer: Callable[[Mapping[str, tuple[int, ...]]], dict[str, Any]] | None = None
    """(checkpoint's shapes) -> what tensors tell of the config, in its own keys; None where a config file has to be."""
    notes: Callable[[Config, Head], tuple[str, ...]] = lambda config, head: ()
    """What a proof says about this conversion besides: where the target's config is spelt otherwise, and why."""
    suspects: Suspects = field(default_factory=Suspects)
    """What the diagnosis tries besides the weights."""
    of_task: Callable[[str], Head | None] = lambda name: None
    """The head of a task by its name, where the source names variables after tasks (`classifier-imdb`)."""

    def refused(self, config: Config, head: Head) -> Mapping[str, str]:
        """Kinds of artifact and runtimes that cannot have this model, and why."""
        return {**self.cannot, **self.cannot_with(config, head)}

    def head(self, name: str) -> Head | None:
        """The head of that name; None if there is none."""
        return next((head for head in self.all_heads if head.name == name), None) or self.of_task(name)

    def head_of_class(self, target_class: object, *, name: str | None = None) -> Head | None:
        """The head that a target's class holds: the one of that name, if it is of this class, or the first that is."""
        said = self.head(name) if name is not None else None
        if said is not None and said.target_class == target_class:
            return said
        return next((head for head in self.all_heads if head.target_class == target_class), None)
