"""report.html and summary.md: offline, well-formed, small, verdict first, and foreign text stays text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import BACKENDS, BATCHES, MakeEvents

from parity.report import write_reports

VOID = {"meta", "br", "wbr", "link", "img", "hr", "input"}
HOSTILE = (
    "<script>alert(1)</script> \"'`&amp; \u202egnp.exe\u202c \u2028 👩\u200d🚀 \x00\x07 ]]> --> {{ 7 * 7 }} "
    + "W" * 900
)


class Page(HTMLParser):
    """A strict reading: tags balance, and what is where can be asked."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"repeated attribute in <{tag}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append((self.open[-1] if self.open else "", data))

    def words(self, *within: str) -> str:
        return " ".join(" ".join(data for tag, data in self.text if not within or tag in within).split())

    def cells(self, kind: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == "td" and kind in (attrs.get("class") or "").split()]


def page_of(folder: Path) -> Page:
    return Page(write_reports(folder).html.read_text(encoding="utf-8"))


RUNS: dict[str, dict[str, Any]] = {
    "sound": {},
    "broken": {"broken": {"torch:sdpa": 4}},
    "crash": {"crashed": {"spacy": "Traceback\nSegmentation fault"}},
    "skipped": {"missing": {"onnxruntime": "onnxruntime is not installed"}},
    "no numbers": {"nan": ["torch:eager"]},
    "nothing planned": {"models": [], "backends": []},
    "all missing": {"backends": ["spacy"], "missing": {"spacy": "absent"}},
    "unfinished": {"finish": False},
    "lost": {"gap": 2},
    "hostile": {"models": [HOSTILE], "backends": [*BACKENDS[:3], HOSTILE], "text": HOSTILE, "token": HOSTILE[:8]}
    | {"crashed": {"torch:eager": HOSTILE}, "missing": {"tensorflow": HOSTILE}},
}


@pytest.mark.parametrize("options", RUNS.values(), ids=list(RUNS))
def test_every_page_is_well_formed_offline_and_without_script(make_events: MakeEvents, options: dict[str, Any]) -> None:
    page = page_of(make_events(**options))
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & {tag for tag, _ in page.tags}
    for tag, attrs in page.tags:
        for key, value in attrs.items():
            assert not key.startswith("on"), f"{key} in <{tag}>"
            assert not re.search(r"(https?:)?//|url\(|javascript:", value or "") or key in ("title", "content"), (
                tag,
                key,
            )
            assert key not in ("href", "src", "xlink:href") or (value or "").startswith("#")
    style = page.words("style")
    assert "url(" not in style
    assert "@import" not in style
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = {
        (attrs[key] or "").lstrip("#") for _, attrs in page.tags for key in ("href", "aria-labelledby") if key in attrs
    }
    assert wanted <= set(ids)
    csp = next(attrs["content"] for tag, attrs in page.tags if tag == "meta" and attrs.get("http-equiv"))
    assert csp is not None
    assert "default-src 'none'" in csp
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption")


def test_hostile_text_is_shown_not_obeyed(make_events: MakeEvents) -> None:
    html = write_reports(make_events(**RUNS["hostile"])).html.read_text(encoding="utf-8")
    assert "<script" not in html
    assert not set("\x00\x07\u202e\u202c\u2028") & set(html)
    assert "⟨U+202E⟩gnp.exe" in html
    assert "👩\u200d🚀" in html
    assert "{{ 7 * 7 }}" in html
    assert "W" * 900 in Page(html).words("h2"), "names are not shortened"
    assert "W" * 400 not in Page(html).words("blockquote"), "texts are"


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize(
    ("name", "heading", "state"),
    [
        ("sound", "Parity holds", "holds"),
        ("broken", "Parity is broken", "broken"),
        ("lost", "Parity is unjudged", "unjudged"),
    ],
)
def test_the_verdict_comes_first(make_events: MakeEvents, name: str, heading: str, state: str) -> None:
    page = page_of(make_events(**RUNS[name]))
    order = [tag for tag, _ in page.tags]
    assert order.index("h1") < order.index("table")
    assert page.words("h1").startswith(heading)
    assert "rubert is a stand-in: weights absent; parity fetch rubert" in page.words("h1", "span", "code")
    assert next(attrs["class"] for tag, attrs in page.tags if tag == "header") == f"verdict {state}"


@pytest.mark.usefixtures("no_curves")
def test_counts_that_do_not_add_up_are_said(make_events: MakeEvents) -> None:
    words = page_of(make_events(gap=2)).words()
    assert "162 comparisons expected ≠ 158 done + 2 skipped + 0 deselected" in words
    assert "2 comparisons missing" in words


@pytest.mark.usefixtures("no_curves")
def test_the_heatmap_has_a_cell_for_every_tap_and_runtime(make_events: MakeEvents) -> None:
    page = page_of(make_events(broken={"torch:sdpa": 4}, missing={"onnxruntime": "onnxruntime is not installed"}))
    sound = [cell for level in range(5) for cell in page.cells(f"l{level}")]
    failed, reported, skipped = (page.cells(kind) for kind in ("fail", "report", "skip"))
    # 8 runtimes x 16 taps; bfloat16 is only reported; onnxruntime has four checks besides, left out like its taps
    assert (len(failed), len(reported), len(skipped)) == (11, 16, 16 + 4 + 2)
    assert len(sound) + len(failed) + len(reported) + len(skipped) - 4 == 8 * 16
    assert all(cell["title"] for cell in [*sound, *failed, *reported, *skipped])
    marked = [data for tag, data in page.text if tag == "td" and data.strip().startswith("✗")]
    assert len(marked) == 11, "failing cells are marked by more than colour"


