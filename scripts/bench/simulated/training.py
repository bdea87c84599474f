"""Rankers trained on a simulated log by the product's own functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rerank.features.behaviour import BehaviourSource
from rerank.features.scaler import Scaler, fit_scaler
from rerank.models.ranker import ArtifactRanker, load_ranker
from rerank.models.rrf import RRF_AFTER_HYBRID
from rerank.training.artifacts import TrainingData, store_artifacts
from rerank.training.behaviour.as_of import Behaviour
from rerank.training.candidates import Round, Split, make_candidates
from rerank.training.examples import embed_log_queries, example_builder
from rerank.training.fit import TrainingSettings
from rerank.training.log.events import Log, gains_of
from rerank.training.propensity import DEPTH, PositionBias, estimate_positions, impressions
from vitrine.store import Store

from .shop import Shop

_TRAINING, _VALIDATION = 0.7, 0.1  # shares of the searches in order of time, as in `vitrine train`
# a position effect that is taken for none
NO_POSITION_BIAS = PositionBias(np.ones(DEPTH), 0.1, measured=True)


@dataclass(frozen=True)
class Training:
    """A log and what every ranker is trained with; `assumed` replaces the estimated position bias."""

    shop: Shop
    log: Log
    settings: TrainingSettings
    assumed: PositionBias | None = None

    @cached_property
    def positions(self) -> PositionBias:
        """The position bias that training reads."""
        if self.assumed is not None:
            return self.assumed
        gains = gains_of(self.log)
        first, _ = _cuts([slate.at for slate in self.log.slates])
        early = [slate for slate in self.log.slates if slate.at < first]
        return estimate_positions(impressions(early, gains))

    @property
    def data(self) -> TrainingData:
        """Products and log."""
        return TrainingData("simulated", self.shop.schema, self.shop.products, self.log)

    @cached_property
    def scaler(self) -> Scaler:
        """The scaler of the products' numbers."""
        return fit_scaler(self.shop.products.numbers)

    def behaviour(self, log: Log) -> Behaviour:
        """Return the behaviour in a log."""
        return Behaviour(
            log, self.shop.products, self.scaler.scale(self.shop.products.numbers), self.positions
        )

    def rankers(self, names: Sequence[str], pasts: Log, until: float, store: Store) -> list[ArtifactRanker]:
        """Return a ranker of each candidate's name, with the behaviour of the log and the shoppers of `pasts`."""
        products, scaler = self.shop.products, self.scaler
        queries = embed_log_queries([s.words for s in self.log.slates], products.dimensions, self.shop.embed)
        builder = example_builder(self.log, products, scaler, queries, self.positions)
        examples = builder.examples(self.log.slates)
        first, second = _cuts(list(examples.at))
        split = Split(
            examples.part(examples.at < first),
            examples.part((examples.at >= first) & (examples.at < second)),
            examples.part(examples.at >= second),
        )
        run = Round(
            self.data,
            split,
            self.positions,
            scaler,
            queries,
            self.settings,
            RRF_AFTER_HYBRID,
            lambda *_: None,
        )
        made, failed = make_candidates(tuple(names), run)
        if failed:
            raise RuntimeError(f"rankers that could not be trained: {failed}")
        tables = builder.behaviour.tables(until)
        shoppers = self.behaviour(pasts).tables(until)
        of_shoppers = ("shoppers", "shopper_weights", "keyword_starts", "keywords", "keyword_weights")
        tables = replace(tables, **{name: getattr(shoppers, name) for name in of_shoppers})
        source = BehaviourSource(products, scaler.scale(products.numbers))
        return [
            load_ranker(store, store_artifacts(store, self.data, candidate.model, source, tables))
            for candidate in made
        ]


def _cuts(moments: Sequence[float]) -> tuple[float, float]:
    """Return the moments at which validation and the held-out searches begin."""
    ordered = sorted(moments)
    first, second = (ordered[int(len(ordered) * share)] for share in (_TRAINING, _TRAINING + _VALIDATION))
    return first, second
