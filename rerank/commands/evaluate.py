"""The command `vitrine evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from opensearch import options
from rerank.evaluation.metrics import METRICS

if TYPE_CHECKING:
    from rerank.evaluation.report import EvaluationReport

_MEASURES_HELP = "; ".join(f"{name}: {measure.description}" for name, measure in METRICS.items())


@click.command()
@click.option("--qrels", type=click.Path(path_type=Path), required=True, help="TREC relevance judgments.")
@click.option(
    "--run",
    "runs",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="TREC run; repeat it for more runs: each is compared with the first.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    default=lambda: tuple(METRICS),
    show_default=", ".join(METRICS),
    help=f"Repeat it for more. {_MEASURES_HELP}; or any measure in the notation of ir_measures.",
)
@click.option("--judged-only", is_flag=True, help="Leave out products without a judgment for the query.")
@click.option(
    "--gain",
    type=click.Choice(["linear", "exp"]),
    default="linear",
    show_default=True,
    help="Gain of nDCG: the grade, or 2^grade - 1.",
)
@options.as_json
def evaluate(
    qrels: Path,
    runs: tuple[Path, ...],
    measures: tuple[str, ...],
    judged_only: bool,
    gain: Literal["linear", "exp"],
    as_json: bool,
) -> None:
    """Evaluate TREC runs against relevance judgments.

    Prints means over all judged queries with 95 % intervals (paired bootstrap, 10,000 seeded resamples) and each run's
    difference to the first run; * marks an interval that excludes zero. A query that a run does not answer counts zero; a
    query without a relevant product (grade 1 or more) is left out.
    """
    import orjson
    from rich.console import Console

    from rerank.evaluation.report import evaluate_runs, evaluation_table
    from rerank.evaluation.trec import read_qrels, read_run

    judgments = read_qrels(qrels)
    report = evaluate_runs(
        judgments, {str(path): read_run(path) for path in runs}, measures, gain, judged_only
    )
    _warn(report)
    if as_json:
        click.echo(orjson.dumps(report.to_dict()))
    else:
        width = None if sys.stdout.isatty() else 200  # in a file, rows are not wrapped
        Console(width=width).print(evaluation_table(report))


def _warn(report: EvaluationReport) -> None:
    """Write the queries that the report leaves out or counts zero to stderr."""
    if report.without_relevant:
        click.echo(
            f"{len(report.without_relevant)} of {report.queries + len(report.without_relevant)} judged queries have no "
            f"relevant product and are left out, such as {report.without_relevant[0]}",
            err=True,
        )
    for run in report.runs:
        if run.missing:
            click.echo(
                f"{run.name}: {len(run.missing)} of {report.queries} judged queries are not in the run "
                f"and count zero, such as {run.missing[0]}",
                err=True,
            )
        if run.unjudged:
            click.echo(f"{run.name}: {len(run.unjudged)} queries without judgments are left out", err=True)
