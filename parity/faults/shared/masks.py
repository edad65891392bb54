"""M: what does not depend on an architecture."""

from __future__ import annotations

from dataclasses import replace

from parity.faults.edits import turned
from parity.faults.values import Artifact, Fault, Layout, Runtime, Trace
from parity.traces import TraceBatch


def shifted(by: int) -> Trace:
    """Every hidden state holds the one `by` places after it."""

    def edit(batches: list[TraceBatch], layout: Layout) -> list[TraceBatch]:
        names = ["embeddings", *(f"layer.{k}" for k in range(layout.config.layers))]
        found = []
        for batch in batches:
            taps = dict(batch.taps)
            for place, name in enumerate(names):
                taps[name] = batch.taps[names[min(max(place + by, 0), len(names) - 1)]]
            found.append(replace(batch, taps=taps))
        return found

    return Trace(edit)


LATE = Fault(
    id="M-13", variant="one late", place="embeddings", causes=("list-shifted",),
    what="the list of hidden states begins with the first layer", inject=shifted(1),
)  # fmt: skip
EARLY = Fault(
    id="M-13", variant="one early", place="layer.0", causes=("list-shifted", "skipped"),
    what="every layer hands on what the one before computed", inject=shifted(-1),
)  # fmt: skip


def positions(table: str) -> tuple[Fault, ...]:
    """A table of positions that is read from another row on."""
    return tuple(
        Fault(
            id="M-12", variant=f"+{shift}", place="embeddings", causes=("positions-shifted",),
            what=f"the position table is read from row {shift} on",
            inject=Artifact(turned(table, shift), scales=False),
        )
        for shift in (1, 2)
    )  # fmt: skip


CONTROLS = (
    Fault(
        id="M-07", variant="infinite fill", verdict="equivalent",
        what="hidden scores are filled with minus infinity (no row is hidden entirely)",
        inject=Runtime("hidden-infinite"),
    ),
    Fault(
        id="M-08", variant="fill -10000", verdict="equivalent",
        what="hidden scores are filled with -10000", inject=Runtime("hidden-1e4"),
    ),
)  # fmt: skip
