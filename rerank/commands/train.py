"""The command `vitrine train`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from opensearch import options
from rerank.models.neural.fusions import DEFAULT_FUSION, FUSIONS
from rerank.models.neural.losses import DEFAULT_LOSS, LOSSES
from rerank.models.neural.served_interest import DEFAULT_INTEREST, INTERESTS
from rerank.training.collaborative.neighbours import DEFAULT_METHOD, ITEM_METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensearch.client import OpenSearch
    from rerank.features.words import ProductWords
    from rerank.models.rrf import RRFSettings
    from rerank.training.artifacts import TrainingData
    from rerank.training.candidates import OnProgress
    from rerank.training.catalogue.learn import LearnedCatalogue
    from rerank.training.examples import Embed
    from rerank.training.train import TrainingResult
    from vitrine.store import Store

from . import log_options
from .train_report import TrainingOutcome

# of --fusion, beside the neural ones: of these rankers that need no log, the first is the default one
_CATALOGUE, _RRF = "catalogue", "rrf"
# The keys of `rerank.training.candidates.CANDIDATES`, which takes most of a second to import; a test compares them.
CANDIDATE_NAMES = ("fused", "lambdamart", _CATALOGUE, _RRF)


@dataclass(frozen=True)
class TrainOptions:
    """The options of `vitrine train` that do not concern the log; `chosen`: fusion or candidates, by the user."""

    fusion: str
    chosen: bool
    force: bool
    engine_order: str
    candidates: tuple[str, ...]
    loss: str
    interest: str
    neighbours: str
    epochs: int
    batch: int
    rate: float
    seed: int


def _candidates(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    """Return the names of candidates in a list with commas, each once."""
    names = tuple(dict.fromkeys(name.strip().lower() for name in value.split(",") if name.strip()))
    unknown = [name for name in names if name not in CANDIDATE_NAMES]
    if unknown or not names:
        raise click.BadParameter(f"{value!r} is no list of {', '.join(CANDIDATE_NAMES)}")
    return names


@click.command()
@options.index
@log_options.actions
@log_options.applications
@log_options.keep_robots
@click.option(
    "--force", is_flag=True, help="Put the model in service although it is worse than the engine's order."
)
@log_options.until
@click.option(
    "--candidates",
    default=",".join(CANDIDATE_NAMES),
    show_default=True,
    metavar="NAMES",
    callback=_candidates,
    help="What is made and compared, with commas: the fused model, LightGBM LambdaMART, the catalogue's ranker, and rrf.",
)
@click.option(
    "--fusion",
    type=click.Choice([*FUSIONS, _CATALOGUE, _RRF]),
    default=DEFAULT_FUSION,
    show_default=True,
    help="How the fused model mixes text, image and numbers; transformer is compared only. Or a ranker that needs no log: "
    "catalogue, weights that the products alone teach; rrf, reciprocal rank fusion.",
)
@click.option(
    "--interest",
    type=click.Choice(list(INTERESTS)),
    default=DEFAULT_INTEREST,
    show_default=True,
    help="How the fused model reads a shopper's clicks.",
)
@click.option(
    "--neighbours",
    type=click.Choice(ITEM_METHODS),
    default=DEFAULT_METHOD,
    show_default=True,
    help="How the products that the same shoppers click are found.",
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

    The log is split by time: the latest fifth is held out, and a table compares the engine's order, single signals and
    the candidates on it. The candidate with the highest figure without position bias is put in service. Without a
    log, or with one of fewer than 100 searches with a click, a ranker that learned from the products alone is put in
    service, so that searches are reranked from the first day: it adds up the words that a product holds, its text and
    image cosines and the engine's rank, weighed by queries made of attributes.

    The words of clicked queries that three shoppers or more typed become words that correct queries know.

    A model that is worse than the engine's order on the held-out searches is kept in the store but not put in service: the
    ranker in service stays, and the exit status is 1.
    """
    from opensearch.client import connect
    from rerank.training.log.source import LogOptions
    from rerank.training.release import read_training_data
    from vitrine.store import open_store

    from .train_report import print_outcome

    log = LogOptions(**{name: values.pop(name) for name in log_options.NAMES})
    source = click.get_current_context().get_parameter_source
    chosen = any(source(name) is not ParameterSource.DEFAULT for name in ("fusion", "candidates"))
    settings = TrainOptions(**values, chosen=chosen)
    client, artifacts = connect(url), open_store(store)
    with progress_bars() as on_progress:
        data = read_training_data(client, alias, log, on_progress)
        _take_clicked_words(client, artifacts, alias, data)
        outcome = _Training(client, artifacts, alias, data, settings, on_progress).run()
    print_outcome(alias, outcome, data.log, as_json)
    if outcome.failed:
        sys.exit(1)


