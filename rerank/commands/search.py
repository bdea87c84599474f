"""The commands `vitrine search` and `vitrine serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from opensearch import options

if TYPE_CHECKING:
    from rerank.search import Answer, Search
    from rerank.serving_context import ServingContext

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("query", required=False, default="")
@options.index
@click.option("--image", type=_PATH, help="Search by this picture, alone or with words.")
@click.option("--cheapest", is_flag=True, help="The product on the picture, or nearly that, by price.")
@click.option(
    "--filter", "filters", multiple=True, help="Such as 'price<50' or 'gender=Women'; again for more."
)
@click.option("--shopper", help="Who searches; only a keyed hash of it is used.")
@click.option(
    "--order",
    type=click.Choice(["engine", "reranked", "both"]),
    default=None,
    help="Default: reranked where the alias has a model, else the engine's.",
)
@click.option("--size", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Hits a page.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Counted from 1.")
@click.option("--facet", "facets", multiple=True, help="Count the values of a column over the whole match.")
@click.option("--sort", "sorts", multiple=True, metavar="COL[:desc]", help="Instead of by relevance.")
@click.option("--explain", is_flag=True, help="Show the raw score of each leg of the engine's query.")
@click.option("--legs", help="Which legs search, of words,text,image.  [default: all that the query can use]")
@click.option(
    "--fusion", type=click.Choice(["score", "rank"]), default="score", show_default=True, help="Of the legs."
)
@click.option(
    "--weights",
    metavar="WORDS,TEXT,IMAGE",
    help="How much each leg counts in this search, such as 0.5,0,0.5 for 'like this, but red'.",
)
@click.option(
    "--window",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    help="Candidates that are retrieved and ranked; pages are cut from them.",
)
@click.option(
    "--queries",
    type=_PATH,
    help="Many queries: JSON lines with id, text, image, filter, shopper, candidates.",
)
@click.option("--run", type=_PATH, help="Where the TREC run of --queries goes.")
@options.url
@options.store
@options.as_json
def search(query: str, alias: str, url: str, store: str | None, **given: Any) -> None:
    """Search one query, or many queries to a TREC run.

    Words, a picture (--image) or both. With --queries FILE --run OUT every line of FILE is answered, down to
    the depth of --window; a line may name `candidates` to rank instead of the whole index.
    """
    from opensearch.client import connect
    from rerank.serving_context import open_context
    from vitrine.store import open_store

    if bool(given["queries"]) != bool(given["run"]):
        raise click.UsageError("--queries and --run belong together: the questions and where the answers go.")
    if given["queries"] and (query or given["image"]):
        raise click.UsageError("--queries brings its own words and pictures; leave QUERY and --image out.")
    with connect(url) as client:
        shop = open_context(
            client, open_store(store), alias, ranked=given["order"] != "engine" and not given["cheapest"]
        )
        asked = _asked(query, shop, given)
        if given["queries"]:
            _search_many(client, shop, asked, given)
        else:
            _search_one(client, shop, asked, given)


def _asked(query: str, shop: ServingContext, given: dict[str, Any]) -> Search:
    """The search that the options describe."""
    from opensearch.search.filters import columns, parse_filters, parse_sort
    from opensearch.search.query import LEGS, parse_weights
    from rerank.query_image import read_image
    from rerank.search import Search
    from rerank.shoppers import shopper_hash
    from vitrine.errors import QueryError

    plan = shop.schema.plan
    legs = tuple(leg for leg in LEGS if given["legs"] is None or leg in _words(given["legs"]))
    if (given["legs"] is not None and set(_words(given["legs"])) - set(LEGS)) or not legs:
        raise QueryError(f"--legs {given['legs']} names no such leg; choose of {', '.join(LEGS)}")
    return Search(
        words=query,
        picture=read_image(given["image"]) if given["image"] else None,
        filters=parse_filters(given["filters"], plan),
        shopper=shopper_hash(given["shopper"]) if given["shopper"] else None,
        order=_order(given["order"], shop),
        cheapest=given["cheapest"],
        facets=given["facets"],
        sort=parse_sort(",".join(_sort(text, columns(plan)) for text in given["sorts"]), plan)
        if given["sorts"]
        else (),
        legs=legs,
        fusion=given["fusion"],
        weights=parse_weights(given["weights"]) if given["weights"] is not None else None,
        window=max(given["window"], given["page"] * given["size"]) if given["sorts"] else given["window"],
    )


def _order(wanted: str | None, shop: ServingContext) -> Literal["engine", "reranked"]:
    if wanted is None:
        if shop.ranker is None and shop.degraded:
            click.echo(f"engine order: {shop.degraded}", err=True)
        return "reranked" if shop.ranker else "engine"
    return "engine" if wanted == "engine" else "reranked"


def _sort(text: str, known: Any) -> str:
    """`price:desc` as the engine room writes it, `-price`."""
    column, _, way = text.rpartition(":")
    if text in known or way not in ("asc", "desc"):
        return text
    return f"-{column}" if way == "desc" else column


def _words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _search_one(client: Any, shop: ServingContext, asked: Search, given: dict[str, Any]) -> None:
    import orjson

    from rerank.search import search as search_shop

    from . import search_tables as show

    answer = search_shop(client, shop, asked)
    hits = answer.page(given["page"], given["size"])
    both = given["order"] == "both"
    if answer.degraded:
        click.echo(f"engine order: {answer.degraded}", err=True)
    if not hits and answer.hits:
        click.echo(
            f"page {given['page']} lies beyond the {len(answer.hits)} products of the window; see --window",
            err=True,
        )
    if given["as_json"]:
        click.echo(orjson.dumps(show.to_dict(answer, hits, both)))
    else:
        _print(shop, answer, hits, both, given["explain"])


def _print(shop: ServingContext, answer: Answer, hits: Any, both: bool, explain: bool) -> None:
    from rich.console import Console

    from . import search_tables as show

    if not answer.hits:
        click.echo(
            "nothing found; try other words, or fewer filters"
            if answer.similarity_threshold is None
            else f"no product is as near to the picture as the floor of {answer.similarity_threshold:.5f} asks"
        )
        return
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    side_by_side = both and answer.order == "reranked"
    console.print(
        show.both_orders(answer, hits, shop.schema)
        if side_by_side
        else show.one_order(answer, hits, shop.schema, explain)
    )
    for table in show.facets(answer.found.facets):
        console.print(table)


def _search_many(client: Any, shop: ServingContext, asked: Search, given: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from vitrine.errors import ArtifactError

    from .query_runs import read_lines, write_run

    if given["order"] == "both":
        raise click.UsageError("a run has one order: --order engine or --order reranked.")
    if given["order"] == "reranked" and shop.ranker is None:
        raise ArtifactError(shop.degraded or f"no model for alias {shop.alias}")
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("queries", total=len(read_lines(given["queries"])))
        report = write_run(
            client, shop, given["queries"], given["run"], asked, lambda count: progress.advance(task, count)
        )
    for number, why in report.failed.items():
        click.echo(f"{given['queries']}, line {number}: {why}", err=True)
    if report.degraded:
        first, why = next(iter(report.degraded.items()))
        click.echo(f"{len(report.degraded)} queries are in engine order, such as {first}: {why}", err=True)
    click.echo(f"{report.answered} queries answered, {len(report.failed)} failed: {given['run']}", err=True)
    if report.failed or report.degraded:
        sys.exit(1)


@click.command()
@click.option("--host", envvar="VITRINE_HOST", show_envvar=True, default="127.0.0.1", show_default=True)
@click.option("--port", envvar="VITRINE_PORT", show_envvar=True, default=8060, show_default=True)
@click.option(
    "--deadline-ms",
    type=click.FloatRange(1, 60_000),
    envvar="VITRINE_DEADLINE_MS",
    show_envvar=True,
    default=150.0,
    show_default=True,
    help="A window that is not ranked by then is answered in engine order.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    envvar="VITRINE_LOG_FORMAT",
    show_envvar=True,
    default="text",
    show_default=True,
    help="Log lines on stderr: text, or one JSON object a line.",
)
@options.url
@options.store
def serve(
    host: str,
    port: int,
    deadline_ms: float,
    log_format: Literal["text", "json"],
    url: str,
    store: str | None,
) -> None:
    """Run the rerank service: order, the engine's hook, embed, health, readiness, metrics.

    It serves every alias of the engine that has an index, takes a new model within seconds of `vitrine train`,
    and keeps no state of its own: start as many as you like.
    """
    # one thread a request: pools of several libraries would fight for the cores; set before numpy is loaded
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from rerank.service.run import run_service
    from vitrine import log

    log.configure(log_format)
    run_service(host, port, deadline_ms, url, store)
