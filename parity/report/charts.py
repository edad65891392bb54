"""One SVG per model: how far each runtime is from the source, layer by layer, beside floor and bound.

The chart is a Vega-Lite specification, rendered by vl-convert (extra `report`). Colours are the page's own CSS
variables, so that the picture follows light and dark; no series is told apart by colour alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from parity.events import Row
from parity.report.grid import Column, Grid
from parity.report.text import number, visible

PANELS = {
    "std": "std of candidate − source",
    "rms_oracle": "rms of candidate − oracle (what is judged)",
}
"""Metric -> title, one panel each."""

FLOOR, BOUND = "floor: float32 rounding", "bound"
REMEDY = "pip install 'parity[report]'"

_COLOURS = [f"var(--s{index})" for index in range(8)]
_SHAPES = ["circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left"]
_BAR = "M-1.2,-0.15H1.2V0.15H-1.2Z"

_TEXT = {"labelColor": "var(--soft)", "titleColor": "var(--ink)", "labelFontSize": 11}
CONFIG = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "title": {"color": "var(--ink)", "fontSize": 12, "fontWeight": 600, "anchor": "start", "offset": 12},
    "axis": {**_TEXT, "gridColor": "var(--line)", "domainColor": "var(--line)", "tickColor": "var(--line)"},
    "axisX": {"labelAngle": -45, "grid": False, "labelExpr": "replace(datum.label, 'layer.', '')"},
    "legend": {**_TEXT, "title": None, "orient": "bottom", "columns": 5, "labelLimit": 240, "columnPadding": 24},
    "line": {"opacity": 0.8},
    "point": {"filled": True, "size": 36, "opacity": 1},
}

Spec = dict[str, Any]


class Series(NamedTuple):
    """What tells the lines apart, floor and bound among them; one entry per line."""

    names: list[str]
    colours: list[str]
    dashes: list[list[int]]
    shapes: list[str]

    @classmethod
    def of(cls, runtimes: Sequence[str]) -> Series:
        """Runtimes by colour and shape; the floor broad and pale under the sound ones; the bound dashed."""
        places = range(len(runtimes))
        return cls(
            [*runtimes, FLOOR, BOUND],
            [*(_COLOURS[i % len(_COLOURS)] for i in places), "var(--hatch)", "var(--bad)"],
            [*([1, 0] for _ in places), [1, 0], [6, 4]],
            [*(_SHAPES[i % len(_SHAPES)] for i in places), _BAR, _BAR],
        )

    def scaled(self, looks: Sequence[object]) -> Spec:
        """An encoding channel that gives every line its look."""
        scale = {"type": "ordinal", "domain": self.names, "range": list(looks)}
        return {"field": "series", "type": "nominal", "scale": scale}


def available() -> bool:
    """Whether curves can be drawn here; nothing is imported to find out."""
    return find_spec("vl_convert") is not None


def curves(grid: Grid) -> str | None:
    """The curves of one model as an `<svg>` element; None where no deviation above zero was measured.

    Raises:
        ImportError: vl-convert is not installed.
    """
    import vl_convert  # 1.3 s for the first picture of a process, so nothing else pays for it

    rows = list(_rows(grid))
    if not rows:
        return None
    svg: str = vl_convert.vegalite_to_svg(_spec(grid, rows))
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg, count=2)  # inline in HTML, SVG needs no namespace


def undrawn(grid: Grid) -> list[str]:
    """What a logarithmic axis cannot show: runtimes equal to the source bit for bit, and values that are no numbers."""
    found = []
    for column in grid.columns:
        values = [value for cell in grid.column(column) if (value := number(cell.metrics.get("std"))) is not None]
        zeros, wild = sum(value == 0 for value in values), sum(not math.isfinite(value) for value in values)
        if zeros:
            where = "everywhere" if zeros == len(values) else f"at {zeros} of {len(values)} taps"
            found.append(f"{label(grid, column)} equals the source bit for bit {where}")
        if wild:
            found.append(f"{label(grid, column)} is not finite at {wild} of {len(values)} taps")
    return found


def label(grid: Grid, column: Column) -> str:
    """A runtime's name within one model: with the precision where it is not the model's first."""
    return column.backend if column.precision == grid.precisions[0] else f"{column.backend} {column.precision}"


def _rows(grid: Grid) -> Iterator[Row]:
    """Long format. `part` keeps lines to the chain of layers; heads stand alone, being other quantities."""
    for tap in grid.taps:
        cells = [grid.cells[column, tap] for column in grid.columns]
        part = "layers" if tap == "embeddings" or tap.startswith("layer.") else tap
        floors = (value for cell in cells if (value := _drawable(cell.metrics.get("floor_rms"))))
        limits = (value for cell in cells if (value := _drawable(cell.metrics.get("noise_ratio_limit"))))
        floor, limit = next(floors, None), max(limits, default=None)
        for panel in PANELS:
            place = {"tap": str(visible(tap)), "part": str(visible(part)), "panel": panel}
            if floor:
                yield {**place, "series": FLOOR, "value": floor}
            if floor and limit:
                yield {**place, "series": BOUND, "value": floor * limit}
            for column, cell in zip(grid.columns, cells, strict=True):
                if value := _drawable(cell.metrics.get(panel)):
                    yield {**place, "series": str(visible(label(grid, column))), "value": value}


def _drawable(value: object) -> float | None:
    known = number(value)
    return known if known is not None and math.isfinite(known) and known > 0 else None


def _spec(grid: Grid, rows: Sequence[Row]) -> Spec:
    drawn = {row["series"] for row in rows}
    series = Series.of([name for column in grid.columns if (name := str(visible(label(grid, column)))) in drawn])
    powers = [math.log10(row["value"]) for row in rows]
    decades = [10.0**power for power in range(math.floor(min(powers)), math.ceil(max(powers)) + 1)]
    y = _axis(
        "value", "quantitative", {"type": "log", "domain": [decades[0], decades[-1]]}, values=decades, format="~e"
    )
    x = _axis("tap", "ordinal", {"domain": [str(visible(tap)) for tap in grid.taps]})
    return {
        "background": None,
        "data": {"values": rows},
        "hconcat": [_panel(panel, title, x, y, series) for panel, title in PANELS.items()],
        "spacing": 30,
        "config": CONFIG,
    }


def _axis(field: str, kind: str, scale: Spec, **axis: Any) -> Spec:
    return {"field": field, "type": kind, "scale": scale, "axis": {"title": None, **axis}}


def _panel(panel: str, title: str, x: Spec, y: Spec, series: Series) -> Spec:
    is_floor = {"field": "series", "equal": FLOOR}
    return {
        "title": title,
        "width": 440,
        "height": 280,
        "transform": [{"filter": {"field": "panel", "equal": panel}}],
        "encoding": {
            "x": x,
            "y": y,
            "color": series.scaled(series.colours),
            "detail": {"field": "part"},
        },
        "layer": [
            {"transform": [{"filter": is_floor}], "mark": {"type": "line", "strokeWidth": 8, "aria": False}},
            {
                "transform": [{"filter": {"not": is_floor}}],
                "mark": {"type": "line", "strokeWidth": 1.4, "aria": False},
                "encoding": {"strokeDash": series.scaled(series.dashes)},
            },
            {"mark": {"type": "point", "aria": False}, "encoding": {"shape": series.scaled(series.shapes)}},
        ],
    }
