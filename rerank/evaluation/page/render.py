"""The page: the content and plots put into the template, every text escaped, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rerank.evaluation.intervals import Interval
from rerank.evaluation.metrics import METRICS
from rerank.evaluation.readings import READINGS
from vitrine import __version__

from .content import Content
from .plots import plots
from .thumbnails import ProductCard


def render_page(
    content: Content,
    created: datetime,
    cards: Mapping[str, ProductCard] | None = None,
    query_images: Mapping[str, str] | None = None,
    subject: str = "",
) -> str:
    """Return the report as one HTML document.

    `cards` are the products by id, `query_images` data URIs by query. Whatever a catalogue or a query says is text: it is
    escaped, and the page forbids scripts and requests.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"value": _value, "signed": _signed, "interval": _interval, "percent": _percent}
    template = environment.get_template("report.html.j2")
    return template.render(
        content=content,
        report=content.report,
        plots={name: Markup(svg) for name, svg in plots(content).items()},  # drawn here
        verdicts=[_verdict(content, number) for number in range(len(content.comparisons))],
        readings=READINGS,
        descriptions={name: measure.description for name, measure in METRICS.items()},
        cards=cards or {},
        no_card=ProductCard(),
        query_images=query_images or {},
        subject=subject,
        created=created.strftime("%Y-%m-%d %H:%M"),
        version=__version__,
    )


def _verdict(content: Content, number: int) -> dict[str, Any]:
    """Return what a comparison says in one word and one sentence."""
    comparison = content.comparisons[number]
    value, first = comparison.difference, content.report.runs[0].name
    if not value.excludes_zero:
        word, kind = "no proven difference", "even"
        sentence = f"{comparison.run} and {first} cannot be told apart by these judgments."
    elif value.mean > 0:
        word, kind, sentence = "better", "good", f"{comparison.run} is better than {first}."
    else:
        word, kind, sentence = "worse", "bad", f"{comparison.run} is worse than {first}."
    return {"word": word, "kind": kind, "sentence": sentence}


def _value(value: float) -> str:
    return f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _interval(value: Interval, signed: bool = False) -> str:
    form = _signed if signed else _value
    return f"{form(value.low)} to {form(value.high)}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"
