"""The demo's last step: example queries in three orders, the engine's own `_search`, and the ranking quality."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from opensearch import options
from vitrine import settings

from .catalogue import Truth, read_truths
from .queries import DEMO_QUERIES, DemoQuery, query_pool
from .query_intent import true_ndcg, true_relevance
from .simulation import attraction
from .tastes import NAMED_SHOPPERS

if TYPE_CHECKING:
    from rich.console import Console

    from opensearch.client import OpenSearch
    from rerank.answer import Hit
    from rerank.serving_context import ServingContext

SHOWN = 5
_ROOT = Path(__file__).resolve().parents[2]


def _order(client: OpenSearch, context: ServingContext, text: str, way: str, shopper: str = "") -> list[Hit]:
    """The window of a query: `words` alone, `hybrid` in engine order, or `reranked` (for a shopper by name)."""
    from opensearch.search.query import Fusion
    from rerank.search import search
    from rerank.search_request import Search
    from rerank.shoppers import shopper_hash

    request = Search(
        text,
        order="reranked" if way == "reranked" else "engine",
        fusion=Fusion(sub_queries=("lexical",)) if way == "words" else Fusion(),
        shopper=shopper_hash(shopper) if shopper else None,
    )
    return search(client, context, request).hits


def show_query(
    console: Console,
    client: OpenSearch,
    context: ServingContext,
    demo: DemoQuery,
    truths: Mapping[str, Truth],
) -> None:
    """Print one query's orders side by side; a dot marks products of the highest true relevance."""
    from rich.table import Table

    names = demo.shoppers or ("",)
    columns = [
        ("BM25", _order(client, context, demo.text, "words"), names),
        ("hybrid", _order(client, context, demo.text, "hybrid"), names),
    ]
    for name in names:
        hits = _order(client, context, demo.text, "reranked", name)
        columns.append((f"reranked for {name}" if name else "reranked", hits, (name,)))
    table = Table(title=f"{demo.text}  ({demo.why})", title_justify="left", title_style="bold", expand=True)
    for head, hits, judges in columns:
        figures = "\n        ".join(
            _ndcg_text(demo.text, [hit.id for hit in hits], name, truths) for name in judges
        )
        table.add_column(f"{head}\n[not bold dim]nDCG@10 {figures}[/]", ratio=1, no_wrap=True)
    for place in range(SHOWN):
        cells = [_cell(demo.text, hits[place], truths) if place < len(hits) else "" for _, hits, _ in columns]
        table.add_row(*cells)
    console.print(table)


def _ndcg_text(query: str, ids: Sequence[str], name: str, truths: Mapping[str, Truth]) -> str:
    """nDCG@10 by true relevance, or by the true preference of this shopper."""
    shopper = {shopper.name: shopper for shopper in NAMED_SHOPPERS}.get(name)
    if shopper is None:
        value = true_ndcg(query, ids, truths)
    else:
        value = true_ndcg(query, ids, truths, gain=lambda text, truth: attraction(text, shopper, truth))
    return f"{f'{name} ' if name else ''}{value or 0.0:.2f}"


def _cell(query: str, hit: Hit, truths: Mapping[str, Truth]) -> str:
    truth = truths[hit.id]
    mark = "[green]●[/]" if true_relevance(query, truth) == 3 else "○"
    return f"{mark} [dim]{truth.colour} {truth.pattern}:[/] {hit.product.get('title', hit.id)}"


def show_quality(
    console: Console, client: OpenSearch, context: ServingContext, truths: Mapping[str, Truth]
) -> None:
    """Print mean nDCG@10 by true relevance over the whole query pool, without a shopper."""
    from rich.table import Table

    scores: dict[str, list[float]] = {"words": [], "hybrid": [], "reranked": []}
    pool = query_pool()
    for query in pool:
        for way, values in scores.items():
            ids = [hit.id for hit in _order(client, context, query.text, way)]
            value = true_ndcg(query.text, ids, truths)
            if value is not None:
                values.append(value)
    table = Table(
        title=f"nDCG@10 by true relevance, {len(scores['words'])} queries, no shopper given",
        title_justify="left",
    )
    for column in ("order", "nDCG@10", "against hybrid (95 % of resamples)"):
        table.add_column(column)
    base = np.array(scores["hybrid"])
    for way, values in scores.items():
        table.add_row(
            {"words": "BM25 alone"}.get(way, way),
            f"{np.mean(values):.3f}",
            _interval(np.array(values) - base),
        )
    console.print(table)