def _take_clicked_words(client: OpenSearch, store: Store, alias: str, data: TrainingData) -> None:
    """Take the words of clicked queries into the vocabulary; without them the training goes on."""
    from rerank.training.clicked_words import take_clicked_words
    from vitrine.errors import VitrineError

    try:
        words = take_clicked_words(client, store, alias, data)
    except VitrineError as error:
        click.echo(f"the vocabulary keeps its words of clicked queries: {error}", err=True)
    else:
        if words is not None:
            click.echo(f"the vocabulary has {words:,} words of clicked queries", err=True)


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
        from rerank.training.comparison.verdict import reason_against
        from rerank.training.release import set_aside
        from vitrine.errors import NothingLearnedError, SmallLogError

        without_log = (_CATALOGUE, _RRF)
        if self.settings.fusion in without_log or set(self.settings.candidates) <= set(without_log):
            return self._serve(self._without_clicks())
        log = self.data.log
        if not (log.slates or log.records):
            return self._without_learning(f"there is no log of {self.alias} yet")
        try:
            trained = self._train()
        except NothingLearnedError as error:
            too_small = isinstance(error, SmallLogError)
            if too_small and self.settings.chosen:  # nothing else was asked for
                raise SmallLogError(
                    f"{error}; collect more, or leave out --fusion and --candidates to serve the ranker that learns from "
                    "no click"
                ) from error
            return self._without_learning(str(error), failed=not too_small)
        reason = (
            reason_against(trained.comparison, trained.label)
            if trained.comparison and trained.label
            else None
        )
        if reason is None or self.settings.force:
            return self._serve(trained, reason)
        set_aside(self.store, self.alias, trained.artifacts, reason)
        return replace(self._without_learning(reason, failed=True), refused=trained)

    def _without_learning(self, reason: str, *, failed: bool = False) -> TrainingOutcome:
        """Keep the trained model in service, or serve the ranker that learns from no click."""
        from rerank.training.release import trained_in_service

        kept = trained_in_service(self.client, self.store, self.data, self.alias)
        if kept is None:
            return replace(self._serve(self._without_clicks(), reason), failed=failed)
        return TrainingOutcome(kept, reason=reason, failed=failed)

    def _serve(self, result: TrainingResult, reason: str | None = None) -> TrainingOutcome:
        from rerank.training.release import put_in_service

        moved = put_in_service(self.client, self.store, self.alias, result)
        return TrainingOutcome(result.artifacts, result, reason, moved_profiles=moved)

    def _train(self) -> TrainingResult:
        from rerank.training.fit import TrainingSettings
        from rerank.training.train import train_ranker

        options = self.settings
        training = TrainingSettings(
            epochs=options.epochs,
            batch=options.batch,
            rate=options.rate,
            seed=options.seed,
            loss=options.loss,
            fusion=options.fusion,
            interest=options.interest,
            neighbours=options.neighbours,
        )
        embed = _embed(self.data, self.store)
        rrf = {"rrf": self._rrf()} if _RRF in options.candidates else {}
        catalogue = self._learn_from_catalogue() if _CATALOGUE in options.candidates else None
        return train_ranker(
            self.data,
            self.store,
            embed,
            training,
            self.on_progress,
            options.candidates,
            catalogue=catalogue,
            **rrf,
        )

    def _without_clicks(self) -> TrainingResult:
        """Return the ranker that learns from no click: rrf where it was asked for, and for a lexical engine order."""
        from rerank.training.train import make_catalogue_ranker, make_rrf

        options = self.settings
        chosen = options.fusion == _RRF or options.candidates == (_RRF,)
        if chosen or options.engine_order == "lexical":
            return make_rrf(self.data, self.store, self._rrf(), self.on_progress, options.neighbours)
        learned, words = self._learn_from_catalogue()
        return make_catalogue_ranker(
            self.data, self.store, learned, words, self.on_progress, options.neighbours
        )

    def _learn_from_catalogue(self) -> tuple[LearnedCatalogue, ProductWords]:
        from rerank.training.catalogue.learn import learn_catalogue_weights, read_catalogue

        texts = read_catalogue(self.client, self.data, self.on_progress)
        embed = _embed(self.data, self.store)
        return learn_catalogue_weights(self.client, self.data, texts, embed, self.on_progress), texts.words

    def _rrf(self) -> RRFSettings:
        """Return the fusion without learning for the engine's order."""
        from rerank.models.rrf import RRF_AFTER_HYBRID, rrf_after_bm25
        from rerank.training.missing_image import learn_missing_image_correction
        from vitrine.errors import WeightsError

        if self.settings.engine_order != "hybrid":
            return rrf_after_bm25()
        embed = _embed(self.data, self.store)
        try:
            correction = learn_missing_image_correction(self.client, self.data, embed, self.on_progress)
        except WeightsError:  # the catalogue gives no known-item queries
            correction = 1.0
        return replace(RRF_AFTER_HYBRID, missing_image_correction=correction)


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
