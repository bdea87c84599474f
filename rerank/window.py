"""One window of candidates, ranked: what the engine's hook, the service and `vitrine search` all call."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from opensearch.logs.profiles import Click
from opensearch.search.query_text import clean_words
from rerank.features.groups import QueryVectors
from rerank.models.ranker import Ranker, RankRequest
from vitrine.errors import RerankError
from vitrine.store import ArtifactSet

from .query_encoders import QueryEncoders
from .rules import Ranking, settle

WINDOW = 200  # candidates from the top of engine order that are ranked; pages are cut from them afterwards


@dataclass(frozen=True)
class Window:
    """Candidates in engine order and who asks what; without `vectors` the encoders make them of the words."""

    ids: Sequence[str]
    query: str = ""
    vectors: QueryVectors | None = None
    history: Sequence[Click] = ()
    unavailable: Collection[str] = field(default=())


@dataclass(frozen=True)
class RankedWindow:
    """The window in its final order; in engine order `degraded` says why and nothing has scores."""

    order: list[int]  # positions into the window, a permutation of it
    scores: list[float]  # aligned with `order`, never rising
    rules: dict[str, str]  # rule by id of the products that it moved
    artifacts: ArtifactSet | None
    degraded: str | None
    request: RankRequest | None = field(default=None, compare=False, repr=False)  # what the ranker was asked


def rank_window(ranker: Ranker, encoders: QueryEncoders, window: Window, as_of: float) -> RankedWindow:
    """Score and order a window with everything that every way in can carry. Raises VitrineError."""
    words = clean_words(window.query)
    vectors = encoders.vectors(words) if window.vectors is None else window.vectors
    request = RankRequest(
        ids=window.ids,
        query=words,
        vectors=vectors,
        history=window.history,
        as_of=as_of,
    )
    scores = ranker.scores(request)
    if scores.shape != (len(window.ids),) or not np.isfinite(scores).all():
        raise RerankError(
            f"model {ranker.artifacts.model} gave {scores.size} scores for {len(window.ids)} candidates, "
            "expected one finite score each; go back with `vitrine model rollback`"
        )
    ranking: Ranking = settle(window.ids, scores, window.unavailable)
    sorted_scores = [float(ranking.scores[i]) for i in ranking.order]
    return RankedWindow(ranking.order, sorted_scores, ranking.rules, ranker.artifacts, None, request)


def engine_order(count: int, why: str | None = None) -> RankedWindow:
    """The window as the engine ordered it; `why` when that was not what was asked for."""
    return RankedWindow(list(range(count)), [], {}, None, why)


def this_minute() -> float:
    """Now in seconds since 1970, rounded down to the minute, so that all ways in mean the same moment."""
    return time.time() // 60 * 60
