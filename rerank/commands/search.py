"""The command `vitrine search`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensearch import options
from opensearch.index.spaces import sub_queries
from opensearch.search.fusion import DEFAULT_FUSION, FUSIONS

if TYPE_CHECKING:
    from rich.console import Console

    from opensearch.client import OpenSearch
    from rerank.answer import Answer, Hit
    from rerank.serving_context import ServingContext

_PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class SearchOptions:
    """The options of `vitrine search` as click reads them."""

    query: str
    alias: str
    url: str
    store: str | None
    image: Path | None
    cheapest: bool
    filters: Sequence[str]
    shopper: str | None
    order: str | None
    size: int
    page: int
    facets: Sequence[str]
    sort: Sequence[str]
    explain: bool
    why: str | None
    sub_queries: str | None
    fusion: str
    weights: str | None
    window: int
    verbatim: bool
    constraints: str
    collapse: bool
    min_cosine: float | None
    queries: Path | None
    run: Path | None
    as_json: bool

    @property
    def both_orders(self) -> bool:
        """Whether both orders are shown side by side."""
        return self.order == "both"

    def request_fields(self) -> dict[str, Any]:
        """Return the options as the fields of a `SearchRequest`; the image and the queries are read apart."""
        return {
            "query": self.query,
            "filters": list(self.filters),
            "shopper": self.shopper,
            "order": "engine" if self.order == "engine" else "reranked",
            "cheapest": self.cheapest,
            "size": self.size,
            "page": self.page,
            "facets": list(self.facets),
            "sort": list(self.sort),
            "sub_queries": self.sub_queries,
            "fusion": self.fusion,
            "weights": self.weights,
            "window": self.window,
            "verbatim": self.verbatim,
            "constraints": self.constraints,
            "collapse": self.collapse,
            "explain": self.explain or self.why is not None,
            "min_cosine": self.min_cosine,
        }


@click.command()
@click.argument("query", required=False, default="")
@options.index
@click.option("--image", type=_PATH, help="Search by this image, alone or with words.")
@click.option("--cheapest", is_flag=True, help="The product that the image shows, or nearly that, by price.")
@click.option(
    "--filter", "filters", multiple=True, help="Such as 'price<50' or 'gender=Women'; again for more."
)
@click.option("--shopper", help="The shopper's id; only its keyed hash is used.")
@click.option(
    "--order",
    type=click.Choice(["engine", "reranked", "both"]),
    default=None,
    help="Default: reranked where the alias has a model, else the engine's.",
)
@click.option("--size", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Hits a page.")
@click.option("--page", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Counted from 1.")
@click.option(
    "--facet", "facets", multiple=True, help="Count the values of a column over all matching products."
)
@click.option("--sort", multiple=True, metavar="COL[:desc]", help="Instead of by relevance.")
@click.option("--explain", is_flag=True, help="Show the raw score of each sub-query.")
@click.option("--why", metavar="ID", help="Show what the score of this hit is made of, instead of the hits.")
@click.option(
    "--sub-queries",
    help=f"Which sub-queries search, of {','.join(sub_queries())}.  [default: all that the query can use]",
)
@click.option(
    "--fusion",
    type=click.Choice(list(FUSIONS)),
    default=DEFAULT_FUSION,
    show_default=True,
    help="Of the sub-queries.",
)
@click.option(
    "--weights",
    metavar=",".join(sub_queries()).upper(),
    help="Weight of each sub-query in this search, such as 0.5,0,0.5 for 'like this, but red'.",
)
@click.option(
    "--window",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    help="Candidates that are retrieved and ranked; pages are cut from them.",
)
@click.option("--verbatim", is_flag=True, help="Search the words as they are: no correction, no constraints.")
@click.option(
    "--constraints",
    type=click.Choice(["boost", "filter", "off"]),
    default="boost",
    show_default=True,
    help="What a price, a size or a colour in the words does.",
)
@click.option("--collapse", is_flag=True, help="Show the best product of each group of variants.")
@click.option(
    "--min-cosine",
    type=click.FloatRange(0, 1),
    help="Cosine from which a neighbour of the query matches; 0: any.  [default: as learned, `vitrine weights show`]",
)
@click.option(
    "--queries",
    type=_PATH,
    help="Many queries: JSON lines with id, query, image, filters, shopper, candidates.",
)
@click.option("--run", type=_PATH, help="The TREC run that the answers to --queries are written to.")
@options.url
@options.store
@options.as_json
def search(**given: Any) -> None:
    """Search one query, or many queries to a TREC run.

    Words, an image (--image) or both. With --queries FILE --run OUT every line of FILE is answered, down to
    the depth of --window; a line may name `candidates` to rank instead of the whole index.
    """
    from opensearch.client import connect
    from rerank.serving_context import open_context
    from vitrine.store import open_store

    settings = SearchOptions(**given)
    if bool(settings.queries) != bool(settings.run):
        raise click.UsageError("--queries and --run belong together: the queries and the run to write.")
    if settings.queries and (settings.query or settings.image):
        raise click.UsageError("--queries has its own words and images; leave QUERY and --image out.")
    if settings.queries and (settings.explain or settings.why is not None):
        raise click.UsageError("a run holds no explanations; leave --explain and --why out.")
    ranked = settings.order != "engine" and not settings.cheapest
    with connect(settings.url) as client:
        context = open_context(client, open_store(settings.store), settings.alias, ranked=ranked)
        if settings.queries and settings.run:
            _search_many(client, context, settings, settings.queries, settings.run)
        else:
            _search_one(client, context, settings)


def _search_one(client: OpenSearch, context: ServingContext, settings: SearchOptions) -> None:
    import orjson

    from rerank.answer import answer_to_dict
    from rerank.query_image import read_query_image
    from rerank.search import search as run_search
    from rerank.search_request import SearchRequest, decode_request, resolve

    from .explanations import explained_hit, explanation
    from .search_tables import understood_lines

    request = decode_request(settings.request_fields(), SearchRequest)
    image = read_query_image(settings.image, context.encoders.image_side) if settings.image else None
    answer = run_search(client, context, resolve(request, context.schema, image, context.vocabulary))
    hits = answer.page(settings.page, settings.size)
    if answer.degraded:
        click.echo(f"engine order: {answer.degraded}", err=True)
    for line in understood_lines(answer.plan):
        click.echo(line, err=True)
    if not hits and answer.hits:
        click.echo(
            f"page {settings.page} is beyond the {len(answer.hits)} products of the window; see --window",
            err=True,
        )
    why = explained_hit(answer, settings.why) if settings.why is not None else None
    if settings.as_json:
        fields = answer_to_dict(answer, settings.page, settings.size, settings.both_orders)
        click.echo(orjson.dumps({**fields, **({"why": asdict(why)} if why else {})}))
    elif why:
        _console().print(explanation(answer, why))
    else:
        _print(context, answer, hits, settings)


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def _print(context: ServingContext, answer: Answer, hits: Sequence[Hit], settings: SearchOptions) -> None:
    from . import search_tables as tables

    console = _console()
    if not answer.hits:
        click.echo(tables.no_match_line(answer, settings.query))
        if answer.nearest:
            console.print(tables.nearest(answer, context.schema, settings.explain))
        return
    if settings.both_orders and answer.order == "reranked":
        console.print(tables.both_orders(answer, hits, context.schema))
    else:
        console.print(tables.one_order(answer, hits, context.schema, settings.explain))
    for table in tables.facets(answer.retrieved.facets):
        console.print(table)


def _search_many(
    client: OpenSearch, context: ServingContext, settings: SearchOptions, queries: Path, run: Path
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from vitrine.errors import ArtifactError

    from .query_runs import read_lines, write_run

    if settings.both_orders:
        raise click.UsageError("a run has one order: --order engine or --order reranked.")
    if settings.order == "reranked" and context.ranker is None:
        raise ArtifactError(context.degraded or f"no model for alias {context.alias}")
    console = Console(stderr=True)
    if settings.order is None and context.degraded:
        click.echo(f"engine order: {context.degraded}", err=True)
    defaults = settings.request_fields()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("queries", total=len(read_lines(queries)))
        report = write_run(
            client, context, queries, run, defaults, lambda count: progress.advance(task, count)
        )
    for number, reason in report.failed.items():
        click.echo(f"{queries}, line {number}: {reason}", err=True)
    if report.degraded:
        first, reason = next(iter(report.degraded.items()))
        click.echo(f"{len(report.degraded)} queries are in engine order, such as {first}: {reason}", err=True)
    if report.unmatched:
        click.echo(f"{report.unmatched} queries match no product and are not in the run", err=True)
    click.echo(f"{report.answered} queries answered, {len(report.failed)} failed: {run}", err=True)
    if report.failed or report.degraded:
        sys.exit(1)
