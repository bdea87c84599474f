"""Let simulated shoppers search the real engine: `python -m scripts.sample.shoppers --catalogue FOLDER`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from opensearch import options
from vitrine.errors import EngineError

from .catalogue import read_truths
from .click_models import CLICK_MODELS
from .queries import Query, query_pool
from .simulation import QUERY_PREFIX, Log, Plan, Record, simulate
from .tastes import Shopper, draw_shoppers

if TYPE_CHECKING:
    from opensearch.client import OpenSearch
    from opensearch.logs.profiles import Click
    from vitrine.store import Store


def engine_search(
    client: OpenSearch, store: Store, alias: str, pool: Sequence[Query], window: int
) -> Callable[[str], list[str]]:
    """A function from a query of the pool to ids in the order of the engine's hybrid search."""
    from opensearch.index.versions import read_schema
    from opensearch.search.query import Page, Query, hybrid_body
    from opensearch.search.retrieve import retrieve
    from rerank.query_encoders import QueryEncoders

    schema = read_schema(client, alias)
    texts = [query.text for query in pool]
    query_vectors = QueryEncoders(schema, store).batch(texts, [None] * len(texts))
    vectors = dict(zip(texts, query_vectors, strict=True))

    def search(text: str) -> list[str]:
        query = Query(text, vectors[text])
        body = hybrid_body(query, schema, window=window, page=Page(source=()))
        return [candidate.id for candidate in retrieve(client, alias, body).candidates]

    return search


def write_files(log: Log, shoppers: Sequence[Shopper], folder: Path) -> None:
    """Write ubi_queries.jsonl, ubi_events.jsonl and slates.jsonl, and what no log knows into the folder `truth`.

    truth/shoppers.jsonl holds the tastes, truth/noise.jsonl the clicks of each search that had nothing to do with them.
    """
    for name, records in _parts(log):
        _write_lines(folder / f"{name}.jsonl", records)
    _write_lines(folder / "truth" / "shoppers.jsonl", [asdict(shopper) for shopper in shoppers])
    _write_lines(folder / "truth" / "noise.jsonl", log.truth)


def _write_lines(path: Path, records: Iterable[Record]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(orjson.dumps(record) + b"\n" for record in records)


def _parts(log: Log) -> Iterable[tuple[str, list[Record]]]:
    return ("ubi_queries", log.queries), ("ubi_events", log.events), ("slates", log.slates)


def write_engine(client: OpenSearch, alias: str, log: Log) -> None:
    """Write the log and the shoppers' profiles, in place of the records of an earlier simulation for the alias."""
    from opensearch.logs import profiles as shopper_profiles
    from opensearch.logs import slates, ubi

    for index, owner in ((ubi.QUERIES, "application"), (ubi.EVENTS, "application"), (slates.SLATES, "alias")):
        _forget(client, index, {owner: alias})
    refused = [
        *ubi.write_queries(client, log.queries),
        *ubi.write_events(client, log.events),
        *slates.write_slates(client, log.slates),
        *shopper_profiles.write_profiles(client, alias, profiles(log)),
    ]
    if refused:
        raise EngineError(
            f"the engine rejected {len(refused)} records of the simulated log: {refused[0].reason}"
        )


def profiles(log: Log) -> dict[str, list[Click]]:
    """Each shopper's clicks, oldest first."""
    from opensearch.logs.profiles import Click

    clicks: dict[str, list[Click]] = {}
    for event in log.events:
        if event["action_name"] == "click":
            at = datetime.fromisoformat(event["timestamp"]).timestamp()
            click_of = Click(event["event_attributes"]["object"]["object_id"], at)
            clicks.setdefault(event["client_id"], []).append(click_of)
    return clicks


def _forget(client: OpenSearch, index: str, owner: dict[str, str]) -> None:
    from opensearch.client import explained

    simulated = {"bool": {"filter": [{"term": owner}, {"prefix": {"query_id": QUERY_PREFIX}}]}}
    with explained(client):
        client.indices.refresh(index=index, params={"ignore_unavailable": "true"})
        client.delete_by_query(
            index=index,
            body={"query": simulated},
            params={
                "conflicts": "proceed",
                "refresh": "true",
                "request_timeout": 120,
                "ignore_unavailable": "true",
            },
        )


def _moment(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime:
    """An ISO 8601 time, UTC without a zone; now when there is none."""
    if value is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not an ISO 8601 time such as 2026-01-31T12:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command()
@click.option(
    "--catalogue", type=click.Path(path_type=Path, exists=True), required=True, help="Drawn catalogue."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to fill."
)
@click.option("--until", callback=_moment, help="ISO 8601 time at which the 28 days end [default: now].")
@click.option(
    "--searches", type=click.IntRange(min=1), default=6000, show_default=True, help="About so many."
)
@click.option("--seed", default=7, show_default=True, help="Same seed, same shoppers.")
@click.option(
    "--click-model",
    type=click.Choice(list(CLICK_MODELS)),
    default="position-based",
    show_default=True,
    help="What shoppers examine of a list.",
)
@click.option(
    "--noise",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="Share of the clicks that fall on any examined product.",
)
@options.index
@options.url
@options.store
def main(
    catalogue: Path,
    out: Path,
    until: datetime,
    searches: int,
    seed: int,
    click_model: str,
    noise: float,
    alias: str,
    url: str,
    store: str | None,
) -> None:
    """Simulate a month of searches and clicks, and write it as UBI records and slates to files and engine."""
    from opensearch.client import connect
    from rerank.shoppers import shopper_hash
    from vitrine.store import open_store

    client = connect(url)
    plan = Plan(until, alias, searches, seed=seed, click_model=click_model, noise=noise)
    pool = query_pool(seed)
    search = engine_search(client, open_store(store), alias, pool, plan.window)
    shoppers = draw_shoppers(seed=seed)
    log = simulate(shoppers, pool, read_truths(catalogue), search, shopper_hash, plan)
    write_files(log, shoppers, out)
    write_engine(client, alias, log)
    clicks = sum(event["action_name"] == "click" for event in log.events)
    click.echo(f"{len(log.queries)} searches with {clicks} clicks in {out} and in the engine", err=True)


if __name__ == "__main__":
    main()
