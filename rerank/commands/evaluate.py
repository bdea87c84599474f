"""The command `vitrine evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from opensearch import options
from rerank.evaluation.metrics import MEASURES


@click.command()
@click.option("--qrels", type=click.Path(path_type=Path), required=True, help="TREC relevance ratings.")
@click.option(
    "--run",
    "runs",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="TREC run; again for more runs: each is compared with the first.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    default=MEASURES,
    show_default=True,
    help="A measure as ir_measures writes it; again for more.",
)
@click.option("--judged-only", is_flag=True, help="Leave out products that nobody rated for the query.")
@click.option(
    "--gain",
    type=click.Choice(["linear", "exp"]),
    default="linear",
    show_default=True,
    help="nDCG's gain: the grade, or 2^grade - 1.",
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
    """Judge TREC runs against relevance ratings.

    Means over all rated queries with 95 % intervals (paired bootstrap, 10,000 seeded resamples), and each
    run's difference to the first; * marks an interval that excludes zero. A query that a run does not answer
    counts zero; a query without any relevant product (grade 1 or more) is left out.
    """
    import orjson
    from rich.console import Console

    from rerank.evaluation.report import compare, table
    from rerank.evaluation.trec import read_qrels, read_run

    ratings = read_qrels(qrels)
    report = compare(ratings, {str(path): read_run(path) for path in runs}, measures, gain, judged_only)
    if report.without_relevant:
        click.echo(
            f"{len(report.without_relevant)} of {len(ratings)} rated queries have no relevant product and are left out, "
            f"such as {report.without_relevant[0]}",
            err=True,
        )
    for run in report.runs:
        if run.missing:
            click.echo(
                f"{run.name}: {len(run.missing)} of {report.queries} rated queries are not in the run "
                f"and count zero, such as {run.missing[0]}",
                err=True,
            )
        if run.unjudged:
            click.echo(f"{run.name}: {len(run.unjudged)} queries without ratings are left out", err=True)
    if as_json:
        click.echo(orjson.dumps(report.to_dict()))
    else:
        wide = None if sys.stdout.isatty() else 200  # a file has no width that could wrap a row
        Console(width=wide).print(table(report))