@pytest.mark.usefixtures("no_curves")
def test_layers_stand_in_graph_order_however_they_were_planned(make_events: MakeEvents) -> None:
    folder = make_events(broken={"torch:sdpa": 9})
    (path,) = folder.glob("events-*")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        if row["event"] == "plan":
            row["taps"].sort(reverse=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = page_of(folder)
    headings = [data for tag, data in page.text if tag == "th"]
    start = headings.index("embeddings")
    assert headings[start : start + 13] == ["embeddings", *(f"layer.{k}" for k in range(12))]
    assert "layer.9" in page.words("td"), "the first failure is the first along the graph"


@pytest.mark.usefixtures("no_curves")
def test_a_planned_tap_without_any_answer_is_shown_as_missing(make_events: MakeEvents) -> None:
    """Not as skipped, although batches of spaCy's were: they are left out of the pool, not the comparison."""
    folder = make_events()
    (path,) = folder.glob("events-*")
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not ('"verdict"' in line and '"layer.5"' in line and '"spacy"' in line)]
    path.write_text("".join(kept))
    page = page_of(folder)
    assert len(page.cells("missing")) == 1
    assert "Parity is unjudged" in page.words("h1")


@pytest.mark.usefixtures("no_curves")
def test_skips_name_reason_remedy_and_are_linked(make_events: MakeEvents) -> None:
    page = page_of(make_events(missing={"onnxruntime": "onnxruntime is not installed"}))
    assert "onnxruntime is not installed" in page.words("td")
    assert "pip install 'parity[onnxruntime]'" in page.words("td")
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert len(links) == 16 + 4 + 2


@pytest.mark.usefixtures("no_curves")
def test_a_crash_shows_its_last_words(make_events: MakeEvents) -> None:
    page = page_of(make_events(crashed={"spacy": "Traceback\n\x1b[31mSegmentation fault\x1b[0m"}))
    assert page.words("pre") == "Traceback Segmentation fault"
    assert "Parity is unjudged" in page.words("h1")


@pytest.mark.usefixtures("no_curves")
def test_the_worst_text_is_cut_and_its_token_marked(make_events: MakeEvents) -> None:
    page = page_of(make_events(text="слово " * 200 + "ёлка" + " слово" * 200))
    assert set(page.words("mark").split()) == {"ёлка"}
    assert len(page.words("blockquote")) < 8 * 200
    assert "one of" not in page.words("dd")


@pytest.mark.usefixtures("no_curves")
def test_a_token_that_can_stand_in_several_places_says_so(make_events: MakeEvents) -> None:
    assert "one of 3 places" in page_of(make_events(text="ёлка, ёлка и ёлка")).words("dd")


@pytest.mark.usefixtures("no_curves")
def test_the_ledger_has_every_stage_and_the_report_itself(make_events: MakeEvents) -> None:
    words = page_of(make_events()).words("th", "small")
    for stage in ("stand-in own", "convert own", "import", "load", "forward", "compare own", "report own"):
        assert stage in words


@pytest.mark.skipif(find_spec("vl_convert") is None, reason="extra `report`")
def test_the_largest_run_stays_under_a_megabyte(make_events: MakeEvents) -> None:
    reports = write_reports(make_events(models=["rubert", "danish-bert", "bert-large"], layers=24, batches=BATCHES))
    assert reports.html.stat().st_size < 1_000_000
    assert [tag for tag, _ in Page(reports.html.read_text(encoding="utf-8")).tags].count("svg") == 3


@pytest.mark.usefixtures("no_curves")
def test_without_the_extra_there_are_tables_and_a_hint(make_events: MakeEvents) -> None:
    page = page_of(make_events())
    assert "svg" not in [tag for tag, _ in page.tags]
    assert "pip install 'parity[report]'" in page.words("code")
    assert len(page.cells("l1")) > 10


@pytest.mark.usefixtures("no_curves")
def test_the_page_follows_the_reader(make_events: MakeEvents) -> None:
    style = page_of(make_events()).words("style")
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


@pytest.mark.usefixtures("no_curves")
def test_the_summary_is_short_and_escaped(make_events: MakeEvents) -> None:
    text = write_reports(make_events(broken={"torch:sdpa": 4})).markdown.read_text(encoding="utf-8")
    assert text.startswith("# ✗ parity is broken")
    assert "| torch:sdpa float32 | 5 | 11 | 0 | 0 | 0 |" in text
    assert len(text.splitlines()) < 25


@pytest.mark.usefixtures("no_curves")
def test_hostile_names_do_not_break_the_summary(make_events: MakeEvents) -> None:
    text = write_reports(make_events(**RUNS["hostile"])).markdown.read_text(encoding="utf-8")
    assert "<script" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {8}
