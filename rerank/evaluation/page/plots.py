"""The plots of the report as inline SVG, in colours that the page defines: they follow its light, dark and print form."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rerank.evaluation.intervals import Interval
from rerank.evaluation.relevance import ScoreQuality

from .content import Ablation, Content, RunComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# drawn in these colours, which then become variables of the page's style sheet
INK, MUTED, GRID, GOOD, BAD = "#010101", "#020202", "#030303", "#040404", "#050505"
SERIES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006")
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", GOOD: "good", BAD: "bad"} | {
    colour: f"series-{number}" for number, colour in enumerate(SERIES, start=1)
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.parse_math": False,  # names of runs are text
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
}
_NAME = 26  # characters of a name in a plot


def plots(content: Content) -> dict[str, str]:
    """Return the plots of the report as SVG by name; those without data are left out."""
    drawn = {"readings": readings_plot(content)}
    if content.comparisons:
        drawn["measures"] = measures_plot(content)
    for number, comparison in enumerate(content.comparisons):
        drawn[f"queries-{number}"] = queries_plot(comparison, content.measure)
    qualities = {name: quality for name, quality in content.quality.items() if quality}
    if qualities:
        drawn |= {"roc": roc_plot(qualities), "precision-recall": precision_recall_plot(qualities)}
        drawn["reliability"] = reliability_plot(qualities)
    if content.ablations:
        drawn["ablation"] = ablation_plot(content.ablations, content.measure)
    return drawn


def readings_plot(content: Content) -> str:
    """Return the mean of the first measure with its interval, for each run in each reading."""

    def draw(axes: Axes) -> None:
        count = len(content.report.runs)
        for number in range(count):
            means = [report.runs[number].means[content.measure] for report in content.readings.values()]
            places = np.arange(len(means)) + (number - (count - 1) / 2) * 0.5 / count
            _points(axes, places, means, number, content.report.runs[number].name, across=True)
        axes.set_xticks(range(len(content.readings)), list(content.readings))
        axes.set_xlim(-0.5, len(content.readings) - 0.5)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel(content.measure)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)

    return _svg("readings", (10.2, 2.9), draw)


def measures_plot(content: Content) -> str:
    """Return the differences of each run to the first, by measure."""
    others = content.report.runs[1:]
    measures = content.report.measures

    def draw(axes: Axes) -> None:
        for number, run in enumerate(others):
            differences = [(run.differences or {})[measure] for measure in measures]
            places = np.arange(len(measures)) + (number - (len(others) - 1) / 2) * 0.5 / len(others)
            _points(axes, places, differences, number + 1, run.name)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(measures)), list(measures))
        axes.set_ylim(len(measures) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"difference to {_short(content.report.runs[0].name)}")
        if len(others) > 1:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)

    return _svg("measures", (10.2, 1.0 + 0.34 * len(measures)), draw)


def queries_plot(comparison: RunComparison, measure: str) -> str:
    """Return the difference of each query, sorted."""

    def draw(axes: Axes) -> None:
        values = comparison.differences[::-1]
        axes.bar(
            range(len(values)),
            values,
            width=0.9,
            color=[GOOD if value > 0 else BAD for value in values],
            linewidth=0,
        )
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.set_xticks([])
        axes.set_xlim(-0.6, len(values) - 0.4)
        axes.set_ylabel(f"change of {measure}")
        axes.set_xlabel(f"{len(values)} queries, from most won to most lost")

    return _svg(f"queries {comparison.run}", (10.2, 2.3), draw)


def roc_plot(qualities: Mapping[str, ScoreQuality]) -> str:
    """Return the ROC curves."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        for number, (name, quality) in enumerate(qualities.items()):
            axes.plot(*quality.roc, color=_colour(number), label=f"{_short(name)}: {quality.auc:.3f}")
        _square(axes, "false positive rate", "true positive rate")
        axes.legend(loc="lower right", title="area", alignment="right")

    return _svg("roc", (3.4, 3.2), draw, title="ROC")


def precision_recall_plot(qualities: Mapping[str, ScoreQuality]) -> str:
    """Return the precision-recall curves; the broken line is the share of relevant products."""

    def draw(axes: Axes) -> None:
        share = next(iter(qualities.values())).share_relevant
        axes.axhline(share, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        for number, (name, quality) in enumerate(qualities.items()):
            label = f"{_short(name)}: {quality.average_precision:.3f}"
            axes.plot(*quality.precision_recall, color=_colour(number), label=label, drawstyle="steps-post")
        _square(axes, "recall", "precision")
        axes.legend(loc="lower left", title="average precision", alignment="left")

    return _svg("precision-recall", (3.4, 3.2), draw, title="Precision and recall")


def reliability_plot(qualities: Mapping[str, ScoreQuality]) -> str:
    """Return the share of relevant products in each bin of the probability; the area of a point is their number."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        for number, (name, quality) in enumerate(qualities.items()):
            predicted = [bin_.predicted for bin_ in quality.bins]
            observed = [bin_.observed for bin_ in quality.bins]
            sizes = [6 + 140 * bin_.count / quality.products for bin_ in quality.bins]
            axes.plot(predicted, observed, color=_colour(number), linewidth=1.2, label=_short(name))
            axes.scatter(predicted, observed, s=sizes, color=_colour(number), linewidth=0, alpha=0.8)
        _square(axes, "predicted probability", "share that is relevant")
        axes.legend(loc="upper left")

    return _svg("reliability", (3.4, 3.2), draw, title="Reliability")


def ablation_plot(ablations: Sequence[Ablation], measure: str) -> str:
    """Return what leaving out each part does to the measure."""

    def draw(axes: Axes) -> None:
        for place, ablation in enumerate(ablations):
            value = ablation.difference
            colour = BAD if value.high < 0 else GOOD if value.low > 0 else MUTED
            axes.barh(place, value.mean, height=0.6, color=colour, alpha=0.45, linewidth=0)
            axes.plot([value.low, value.high], [place, place], color=colour, linewidth=1.6)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        labels = [f"{_short(a.base)} without {a.left_out}" for a in ablations]
        axes.set_yticks(range(len(ablations)), labels)
        axes.set_ylim(len(ablations) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"change of {measure}")

    return _svg("ablation", (10.2, 0.9 + 0.3 * len(ablations)), draw)


def _points(
    axes: Axes, places: Any, values: Sequence[Interval], number: int, name: str, across: bool = False
) -> None:
    """Draw means as points with their intervals; `across`: places lie on the horizontal axis."""
    colour = _colour(number)
    means = [value.mean for value in values]
    ends = [[value.mean - value.low for value in values], [value.high - value.mean for value in values]]
    style: dict[str, Any] = {
        "fmt": "o",
        "color": colour,
        "markersize": 5,
        "elinewidth": 1.6,
        "label": _short(name),
    }
    if across:
        axes.errorbar(places, means, yerr=ends, **style)
    else:
        axes.errorbar(means, places, xerr=ends, **style)


def _square(axes: Axes, across: str, upwards: str) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(across)
    axes.set_ylabel(upwards)


def _svg(name: str, size: tuple[float, float], draw: Callable[[Axes], None], title: str = "") -> str:
    """Return one plot of `size` inches as an SVG element with the colours as variables."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # the salt keeps the ids of clip paths apart: all plots are in one document
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        draw(axes)
        if title:
            axes.set_title(title)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    return re.sub("|".join(_VARIABLES), lambda found: f"var(--{_VARIABLES[found.group()]})", svg)


def _colour(number: int) -> str:
    return SERIES[number % len(SERIES)]


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
