"""Runs side by side on the same ratings: means, differences to the first run, and what was not answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from vitrine.errors import JudgmentError

from .intervals import Interval, bootstrap
from .metrics import Gain, judged_only, values
from .trec import Qrels, Run


@dataclass(frozen=True)
class RunReport:
    """One run: each measure's mean, its difference to the first run (None for the first), what it lacks."""

    name: str
    means: dict[str, Interval]
    differences: dict[str, Interval] | None
    missing: tuple[str, ...]
    unjudged: tuple[str, ...]  # queries of the run that no rating names


@dataclass(frozen=True)
class Report:
    """All runs on the same queries; the first is the baseline."""

    queries: int
    without_relevant: tuple[
        str, ...
    ]  # rated queries left out: no product is relevant, so every run would score zero
    measures: tuple[str, ...]
    gain: Gain
    judged_only: bool
    runs: tuple[RunReport, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    qrels: Qrels,
    runs: Mapping[str, Run],
    measures: Sequence[str],
    gain: Gain = "linear",
    judged: bool = False,
) -> Report:
    """Judge every run on every rated query that has a relevant product (grade 1 or more).

    A query that a run leaves out counts zero.
    """
    queries = sorted(query for query, grades in qrels.items() if max(grades.values()) > 0)
    if not queries:
        raise JudgmentError(
            f"none of the {len(qrels)} rated queries has a product graded above 0; check the ratings"
        )
    reports: list[RunReport] = []
    baseline = None
    for name, run in runs.items():
        if not any(query in run for query in qrels):
            raise JudgmentError(
                f"run {name} and the ratings share no query: "
                f"the run has {_some(run)}, the ratings {_some(qrels)}"
            )
        found = values(qrels, judged_only(qrels, run) if judged else run, measures, queries, gain)
        baseline = baseline or found
        first = baseline is found
        reports.append(
            RunReport(
                name=name,
                means={key: bootstrap(value) for key, value in found.items()},
                differences=None if first else {k: bootstrap(v - baseline[k]) for k, v in found.items()},
                missing=tuple(query for query in queries if query not in run),
                unjudged=tuple(sorted(query for query in run if query not in qrels)),
            )
        )
    without_relevant = tuple(sorted(set(qrels) - set(queries)))
    return Report(len(queries), without_relevant, tuple(measures), gain, judged, tuple(reports))


def table(report: Report) -> Table:
    """The report for a terminal: one row a run, one column a measure."""
    gain = ", gain 2^grade - 1" if report.gain == "exp" else ""
    judged = ", judged products only" if report.judged_only else ""
    drawn = Table(title=f"{report.queries} rated queries{gain}{judged}; 95 % intervals, paired bootstrap")
    drawn.add_column("run", overflow="fold")
    for measure in report.measures:
        drawn.add_column(measure, justify="right")
    for run in report.runs:
        drawn.add_row(escape(run.name), *(_interval(run.means[measure]) for measure in report.measures))
        if run.differences is not None:
            cells = [_difference(run.differences[measure]) for measure in report.measures]
            drawn.add_row("  against the first run", *cells)
    return drawn


def _interval(value: Interval) -> str:
    return f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"


def _difference(value: Interval) -> str:
    mark = "*" if value.excludes_zero else ""
    return f"{value.mean:+.4f}{mark} [{value.low:+.4f}, {value.high:+.4f}]"


def _some(queries: Mapping[str, object]) -> str:
    return ", ".join(repr(query) for query in sorted(queries)[:3])
