"""The commands `vitrine train` and `vitrine model`."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from opensearch import options
from rerank.models.fusions import DEFAULT_FUSION, FUSIONS
from rerank.models.losses import DEFAULT_LOSS, LOSSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensearch.client import OpenSearch
    from rerank.training.artifacts import TrainingData
    from rerank.training.examples import Embed
    from rerank.training.release import Release
    from rerank.training.train import OnProgress, TrainingResult
    from vitrine.store import Store

_RRF = "rrf"  # of --fusion, beside the neural ones


@dataclass(frozen=True)
class TrainOptions:
    """The options of `vitrine train`; `until` is in seconds since 1970."""

    until: float | None
    fusion: str
    engine_order: str
    loss: str
    epochs: int
    batch: int
    rate: float
    seed: int


def _moment(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Return seconds since 1970 of an ISO 8601 moment, UTC where it names no zone."""
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
    "--until", callback=_moment, help="Use the log up to this ISO 8601 moment.  [default: the whole log]"
)
@click.option(
    "--fusion",
    type=click.Choice([*FUSIONS, _RRF]),
    default=DEFAULT_FUSION,
    show_default=True,
    help="The trained fusion, or rrf: reciprocal rank fusion of single signals, which is not trained.",
)
@click.option(
    "--engine-order",
    type=click.Choice(["hybrid", "lexical"]),
    default="hybrid",
    show_default=True,
    help="What rrf reranks: the hybrid search, or a lexical search that used no vectors.",
)
@click.option(
    "--loss",
    type=click.Choice(list(LOSSES)),
    default=DEFAULT_LOSS,
    show_default=True,
    help="The ranking loss.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Maximum; training stops early when the validation loss stops falling.",
)
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Slates per step.")
@click.option(
    "--rate",
    type=click.FloatRange(0, 1, min_open=True),
    default=5e-4,
    show_default=True,
    help="Learning rate.",
)
@click.option("--seed", default=7, show_default=True, help="The same seed and log give the same model.")
@options.url
@options.store
@options.as_json
def train(alias: str, url: str, store: str | None, as_json: bool, **values: Any) -> None:
    """Train the reranker from the UBI log and put it in service.

    The log is split by time: the latest fifth is held out, and a table compares the engine's order, single signals,
    LightGBM and the trained model on it. Without a log, a reciprocal rank fusion is put in service, so that searches are
    reranked from the first day: after a hybrid search it corrects the ranks of products without image, after a lexical
    search it adds text and image cosines.
    """
    from opensearch.client import connect
    from rerank.training.release import put_in_service, read_training_data
    from vitrine.store import open_store

    settings = TrainOptions(**values)
    client, artifacts = connect(url), open_store(store)
    with progress_bars() as on_progress:
        data = read_training_data(client, alias, settings.until, on_progress)
        if settings.fusion == _RRF or not data.log.slates:
            result = _make_rrf(client, data, artifacts, settings, on_progress)
        else:
            result = _train_neural(data, artifacts, settings, on_progress)
        put_in_service(client, artifacts, alias, result)
    _print_result(alias, result, as_json)


def _make_rrf(
    client: OpenSearch, data: TrainingData, store: Store, settings: TrainOptions, on_progress: OnProgress
) -> TrainingResult:
    from rerank.models.rrf import RRF_AFTER_HYBRID, rrf_after_bm25
    from rerank.training.missing_image import learn_missing_image_correction
    from rerank.training.train import make_rrf
    from vitrine.errors import WeightsError

    fusion = rrf_after_bm25()
    if settings.engine_order == "hybrid":
        try:
            correction = learn_missing_image_correction(client, data, _embed(data, store), on_progress)
        except WeightsError:  # the catalogue gives no known-item queries
            correction = 1.0
        fusion = replace(RRF_AFTER_HYBRID, missing_image_correction=correction)
    return make_rrf(data, store, fusion, on_progress)


def _train_neural(
    data: TrainingData, store: Store, settings: TrainOptions, on_progress: OnProgress
) -> TrainingResult:
    from rerank.training.fit import TrainingSettings
    from rerank.training.train import train_neural

    training = TrainingSettings(
        epochs=settings.epochs,
        batch=settings.batch,
        rate=settings.rate,
        seed=settings.seed,
        loss=settings.loss,
        fusion=settings.fusion,
    )
    return train_neural(data, store, _embed(data, store), training, on_progress)


