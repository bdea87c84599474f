"""The comparison of runs on the same judgments: means, paired differences to the first run, unanswered queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from vitrine.errors import JudgmentError

from .intervals import Interval, bootstrap
from .metrics import Gain, keep_judged, measure_values
from .trec import Qrels, Run


@dataclass(frozen=True)
class RunResult:
    """The values of one run: means and differences to the first run by measure (None for the first run).

    `missing` are judged queries that the run does not answer; `unjudged` are queries of the run without judgments.
    """

    name: str
    means: dict[str, Interval]
    differences: dict[str, Interval] | None
    missing: tuple[str, ...]
    unjudged: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationReport:
    """All runs on the same queries; the first run is the baseline.

    `without_relevant` are judged queries without a relevant product, on which all runs would score zero; they are left out.
    """

    queries: int
    without_relevant: tuple[str, ...]
    measures: tuple[str, ...]
    gain: Gain
    judged_only: bool
    runs: tuple[RunResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as it is written by `vitrine evaluate --json`."""
        return asdict(self)


def evaluate_runs(
    qrels: Qrels,
    runs: Mapping[str, Run],
    measures: Sequence[str],
    gain: Gain = "linear",
    judged_only: bool = False,
) -> EvaluationReport:
    """Evaluate every run on each judged query that has a relevant product (grade 1 or more).

    A query that a run does not answer counts zero. With `judged_only`, products without a judgment are removed from the
    runs first. Raises JudgmentError when no query has a relevant product or a run shares no query with the judgments.
    """
    queries = sorted(query for query, grades in qrels.items() if max(grades.values()) > 0)
    if not queries:
        raise JudgmentError(
            f"none of the {len(qrels)} judged queries has a product graded above 0; check the judgments"
        )
    results: list[RunResult] = []
    baseline = None
    for name, run in runs.items():
        if not any(query in run for query in qrels):
            raise JudgmentError(
                f"run {name} and the judgments share no query: "
                f"the run has {_first_ids(run)}, the judgments {_first_ids(qrels)}; check the query ids"
            )
        values = measure_values(
            qrels, keep_judged(qrels, run) if judged_only else run, measures, queries, gain
        )
        results.append(
            RunResult(
                name=name,
                means={measure: bootstrap(value) for measure, value in values.items()},
                differences=None
                if baseline is None
                else {measure: bootstrap(value - baseline[measure]) for measure, value in values.items()},
                missing=tuple(query for query in queries if query not in run),
                unjudged=tuple(sorted(query for query in run if query not in qrels)),
            )
        )
        baseline = baseline or values
    without_relevant = tuple(sorted(set(qrels) - set(queries)))
    return EvaluationReport(
        len(queries), without_relevant, tuple(measures), gain, judged_only, tuple(results)
    )


def evaluation_table(report: EvaluationReport) -> Table:
    """Return the report as a terminal table: a row for each run and difference, a column for each measure."""
    gain = ", gain 2^grade - 1" if report.gain == "exp" else ""
    judged = ", judged products only" if report.judged_only else ""
    table = Table(title=f"{report.queries} judged queries{gain}{judged}; 95 % intervals, paired bootstrap")
    table.add_column("run", overflow="fold")
    for measure in report.measures:
        table.add_column(measure, justify="right")
    for run in report.runs:
        table.add_row(escape(run.name), *(_mean(run.means[measure]) for measure in report.measures))
        if run.differences is not None:
            differences = [_difference(run.differences[measure]) for measure in report.measures]
            table.add_row("  difference to the first run", *differences)
    return table


def _mean(value: Interval) -> str:
    return f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"


def _difference(value: Interval) -> str:
    mark = "*" if value.excludes_zero else ""
    return f"{value.mean:+.4f}{mark} [{value.low:+.4f}, {value.high:+.4f}]"


def _first_ids(queries: Iterable[str]) -> str:
    return ", ".join(repr(query) for query in sorted(queries)[:3])
