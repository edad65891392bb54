"""R and C-07: files under other names, and configs that do not belong."""

from __future__ import annotations

from pathlib import Path

from parity.faults.values import Fault, Source


def _without_ending(folder: Path) -> None:
    (folder / "xlnet_model.ckpt.data-00000-of-00001").rename(folder / "xlnet_model.ckpt")


def _empty(folder: Path) -> None:
    (folder / "xlnet_config.json").write_text("{}")


FAULTS = (
    Fault(
        id="R-07", variant="data without ending", verdict="refused", place="xlnet_model.ckpt",
        what="the data file lies under the prefix itself, as a Chinese XLNet was published",
        inject=Source(files=_without_ending),
    ),
    Fault(
        id="C-07", variant="empty config", verdict="refused", place="ff_activation",
        what="an empty config: the tensors do not tell the activation", inject=Source(files=_empty),
    ),
    Fault(
        id="C-07", variant="fewer layers", verdict="refused", place="n_layer",
        what="the config says one layer fewer than there are",
        inject=Source(config={"n_layer": lambda layout: layout.config.layers - 1}),
    ),
    Fault(
        id="C-07", variant="tied", verdict="refused", place="untie_r",
        what="the config says that the layers share their biases",
        inject=Source(config={"untie_r": lambda layout: False}),
    ),
)  # fmt: skip