def _embed(data: TrainingData, store: Store) -> Embed:
    from rerank.query_encoders import QueryEncoders

    encoders = QueryEncoders(data.schema, store)
    return lambda texts: encoders.batch(texts, [None] * len(texts))


@contextmanager
def progress_bars() -> Iterator[OnProgress]:
    """Yield a function that shows the progress of each stage as a bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("{task.description:<26}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, Any] = {}

    def on_progress(stage: str, done: int, total: int) -> None:
        name = stage.split(" ")[0]  # all epochs share one bar
        if name not in tasks:
            tasks[name] = progress.add_task(stage, total=total)
        progress.update(tasks[name], description=stage, completed=done, total=total)

    with progress:
        yield on_progress


def _print_result(alias: str, result: TrainingResult, as_json: bool) -> None:
    names = asdict(result.artifacts)
    if as_json:
        comparison = result.comparison.to_dict() if result.comparison else None
        document = {"kind": result.kind, **names, "training": result.training, "comparison": comparison}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    if result.comparison:
        from rich.console import Console

        from rerank.training.compare import comparison_table

        width = None if sys.stdout.isatty() else 120
        Console(width=width).print(comparison_table(result.comparison))
    elif not result.training["searches"]:
        click.echo(f"There is no log of {alias} yet: nothing was learned.")
    if result.kind == _RRF:
        click.echo(f"In service: {_describe_rrf(result.training['fusion'])}.")
        click.echo("Run `vitrine train` again when the UBI log holds clicks.")
    click.echo(f"{alias} is now ranked by {names['model']} with {names['items']} and {names['behaviour']}.")


def _describe_rrf(fusion: dict[str, Any]) -> str:
    from opensearch.index.spaces import SPACES

    labels = {"engine": "the engine's order", **{space: f"{space} cosine" for space in SPACES}}
    weights = [f"{labels.get(signal, signal)} {weight:g}" for signal, weight in fusion["weights"].items()]
    description = f"reciprocal rank fusion of {', '.join(weights)}"
    correction = fusion["missing_image_correction"]
    if correction == 1.0:
        return description
    return f"{description}; the rank of a product without image is divided by {correction:.2g}"


@click.group()
def model() -> None:
    """The rerankers of an alias: list, use, rollback."""


@model.command("list")
@options.index
@options.url
@options.store
@options.as_json
def list_models(alias: str, url: str, store: str | None, as_json: bool) -> None:
    """List every model that was in service, newest first, with its figures on held-out searches."""
    from opensearch.client import connect
    from rerank.training.release import releases
    from vitrine.store import open_store

    models = releases(connect(url), open_store(store), alias)
    if as_json:
        click.echo(json.dumps([release.to_dict() for release in models], ensure_ascii=False))
    elif not models:
        click.echo(f"No model for {alias} yet: run `vitrine train`.")
    else:
        _print_models(models)


def _print_models(models: list[Release]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for head in ("", "model", "since", "index", "without position bias", "engine order"):
        table.add_column(head)
    for release in models:
        values = release.to_dict()
        rows = (values["comparison"] or {}).get("rows") or [{}]
        figures = [f"{row['unbiased']['mean']:.3f}" if row else "-" for row in (rows[-1], rows[0])]
        status = "in service" if release.current else ""
        index = values["index"] or "not in the store"
        table.add_row(status, values["model"], values["since"], index, *figures)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


@model.command()
@click.argument("name")
@options.index
@options.url
@options.store
def use(name: str, alias: str, url: str, store: str | None) -> None:
    """Put a model of the list in service."""
    from opensearch.client import connect
    from rerank.training.release import use_model
    from vitrine.store import open_store

    pointer = use_model(connect(url), open_store(store), alias, name)
    click.echo(f"{alias} is now ranked by {pointer.model}.")


@model.command()
@options.index
@options.url
@options.store
def rollback(alias: str, url: str, store: str | None) -> None:
    """Put the model before the current one in service; run again to go one further back."""
    from opensearch.client import connect
    from rerank.training import release
    from vitrine.store import open_store

    pointer = release.roll_back_model(connect(url), open_store(store), alias)
    click.echo(f"{alias} is now ranked by {pointer.model}.")
