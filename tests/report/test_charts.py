"""The curves: every measured value is drawn, what cannot be is said, and names cannot break out of the SVG."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from synthetic_run import BACKENDS, MakeEvents

from parity.events import read_events
from parity.report.charts import FLOOR, PANELS, curves, undrawn
from parity.report.grid import Grid
from parity.report.view import View

pytest.importorskip("vl_convert", reason="extra `report`")


def grid_of(folder: Path) -> Grid:
    return View(read_events(folder)).grids[0]


def svg_of(folder: Path) -> ET.Element:
    svg = curves(grid_of(folder))
    assert svg is not None
    return ET.fromstring(svg)


def texts(svg: ET.Element) -> list[str]:
    return ["".join(node.itertext()) for node in svg.iter("text")]


def test_every_finite_positive_value_is_drawn_once_per_panel(make_events: MakeEvents) -> None:
    folder = make_events(layers=3, nan=["torch:eager"])
    svg = svg_of(folder)
    grid = grid_of(folder)
    values = [cell.metrics.get(panel) for cell in grid.cells.values() for panel in PANELS]
    drawn = sum(value is not None and math.isfinite(value) and value > 0 for value in values)
    lines = len(PANELS) * 2 * len(grid.taps)  # floor and bound
    marks = [g for g in svg.iter("g") if "mark-symbol" in (g.get("class") or "") and "layer" in (g.get("class") or "")]
    assert sum(len(list(g.iter("path"))) for g in marks) == drawn + lines


def test_floor_and_bound_are_named_and_the_bound_is_dashed(make_events: MakeEvents) -> None:
    svg = svg_of(make_events(layers=3))
    assert {FLOOR, "bound"} <= set(texts(svg))
    assert any(path.get("stroke-dasharray") == "6,4" for path in svg.iter("path"))


def test_the_axis_shows_whole_decades_that_hold_every_value(make_events: MakeEvents) -> None:
    folder = make_events(layers=3, backends=["onnxruntime"])
    metrics = [cell.metrics for cell in grid_of(folder).cells.values()]
    lowest = min(values[name] for values in metrics for name in (*PANELS, "floor_rms"))
    highest = max(3 * values["floor_rms"] for values in metrics)
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    labels = [text for text in texts(svg_of(folder)) if re.fullmatch(r"1e-\d+", text)]
    assert labels == [f"1e{power}" for power in decades] * len(PANELS)


def test_colours_come_from_the_page(make_events: MakeEvents) -> None:
    colours = {node.get("stroke") for node in svg_of(make_events(layers=3)).iter("path")} - {None}
    assert "var(--s0)" in colours
    assert not {colour for colour in colours if colour and colour.startswith("#")}


def test_bit_equal_and_non_finite_runtimes_are_said(make_events: MakeEvents) -> None:
    said = undrawn(grid_of(make_events(nan=["torch:eager"])))
    assert said == ["tensorflow equals the source bit for bit everywhere", "torch:eager is not finite at 9 of 16 taps"]


def test_hostile_names_stay_text(make_events: MakeEvents) -> None:
    name = "<script>'\"&\u202e]]>\x00"
    svg = svg_of(make_events(models=[name], layers=2, backends=[*BACKENDS, name]))
    assert not list(svg.iter("script"))
    assert "<script>'\"&⟨U+202E⟩]]>⟨U+0000⟩" in texts(svg)


def test_no_name_refers_outside(make_events: MakeEvents) -> None:
    svg = curves(grid_of(make_events(layers=2))) or ""
    assert not re.search(r"https?://|url\(|xlink|<style|<script|\bon\w+=", svg)


def test_nothing_measured_nothing_drawn(make_events: MakeEvents) -> None:
    folder = make_events(backends=["tensorflow"], missing={"tensorflow": "absent"})
    assert curves(grid_of(folder)) is None
