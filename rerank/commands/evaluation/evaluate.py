"""The command `vitrine evaluate`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from opensearch import options
from rerank.evaluation.metrics import METRICS

if TYPE_CHECKING:
    from rerank.evaluation.report import EvaluationReport

_PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of `vitrine evaluate` as click reads them."""

    qrels: Path
    runs: tuple[Path, ...]
    queries: Path | None
    measures: tuple[str, ...]
    judged_only: bool
    gain: Literal["linear", "exp"]
    html: Path | None
    relevant: int
    image_folder: Path | None
    image_base: str | None
    alias: str
    url: str
    store: str | None
    as_json: bool


_MEASURES_HELP = "; ".join(f"{name}: {measure.description}" for name, measure in METRICS.items())


@click.command()
@click.option("--qrels", type=_PATH, required=True, help="TREC relevance judgments.")
@click.option(
    "--run",
    "runs",
    type=_PATH,
    multiple=True,
    help="TREC run; repeat it for more runs: each is compared with the first.",
)
@click.option(
    "--queries",
    type=_PATH,
    help="JSON lines with id and query, which are searched on --index where no run is given, and shown in the report.",
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
@click.option("--html", type=_PATH, help="Write the report as one HTML file with plots.")
@click.option(
    "--relevant",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="GRADE",
    help="Grade from which a product is relevant in the report's accuracy, F1, AUC and curves.",
)
@click.option(
    "--image-folder", type=_PATH, help="Folder of the catalogue, where the index's image paths lie."
)
@click.option(
    "--image-base", metavar="URL", help="Address of the shop, put before image paths without a file."
)
@options.index
@options.url
@options.store
@options.as_json
def evaluate(**given: Any) -> None:
    """Evaluate TREC runs against relevance judgments.

    Prints means over all judged queries with 95 % intervals (paired bootstrap, 10,000 seeded resamples) and each run's
    difference to the first run; * marks an interval that excludes zero. A query that a run does not answer counts zero; a
    query without a relevant product (grade 1 or more) is left out.

    With --queries and no --run, the queries are searched on --index, in the engine's order and reranked. With --html, the
    report has wins and losses with the products' images, an ablation, and the quality of the scores as well.
    """
    import orjson
    from rich.console import Console

    from rerank.evaluation.report import evaluate_runs, evaluation_table
    from rerank.evaluation.trec import read_qrels, read_run

    from .page import with_index, write_page

    settings = EvaluateOptions(**given)
    if not settings.runs and not settings.queries:
        raise click.UsageError("name a run (--run FILE), or queries to search (--queries FILE).")
    if not settings.html and (settings.image_folder or settings.image_base):
        raise click.UsageError("images are shown in the report: add --html FILE.")
    judgments = read_qrels(settings.qrels)
    runs = {str(path): read_run(path) for path in settings.runs}
    if settings.queries:
        runs = with_index(settings, judgments, runs)
    elif settings.html:
        write_page(settings, judgments, runs)
    report = evaluate_runs(judgments, runs, settings.measures, settings.gain, settings.judged_only)
    _warn(report)
    if settings.as_json:
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
