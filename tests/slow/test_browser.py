"""report.html in a real browser: verdict first, legible on a desk and on a telephone, offline, without a complaint."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from synthetic_run import BACKENDS, write_run

from parity.report import write_reports
from slow.chromium import Chromium
from slow.environments import ROOT, environ, run
from slow.png import read_png

WIDTHS = {"desk": 1280, "telephone": 390}
MAX_BYTES = 1_000_000
LAYERS = 12
BAD = """<!doctype html><title>bad</title><body style="margin: 0"><img src="http://127.0.0.1:9/tracker.png">
<div style="width: 3000px">wide</div><script>console.error("a complaint"); no_such_function()</script>"""


@dataclass(frozen=True)
class Expected:
    """What a report must show."""

    html: Path
    state: str
    headline: str
    columns: int
    rows: int
    fails: bool


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path_factory.mktemp("browser") / "profile")
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Expected]:
    """A real run that holds, and a synthetic one with everything in it that can go wrong."""
    root = tmp_path_factory.mktemp("reports")
    suites = [sys.executable, "-m", "pytest", ROOT / "suites", "-p", "no:cacheprovider", "-q"]
    asked = ["--model=rubert", "--scale=tiny", "--backend=torch:eager", f"--report={root / 'real'}"]
    run([*suites, *asked], cwd=ROOT, env=environ(PYTHONPATH=str(ROOT)))
    broken = write_run(
        root / "broken",
        models=("rubert", "danish-bert"),
        layers=LAYERS,
        broken={"openvino:f32": 5},
        crashed={"spacy": "Segmentation fault (core dumped)"},
        missing={"tensorflow": "tensorflow is not installed"},
        nan=("onnxruntime",),
    )
    html = write_reports(broken).html
    stations = LAYERS + 4
    return {
        "real": Expected(root / "real" / "report.html", "holds", "parity holds", 1, 2 + 4, fails=False),
        "broken": Expected(html, "broken", "parity is broken", len(BACKENDS), stations, fails=True),
    }


def test_what_is_wrong_with_a_page_is_noticed(browser: Chromium, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(BAD, encoding="utf-8")
    browser.open(page, width=WIDTHS["desk"])
    said = "\n".join(browser.complaints())
    assert "a complaint" in said
    assert "Uncaught" in said
    assert "ERR_" in said
    assert browser.requests() == ["http://127.0.0.1:9/tracker.png"]
    assert overflow(browser) > 0
    page.write_text("<!doctype html><title>blank</title><body>", encoding="utf-8")
    browser.open(page, width=WIDTHS["desk"])
    assert ink(read_png(browser.picture())) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("name", ["real", "broken"])
def test_it_opens_without_complaint_request_or_overflow(
    browser: Chromium, reports: dict[str, Expected], name: str, width: str, scheme: str
) -> None:
    browser.open(reports[name].html, width=WIDTHS[width], scheme=scheme)
    assert browser.complaints() == []
    assert browser.requests() == []
    assert overflow(browser) == 0


@pytest.mark.parametrize("name", ["real", "broken"])
def test_it_is_one_small_file_that_may_load_nothing(browser: Chromium, reports: dict[str, Expected], name: str) -> None:
    browser.open(reports[name].html, width=WIDTHS["desk"])
    policy = browser.ask("document.querySelector('meta[http-equiv=Content-Security-Policy]').content")
    assert policy.startswith("default-src 'none'")
    assert browser.ask("document.scripts.length") == 0
    assert browser.ask("[...document.querySelectorAll('[src], link[href]')].map(one => one.src || one.href)") == []
    assert reports[name].html.stat().st_size < MAX_BYTES


@pytest.mark.parametrize("name", ["real", "broken"])
def test_the_verdict_stands_first_and_the_tables_are_full(
    browser: Chromium, reports: dict[str, Expected], name: str
) -> None:
    expected = reports[name]
    browser.open(expected.html, width=WIDTHS["desk"])
    header = "document.body.firstElementChild"
    assert browser.ask(f"[{header}.tagName, {header}.className]") == ["HEADER", f"verdict {expected.state}"]
    assert browser.ask("document.querySelector('h1').innerText").lower().startswith(expected.headline)
    assert browser.ask(f"{header}.getBoundingClientRect().bottom") < 900, "the verdict is not on the first screen"
    assert browser.ask("document.querySelectorAll('.heat thead tr:first-child th').length") % expected.columns == 0
    cells = "document.querySelector('.heat tbody:last-of-type').rows"
    assert browser.ask(f"{cells}.length") == expected.rows
    assert browser.ask(f"{cells}[0].cells.length") == 1 + expected.columns
    assert (browser.ask("document.querySelectorAll('.heat td.fail').length") > 0) is expected.fails
    # Every link leads somewhere in this page, and every table has rows.
    dangling = "[...document.links].filter(a => !document.querySelector(a.getAttribute('href'))).length"
    assert browser.ask(dangling) == 0
    assert browser.ask("[...document.querySelectorAll('table')].filter(one => one.rows.length < 2).length") == 0
    assert browser.ask("document.querySelectorAll('svg').length") > 0, 'no curves: pip install "parity[report]"'


@pytest.mark.parametrize("name", ["real", "broken"])
def test_the_picture_shows_it(browser: Chromium, reports: dict[str, Expected], name: str) -> None:
    expected = reports[name]
    browser.open(expected.html, width=WIDTHS["desk"])
    pixels = read_png(browser.picture(scale=0.5))
    assert pixels.shape[1] == WIDTHS["desk"] // 2
    assert 0.03 < ink(pixels) < 0.9
    red = colour(browser, "--fail")
    share = float((np.abs(pixels.astype(int) - red).max(axis=2) < 6).mean())
    assert (share > 0.003) if expected.fails else (share < 0.001)


def overflow(browser: Chromium) -> int:
    """Pixels that the page is wider than its window."""
    found: int = browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


def ink(pixels: np.ndarray) -> float:
    """Share of the picture that is not of its most frequent colour."""
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return 1 - float(np.unique(codes, return_counts=True)[1].max() / codes.size)


def colour(browser: Chromium, name: str) -> np.ndarray:
    """A colour of the style sheet, as red, green and blue."""
    text: str = browser.ask(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()")
    return np.array([int(text[at : at + 2], 16) for at in (1, 3, 5)])
