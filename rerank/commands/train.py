"""The commands `vitrine train` and `vitrine model`."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from opensearch import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensearch.client import OpenSearch
    from rerank.training.release import Released
    from rerank.training.train import Embed, Tell, Trained, TrainingData
    from vitrine.store import Store


def _moment(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Seconds since 1970 of an ISO 8601 moment, UTC where it names no zone."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no ISO 8601 moment such as 2026-01-31T12:00") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@click.command()
@options.index
@click.option(
    "--until", callback=_moment, help="Use the log up to this ISO 8601 moment.  [default: all of it]"
)
@click.option(
    "--epochs", type=click.IntRange(1), default=20, show_default=True, help="At most; stops early by itself."
)
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Slates a step.")
@click.option("--rate", type=click.FloatRange(0, 1, min_open=True), default=5e-4, show_default=True)
@click.option("--seed", default=7, show_default=True, help="Same seed and log, same model.")
@click.option(
    "--fusion", is_flag=True, help="Put the fusion of single signals in service: nothing is learned."
)
@click.option(
    "--reranks",
    type=click.Choice(["hybrid", "words"]),
    default="hybrid",
    show_default=True,
    help="What a fusion gets to rerank: Vitrine's own search, or the order of a search of words that was there before.",
)
@options.url
@options.store
@options.as_json
def train(
    alias: str,
    until: float | None,
    fusion: bool,
    reranks: str,
    url: str,
    store: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Train the reranker from the UBI log and put it in service.

    The log is split by time: the latest fifth is held back, and a table compares the engine's order, single signals,
    LightGBM and the trained model on it. Without any log a fusion is put in service, so that searches are reranked from the
    first day: of Vitrine's own order it makes good what products without picture lose there, an order of words alone
    is fused with text and picture vectors.
    """
    from opensearch.client import connect
    from rerank.training.release import put_in_service, read_ground
    from vitrine.store import open_store

    client, shelf = connect(url), open_store(store)
    with progress() as tell:
        ground = read_ground(client, alias, until, tell)
        if fusion or not ground.log.slates:
            trained = _fused_untrained(client, ground, shelf, reranks, tell)
        else:
            trained = _trained(ground, shelf, given, tell)
        put_in_service(client, shelf, alias, trained)
    _tell_trained(alias, trained, as_json)


def _fused_untrained(
    client: OpenSearch, ground: TrainingData, store: Store, reranks: str, tell: Tell
) -> Trained:
    from dataclasses import replace

    from rerank.models.fusion import RRF_AFTER_BM25, RRF_AFTER_HYBRID
    from rerank.training.missing_image import learn_allowance
    from rerank.training.train import make_fusion
    from vitrine.errors import WeightsError

    fusion = RRF_AFTER_BM25
    if reranks == "hybrid":
        try:
            learned = learn_allowance(
                client, ground.index, ground.schema, ground.catalogue, _embed(ground, store), tell
            )
        except WeightsError:  # a catalogue of which no queries can be made
            learned = 1.0
        fusion = replace(RRF_AFTER_HYBRID, missing_image_correction=learned)
    return make_fusion(ground, store, fusion, tell)


def _trained(ground: TrainingData, store: Store, given: dict[str, Any], tell: Tell) -> Trained:
    from rerank.training.fit import Settings
    from rerank.training.train import train_fused

    return train_fused(ground, store, _embed(ground, store), Settings(**given), tell)


def _embed(ground: TrainingData, store: Store) -> Embed:
    from rerank.query_encoders import QueryEncoders

    encoders = QueryEncoders(ground.schema, store)
    return lambda texts: encoders.batch(texts, [None] * len(texts))


@contextmanager
def progress() -> Iterator[Tell]:
    """A progress bar on stderr, one line a stage."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description:<26}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    lines: dict[str, Any] = {}

    def tell(stage: str, done: int, total: int) -> None:
        name = stage.split(" ")[0]  # an epoch's loss is told on one line
        if name not in lines:
            lines[name] = bar.add_task(stage, total=total)
        bar.update(lines[name], description=stage, completed=done, total=total)

    with bar:
        yield tell


def _tell_trained(alias: str, trained: Trained, as_json: bool) -> None:
    from dataclasses import asdict

    names = asdict(trained.artifacts)
    if as_json:
        comparison = trained.comparison.to_dict() if trained.comparison else None
        told = {"kind": trained.kind, **names, "training": trained.training, "comparison": comparison}
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    if trained.comparison:
        from rich.console import Console

        from rerank.training.compare import table

        wide = None if sys.stdout.isatty() else 120
        Console(width=wide).print(table(trained.comparison))
    elif not trained.training["searches"]:
        click.echo(f"There is no log of {alias} yet: nothing was learned.")
    if trained.kind == "fusion":
        click.echo(f"In service: {_told_fusion(trained.training['fusion'])}.")
        click.echo("Run `vitrine train` again when the UBI log holds clicks.")
    click.echo(f"{alias} is now ranked by {names['model']} with {names['items']} and {names['behaviour']}.")


def _told_fusion(fusion: dict[str, Any]) -> str:
    names = ("the engine's order", "text cosine", "picture cosine", "popularity")
    parts = [f"{name} {weight:g}" for name, weight in zip(names, fusion["weights"], strict=True) if weight]
    told = f"reciprocal rank fusion of {', '.join(parts)}"
    if fusion["missing_image_correction"] == 1.0:
        return told
    return f"{told}; the rank of a product without picture is divided by {fusion['missing_image_correction']:.2g}"


@click.group()
def model() -> None:
    """The rerankers of an alias: list, use, rollback."""


@model.command("list")
@options.index
@options.url
@options.store
@options.as_json
def list_models(alias: str, url: str, store: str | None, as_json: bool) -> None:
    """Show every model that was in service, newest first, with its figures on held-back searches."""
    from opensearch.client import connect
    from rerank.training.release import releases
    from vitrine.store import open_store

    found = releases(connect(url), open_store(store), alias)
    if as_json:
        click.echo(json.dumps([release.to_dict() for release in found], ensure_ascii=False))
    elif not found:
        click.echo(f"No model for {alias} yet: run `vitrine train`.")
    else:
        _show(found)


def _show(found: list[Released]) -> None:
    from rich.console import Console
    from rich.table import Table

    drawn = Table()
    for head in ("", "model", "since", "index", "without position bias", "engine order"):
        drawn.add_column(head)
    for release in found:
        told = release.to_dict()
        rows = (told["comparison"] or {}).get("rows") or [{}]
        figures = [f"{row['unbiased']['mean']:.3f}" if row else "-" for row in (rows[-1], rows[0])]
        mark = "in service" if release.current else ""
        drawn.add_row(mark, told["model"], told["since"], told["index"] or "not in the store", *figures)
    Console(width=None if sys.stdout.isatty() else 120).print(drawn)


@model.command()
@click.argument("name")
@options.index
@options.url
@options.store
def use(name: str, alias: str, url: str, store: str | None) -> None:
    """Put a model of the list back in service."""
    from opensearch.client import connect
    from rerank.training.release import use as put_back
    from vitrine.store import open_store

    pointer = put_back(connect(url), open_store(store), alias, name)
    click.echo(f"{alias} is now ranked by {pointer.model}.")


@model.command()
@options.index
@options.url
@options.store
def rollback(alias: str, url: str, store: str | None) -> None:
    """Put back the model that was in service before; again and it goes further back."""
    from opensearch.client import connect
    from rerank.training.release import rollback as go_back
    from vitrine.store import open_store

    pointer = go_back(connect(url), open_store(store), alias)
    click.echo(f"{alias} is now ranked by {pointer.model}.")
