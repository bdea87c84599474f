"""The HTML report of `vitrine evaluate`, from runs in files or from searches of an index."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from encoders.images.fetch import Fetcher
from encoders.images.source import ImagePlaces
from rerank.evaluation.page.content import Material, report_content
from rerank.evaluation.page.render import render_page
from rerank.evaluation.page.thumbnails import ProductCard, data_uri, product_cards
from rerank.evaluation.trec import Qrels, Run
from rerank.query_image import read_query_image
from vitrine.errors import JudgmentError, QueryError

from .runs import EvaluationRuns, QueryTexts, query_texts, searched_runs

if TYPE_CHECKING:
    from opensearch.client import OpenSearch
    from rerank.serving_context import ServingContext

    from .evaluate import EvaluateOptions


def with_index(settings: EvaluateOptions, qrels: Qrels, runs: dict[str, Run]) -> dict[str, Run]:
    """Return the runs, searched where none is given, after writing the report that was asked for. Raises VitrineError."""
    from opensearch.client import connect
    from rerank.serving_context import open_context
    from vitrine.store import open_store

    queries = settings.queries
    if queries is None:
        raise ValueError("an index is searched for the queries of a file; none is named")
    texts = query_texts(queries)
    with connect(settings.url) as client:
        made = EvaluationRuns(runs=runs)
        if not runs:
            context = open_context(client, open_store(settings.store), settings.alias)
            if context.degraded:
                click.echo(f"engine order only: {context.degraded}", err=True)
            made = _searched(client, context, queries, qrels, ablation=settings.html is not None)
        for problem in made.problems:
            click.echo(problem, err=True)
        if settings.html:
            _write(settings, qrels, made, texts, client)
    return made.runs


def write_page(settings: EvaluateOptions, qrels: Qrels, runs: dict[str, Run]) -> None:
    """Write the report of runs in files, without words and images. Raises JudgmentError."""
    _write(settings, qrels, EvaluationRuns(runs=runs), QueryTexts())


def _searched(
    client: OpenSearch, context: ServingContext, queries: Path, qrels: Qrels, ablation: bool
) -> EvaluationRuns:
    """Return the searched runs; the progress goes to stderr."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from rerank.commands.query_runs import read_lines

    console, total = Console(stderr=True), len(read_lines(queries))
    tasks: dict[str, TaskID] = {}
    with Progress(console=console, disable=not console.is_terminal) as progress:

        def advance(name: str, count: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.advance(tasks[name], count)

        return searched_runs(client, context, queries, qrels, advance, ablation)


def _write(
    settings: EvaluateOptions,
    qrels: Qrels,
    made: EvaluationRuns,
    texts: QueryTexts,
    client: OpenSearch | None = None,
) -> None:
    names = _short_names(made.runs)
    content = report_content(
        Material(
            qrels=qrels,
            runs={names[name]: run for name, run in made.runs.items()},
            measures=settings.measures,
            gain=settings.gain,
            judged_only=settings.judged_only,
            relevant=settings.relevant,
            pools=made.pools,
            ablations=made.ablations,
            words=texts.words,
        )
    )
    cards: Mapping[str, ProductCard] = {}
    if client is not None:
        places = ImagePlaces(settings.image_folder, settings.image_base)
        cards = product_cards(client, settings.alias, content.products(), places, Fetcher())
    images = _query_images(texts, content.queries())
    subject = settings.alias if client is not None else settings.qrels.name
    page = render_page(content, datetime.now(UTC), cards, images, subject)
    if settings.html is None:
        raise ValueError("the report has no file to be written to")
    try:
        settings.html.write_text(page, encoding="utf-8")
    except OSError as error:
        raise JudgmentError(
            f"{settings.html} cannot be written: {error.strerror}; name another file for the report"
        ) from error
    click.echo(f"report: {settings.html}", err=True)


def _query_images(texts: QueryTexts, queries: Collection[str]) -> dict[str, str]:
    """Return the images of queries as data URIs; one that cannot be read was reported by the search."""
    images = {}
    for query in queries & texts.images.keys():
        try:
            images[query] = data_uri(read_query_image(texts.images[query]))
        except QueryError:
            continue
    return images


def _short_names(runs: Collection[str]) -> dict[str, str]:
    """Return the names of the runs in the report: file names without folder and ending, where that keeps them apart."""
    short = {name: Path(name).stem for name in runs}
    return short if len(set(short.values())) == len(short) else {name: name for name in runs}
