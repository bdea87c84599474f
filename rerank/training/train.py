"""From an index and its log to the artifacts of a ranker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from opensearch.logs.profiles import Click
from rerank.arrays import DoubleArray, sigmoid
from rerank.features.behaviour import BehaviourSource
from rerank.features.groups import ENGINE, FeaturePlan, explained_signals
from rerank.features.scaler import fit_scaler
from rerank.models.rrf import RRF_AFTER_HYBRID, RRFSettings
from rerank.training.behaviour.as_of import Behaviour
from rerank.training.collaborative.neighbours import DEFAULT_METHOD
from rerank.training.collaborative.stream import NeighboursAsOf
from rerank.training.comparison.compare import (
    ENGINE_ORDER,
    Comparison,
    ablate,
    compare_rankers,
    signal_scores,
)
from rerank.training.comparison.random_orders import OrderEstimate, estimate_orders
from rerank.training.log.events import Log, gains_of
from rerank.training.log.notes import names_with_counts
from vitrine.errors import SmallLogError
from vitrine.store import ArtifactSet, Store

from .artifacts import TrainedModel, TrainingData, store_artifacts
from .candidates import CANDIDATES, OnProgress, RankerCandidate, Round, Split, make_candidates, rrf_model
from .examples import Embed, ExampleBuilder, Examples, embed_log_queries, example_builder
from .propensity import estimate_positions, impressions

if TYPE_CHECKING:
    from rerank.features.words import ProductWords
    from rerank.training.catalogue.learn import LearnedCatalogue

    from .fit import TrainingSettings

MIN_SLATES = 100  # with a click, before anything is learned from them
# Shares of the time-ordered slates; the rest is held out for the comparison.
_TRAINING, _VALIDATION = 0.7, 0.1


@dataclass(frozen=True)
class TrainingResult:
    """The stored artifacts of a ranker, how it compares, and every shopper's latest clicks, oldest first.

    `label` is the ranker's row in the comparison. `failed` says by candidate why it could not be made.
    """

    kind: str
    artifacts: ArtifactSet
    comparison: Comparison | None = None
    training: dict[str, Any] = field(default_factory=dict)
    clicks: dict[str, list[Click]] = field(default_factory=dict)
    label: str | None = None
    failed: Mapping[str, str] = field(default_factory=dict)


def train_ranker(
    data: TrainingData,
    store: Store,
    embed: Embed,
    settings: TrainingSettings,
    on_progress: OnProgress,
    candidates: Sequence[str] = tuple(CANDIDATES),
    rrf: RRFSettings = RRF_AFTER_HYBRID,
    catalogue: tuple[LearnedCatalogue, ProductWords] | None = None,
) -> TrainingResult:
    """Make the candidates of these names from the log, compare them on the latest slates, and store the best one.

    The best one has the highest figure without position bias. Raises SmallLogError when there are too few clicks,
    NothingLearnedError when no candidate could be made.
    """
    started = time.monotonic()
    gains = gains_of(data.log)
    _require_clicks(data, gains)
    cuts = _cuts([slate.at for slate in data.log.slates if slate.query_id in gains])
    early = [slate for slate in data.log.slates if slate.at < cuts[0]]
    positions = estimate_positions(impressions(early, gains))
    scaler = fit_scaler(data.products.numbers)
    queries = embed_log_queries([slate.words for slate in data.log.slates], data.products.dimensions, embed)
    builder = example_builder(data.log, data.products, scaler, queries, positions, settings.neighbours)
    examples = _examples(builder, data.log, on_progress)
    split = _split(examples.part(examples.clicked), cuts)
    run = Round(data, split, positions, scaler, queries, settings, rrf, on_progress, catalogue)
    made, failed = make_candidates(tuple(candidates), run)
    on_progress("comparing", 0, 1)
    scores = {candidate.label: candidate.score(split.held_out, frozenset()) for candidate in made}
    comparison = compare_rankers(split.held_out, data.products.plan, scores, positions.propensity)
    best = max(
        (candidate for candidate in made if candidate.served),
        key=lambda candidate: comparison.row(candidate.label).unbiased.mean,
    )
    signals = (ENGINE, *explained_signals(data.products.plan))
    ablations = ablate(partial(best.score, split.held_out), signals, split.held_out, positions.propensity)
    shuffled = examples.part(examples.random & (examples.at >= cuts[1]))
    orders = _order_estimates(made, shuffled, data.products.plan, positions.propensity)
    comparison = replace(comparison, ablations=ablations, orders=orders)
    on_progress("comparing", 1, 1)
    training = {
        **_counts(data, gains),
        "examples": {name: len(getattr(split, name)) for name in ("train", "validation", "held_out")},
        "positions": {
            "method": positions.method,
            "measured": positions.measured,
            "propensity": positions.propensity.round(4).tolist(),
        },
        "candidates": [candidate.label for candidate in made],
        **best.model.training,
        "seconds": round(time.monotonic() - started, 1),
    }
    model = replace(best.model, training=training, comparison=comparison)
    result = _finish(data, store, model, builder.behaviour, on_progress, settings.neighbours)
    return replace(result, label=best.label, failed=failed)


def _order_estimates(
    candidates: Sequence[RankerCandidate], shuffled: Examples, plan: FeaturePlan, propensity: DoubleArray
) -> tuple[OrderEstimate, ...]:
    """Return the estimates of the engine's order and of the candidates on slates in random order."""
    if not len(shuffled):
        return ()
    scores = {candidate.label: candidate.score(shuffled, frozenset()) for candidate in candidates}
    probabilities = {c.label: sigmoid(scores[c.label]) for c in candidates if c.calibrated}
    engine = {ENGINE_ORDER: signal_scores(shuffled, plan)[ENGINE_ORDER]}
    return estimate_orders(shuffled, {**engine, **scores}, probabilities, propensity)