def _interval(differences: np.ndarray) -> str:
    if not differences.any():
        return ""
    from rerank.evaluation.intervals import bootstrap

    interval = bootstrap(differences)
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def hook_body(client: OpenSearch, context: ServingContext, text: str, shopper: str) -> dict[str, Any]:
    """A `_search` body as an existing shop would send it: the hybrid query, and the rerank context in `ext`."""
    from opensearch.hook.pipelines import rerank_ext
    from rerank.search import engine_body
    from rerank.search_request import Search
    from rerank.shoppers import shopper_hash

    body = engine_body(context, Search(text), context.encoders.vectors(text))
    del body["search_pipeline"]  # named in the URL instead
    return body | {
        "size": 10,
        "_source": ["id", "title"],
        "ext": rerank_ext({"q": text, "shopper": shopper_hash(shopper)}),
    }


def ask_engine(url: str, alias: str, body: Mapping[str, Any], pipeline: str) -> list[str]:
    """Titles in the order of the engine's own answer."""
    request = urllib.request.Request(
        f"{url}/{alias}/_search?search_pipeline={pipeline}",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return [hit["_source"]["title"] for hit in json.load(answer)["hits"]["hits"]]


def _ask_until_reranked(url: str, alias: str, body: Mapping[str, Any], plain: list[str]) -> list[str]:
    """Titles of the pipeline's answer; the first answers of a service may miss the deadline on a busy machine."""
    for _ in range(5):
        titles = ask_engine(url, alias, body, f"{alias}-rerank-page")
        if titles != plain:
            break
    return titles


def show_hook(console: Console, url: str, alias: str, body: Mapping[str, Any], folder: Path) -> None:
    """Search through OpenSearch itself, with the service up, stopped, and up again."""
    (folder / "query.json").write_text(json.dumps(body))
    plain = ask_engine(url, alias, body, f"{alias}-fusion")
    up = _ask_until_reranked(url, alias, body, plain)
    subprocess.run([_ROOT / "scripts" / "stop-service"], check=True)
    down = ask_engine(url, alias, body, f"{alias}-rerank-page")
    port = settings.VITRINE_SERVICE.read().rsplit(":", 1)[-1]
    subprocess.run([_ROOT / "scripts" / "start-service", port], check=True)
    again = _ask_until_reranked(url, alias, body, plain)
    if up == plain or down != plain or again != up:
        raise click.ClickException(
            "the engine's pipeline did not rerank, or did not answer in engine order without the service; "
            "see .demo/service.log and `vitrine hook status`"
        )
    console.print("[bold]The same search through OpenSearch's own _search[/] (first three titles)")
    for name, titles in (
        ("service up", up),
        ("service stopped: engine order", down),
        ("service up again", again),
    ):
        console.print(f"  {name:<30} {' · '.join(titles[:3])}")


@click.command()
@click.option(
    "--demo", "folder", type=click.Path(path_type=Path, exists=True), default=".demo", show_default=True
)
@options.url
@options.index
@options.store
def main(folder: Path, url: str, alias: str, store: str | None) -> None:
    """Show the results of the demo."""
    from rich.console import Console

    from opensearch.client import connect
    from rerank.models.card import read_model_card
    from rerank.serving_context import open_context
    from rerank.training.comparison.compare import Comparison
    from rerank.training.comparison.tables import comparison_table
    from vitrine.store import open_store

    console = Console(width=max(Console().width, 110))
    client = connect(url)
    artifacts = open_store(store)
    context = open_context(client, artifacts, alias)
    truths = read_truths(folder / "catalogue")
    for demo in DEMO_QUERIES:
        show_query(console, client, context, demo, truths)
    show_hook(console, url, alias, hook_body(client, context, "dress", "ana"), folder)
    show_quality(console, client, context, truths)
    if context.ranker:
        card = read_model_card(artifacts.get("models", context.ranker.artifacts.model))
        if card.comparison:
            console.print(comparison_table(Comparison.from_dict(card.comparison)))
    _what_next(console, url, alias)


def _what_next(console: Console, url: str, alias: str) -> None:
    lines: Sequence[str] = (
        f'.venv/bin/vitrine search "striped lamp" --index {alias} --order both --url {url}',
        f'.venv/bin/vitrine search "dress" --index {alias} --shopper ben --filter "price<60" --url {url}',
        f"curl -s '{url}/{alias}/_search?search_pipeline={alias}-rerank-page&filter_path=hits.hits._source.title'"
        " -H 'content-type: application/json' -d @.demo/query.json",
        f".venv/bin/vitrine doctor --index {alias} --url {url}",
        "make down",
    )
    console.print("[bold]What to try next[/] (export VITRINE_STORE=$PWD/.demo/store first)")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


if __name__ == "__main__":
    main()
