"""report.html and summary.md: the same view, once for people with a browser and once for a CI log."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from parity.report import charts, text
from parity.report.coverage import coverages
from parity.report.grid import LEVELS
from parity.report.ledger import Ledger
from parity.report.progress import HEADLINES, SIGNS, headline, verdict_line
from parity.report.view import View

NUMBERS = {
    "std": "std",
    "rms": "rms",
    "mean": "mean",
    "max": "max",
    "digits": "digits",
    "ulp_p999": "ulp p99.9",
    "rms_oracle": "rms to oracle",
    "max_oracle": "max to oracle",
    "floor_rms": "floor",
    "own_rms": "own rms",
    "ratio": "times the original",
}


def html(view: View, ledger: Ledger, pictures: dict[str, str | None]) -> str:
    """The page; `pictures` maps models to their curves as `<svg>`, and is empty where none can be drawn."""
    style = (files("parity.report") / "templates" / "report.css").read_text(encoding="utf-8")
    drawn = {model: Markup(svg) for model, svg in pictures.items() if svg}  # noqa: S704  (vl-convert escapes; tested)
    return _render("report.html.j2", view, ledger=ledger, style=Markup(style), pictures=drawn)  # noqa: S704


def markdown(view: View, ledger: Ledger) -> str:
    """A short summary for CI: verdict, counts, one line per runtime, what failed."""
    return _render("summary.md.j2", view, ledger=ledger, verdict=verdict_line(view.events))


def _render(template: str, view: View, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("parity.report", "templates"),
        autoescape=template.endswith(".html.j2"),
        finalize=text.visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plain = (
        text.ratio,
        text.sci,
        text.seconds,
        text.size,
        text.count,
        text.many,
        text.plain,
        text.code,
        text.moment,
        text.exact,
    )
    environment.filters.update({function.__name__: function for function in plain})
    environment.filters.update(md=text.markdown, excerpt=lambda worst: text.excerpt(worst["text"], worst.get("token")))
    environment.filters.update(capitalize_first=lambda said: said[:1].upper() + said[1:])
    environment.globals.update(
        columns=NUMBERS,
        headlines=HEADLINES,
        headline=headline,
        label=charts.label,
        undrawn=charts.undrawn,
        drawable=charts.available(),
        remedy=charts.REMEDY,
        signs=SIGNS,
        levels=LEVELS,
    )
    return environment.get_template(template).render(view=view, coverages=coverages(view.events), **values)