def make_rrf(
    data: TrainingData,
    store: Store,
    settings: RRFSettings,
    on_progress: OnProgress,
    method: str = DEFAULT_METHOD,
) -> TrainingResult:
    """Store the artifacts of a reciprocal rank fusion, which learns from no click; its popularity is the log's."""
    model = rrf_model(data, settings)
    model = replace(model, training={**_counts(data, gains_of(data.log)), **model.training})
    return _finish(data, store, model, _behaviour(data), on_progress, method)


def make_catalogue_ranker(
    data: TrainingData,
    store: Store,
    learned: LearnedCatalogue,
    words: ProductWords,
    on_progress: OnProgress,
    method: str = DEFAULT_METHOD,
) -> TrainingResult:
    """Store the artifacts of the ranker that the catalogue alone taught; `words` are those of the products."""
    from rerank.training.catalogue.learn import catalogue_model

    model = catalogue_model(data, learned, words)
    model = replace(model, training={**_counts(data, gains_of(data.log)), **model.training})
    return _finish(data, store, model, _behaviour(data), on_progress, method)


def _behaviour(data: TrainingData) -> Behaviour:
    """Return the behaviour in the whole log."""
    positions = estimate_positions(impressions(data.log.slates, gains_of(data.log)))
    numbers = fit_scaler(data.products.numbers).scale(data.products.numbers)
    return Behaviour(data.log, data.products, numbers, positions)


def _finish(
    data: TrainingData,
    store: Store,
    model: TrainedModel,
    behaviour: Behaviour,
    on_progress: OnProgress,
    method: str = DEFAULT_METHOD,
) -> TrainingResult:
    """Store the artifacts, with the behaviour of the whole log; `method` finds the neighbours of products."""
    on_progress("storing", 0, 1)
    neighbours = NeighboursAsOf(data.products, behaviour.clicks, method)
    source = BehaviourSource(data.products, behaviour.numbers, behaviour.clicks, neighbours=neighbours)
    artifacts = store_artifacts(store, data, model, source, behaviour.tables())
    on_progress("storing", 1, 1)
    ids = data.products.ids
    clicks = {shopper: [Click(ids[row], at) for row, at in found] for shopper, found in source.clicks.items()}
    return TrainingResult(model.kind, artifacts, model.comparison, model.training, clicks)


def _require_clicks(data: TrainingData, gains: Mapping[str, Mapping[str, float]]) -> None:
    usable = sum(any(product in data.products.row_of for product in gain) for gain in gains.values())
    if usable < MIN_SLATES:
        raise SmallLogError(
            f"the log of {data.index} has {len(data.log.slates):,} searches, {usable:,} of them with a click "
            f"on a product of the index, and at least {MIN_SLATES} are needed{_names_of_events(data.log)}"
        )


def _names_of_events(log: Log) -> str:
    """Return the names of the log's events with their counts, because a click under an unknown name is passed over."""
    if not log.actions:
        return "; it has no events"
    return f"; its events are named {names_with_counts(log.actions)}"


def _cuts(moments: Sequence[float]) -> tuple[float, float]:
    """Return the moments at which validation and the held-out slates begin."""
    ordered = sorted(moments)
    first, second = (ordered[int(len(ordered) * share)] for share in (_TRAINING, _TRAINING + _VALIDATION))
    return first, second


def _split(examples: Examples, cuts: tuple[float, float]) -> Split:
    first, second = cuts
    parts = (examples.at < first, (examples.at >= first) & (examples.at < second), examples.at >= second)
    split = Split(*(examples.part(part) for part in parts))
    if not (len(split.train) and len(split.validation) and len(split.held_out)):
        raise SmallLogError("the searches of the log are too close in time to hold some out for validation")
    return split


def _examples(builder: ExampleBuilder, log: Log, on_progress: OnProgress) -> Examples:
    done = iter(range(1, len(log.slates) + 1))
    return builder.examples(log.slates, lambda: on_progress("features", next(done), len(log.slates)))


def _counts(data: TrainingData, gains: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    return {
        "products": len(data.products.ids),
        "searches": len(data.log.slates),
        "searches with a click": len(gains),
        "events": len(data.log.events),
        "notes": [note.to_dict() for note in data.log.notes],
    }
