"""The command `vitrine train`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from opensearch import options
from rerank.models.fusions import DEFAULT_FUSION, FUSIONS
from rerank.models.losses import DEFAULT_LOSS, LOSSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensearch.client import OpenSearch
    from rerank.training.artifacts import TrainingData
    from rerank.training.examples import Embed
    from rerank.training.train import OnProgress, TrainingResult
    from vitrine.store import Store

from .train_report import TrainingOutcome

_CATALOGUE, _RRF = "catalogue", "rrf"  # of --fusion, beside the neural ones


@dataclass(frozen=True)
class TrainOptions:
    """The options of `vitrine train` that do not concern the log; `fusion_is_chosen`: by the user, not by default."""

    fusion: str
    fusion_is_chosen: bool
    force: bool
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


def _actions(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return what each named action means, by its normalised name."""
    from rerank.training.log.actions import KINDS, normalised

    actions = {}
    for value in values:
        name, separator, kind = value.rpartition("=")
        if not separator or not normalised(name) or kind.strip().lower() not in KINDS:
            raise click.BadParameter(f"{value!r} is not NAME=KIND with one of {', '.join(KINDS)}")
        actions[normalised(name)] = kind.strip().lower()
    return actions


@click.command()
@options.index
@click.option(
    "--action",
    "actions",
    metavar="NAME=KIND",
    multiple=True,
    callback=_actions,
    help="Events of this name are a click, cart, purchase, or ignore. Repeatable; the usual names are known.",
)
@click.option(
    "--application",
    "applications",
    metavar="NAME",
    multiple=True,
    help="Read the UBI records of this application; '' for those that name none. Repeatable.  [default: the alias]",
)
@click.option(
    "--force", is_flag=True, help="Put the model in service although it is worse than the engine's order."
)
@click.option(
    "--until", callback=_moment, help="Use the log up to this ISO 8601 moment.  [default: the whole log]"
)
@click.option(
    "--fusion",
    type=click.Choice([*FUSIONS, _CATALOGUE, _RRF]),
    default=DEFAULT_FUSION,
    show_default=True,
    help="The trained fusion; catalogue: weights that the products alone teach; or rrf: reciprocal rank fusion.",
)
@click.option(
    "--engine-order",
    type=click.Choice(["hybrid", "lexical"]),
    default="hybrid",
    show_default=True,
    help="What rrf reranks: the hybrid search, or a lexical search that used no vectors, which is always reranked by rrf.",
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
    LightGBM and the trained model on it. Without a log, or with one of fewer than 100 searches with a click, a ranker that
    learned from the products alone is put in service, so that searches are reranked from the first day: it adds up the
    words that a product holds, its text and image cosines and the engine's rank, weighed by queries made of attributes.

    A model that is worse than the engine's order on the held-out searches is kept in the store but not put in service: the
    ranker in service stays, and the exit status is 1.
    """
    from opensearch.client import connect
    from rerank.training.log.source import LogOptions
    from rerank.training.release import read_training_data
    from vitrine.store import open_store

    from .train_report import print_outcome

    log = LogOptions(values.pop("until"), values.pop("applications"), values.pop("actions"))
    chosen = click.get_current_context().get_parameter_source("fusion") is not ParameterSource.DEFAULT
    settings = TrainOptions(**values, fusion_is_chosen=chosen)
    client, artifacts = connect(url), open_store(store)
    with progress_bars() as on_progress:
        data = read_training_data(client, alias, log, on_progress)
        outcome = _Training(client, artifacts, alias, data, settings, on_progress).run()
    print_outcome(alias, outcome, data.log, as_json)
    if outcome.failed:
        sys.exit(1)


@dataclass(frozen=True)
class _Training:
    """One run: the ranker that the log allows is made and put in service, or the one in service stays."""

    client: OpenSearch
    store: Store
    alias: str
    data: TrainingData
    settings: TrainOptions
    on_progress: OnProgress

    def run(self) -> TrainingOutcome:
        from rerank.training.release import set_aside
        from rerank.training.verdict import reason_against
        from vitrine.errors import NothingLearnedError, SmallLogError

        if self.settings.fusion in (_CATALOGUE, _RRF):
            return self._serve(self._without_log())
        log = self.data.log
        if not (log.slates or log.records):
            return self._without_learning(f"there is no log of {self.alias} yet")
        try:
            trained = _train_neural(self.data, self.store, self.settings, self.on_progress)
        except NothingLearnedError as error:
            too_small = isinstance(error, SmallLogError)
            if too_small and self.settings.fusion_is_chosen:  # nothing else was asked for
                raise SmallLogError(
                    f"{error}; collect more, or leave out --fusion to serve the ranker that learns from no click"
                ) from error
            return self._without_learning(str(error), failed=not too_small)
        reason = reason_against(trained.comparison) if trained.comparison else None
        if reason is None or self.settings.force:
            return self._serve(trained, reason)
        set_aside(self.store, self.alias, trained.artifacts)
        return replace(self._without_learning(reason, failed=True), refused=trained)

    def _without_learning(self, reason: str, *, failed: bool = False) -> TrainingOutcome:
        """Keep the trained model in service, or serve the ranker that learns from no click."""
        from rerank.training.release import trained_in_service

        kept = trained_in_service(self.client, self.store, self.data, self.alias)
        if kept is None:
            return replace(self._serve(self._without_log(), reason), failed=failed)
        return TrainingOutcome(kept, reason=reason, failed=failed)

    def _serve(self, result: TrainingResult, reason: str | None = None) -> TrainingOutcome:
        from rerank.training.release import put_in_service

        moved = put_in_service(self.client, self.store, self.alias, result)
        return TrainingOutcome(result.artifacts, result, reason, moved_profiles=moved)

    def _without_log(self) -> TrainingResult:
        """Return the ranker that learns from no click."""
        rrf = self.settings.fusion == _RRF or self.settings.engine_order == "lexical"
        make = _make_rrf if rrf else _make_catalogue_ranker
        return make(self.client, self.data, self.store, self.settings, self.on_progress)


def _make_catalogue_ranker(
    client: OpenSearch, data: TrainingData, store: Store, settings: TrainOptions, on_progress: OnProgress
) -> TrainingResult:
    from rerank.training.catalogue import learn_catalogue_weights, read_catalogue
    from rerank.training.train import make_catalogue_ranker

    texts = read_catalogue(client, data, on_progress)
    learned = learn_catalogue_weights(client, data, texts, _embed(data, store), on_progress)
    return make_catalogue_ranker(data, store, learned, texts.words, on_progress)


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
