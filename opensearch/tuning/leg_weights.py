"""The weights of the retrieval legs for queries of words: learned from the index's own products, and put in force.

Known-item queries are asked of each leg alone; the weights are chosen on the reciprocal rank of the wanted product after
the engine's own fusion (min-max of each leg, weighted arithmetic mean).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opensearch.hook.pipelines import put_weights
from opensearch.index.fields import IndexSchema
from opensearch.index.versions import read_schema, require_current, set_weights
from opensearch.search.query import DEFAULT_WEIGHTS, LEGS, Leg, LegWeights, Query, hybrid_body, weights_of
from opensearch.search.retrieve import retrieve
from vitrine.errors import WeightsError

from .known_items import KnownItem, known_items, read_texts

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

QUERIES = 400
FEWEST = 30  # known items; fewer say nothing
_STEP = 0.05

Triple = tuple[float, float, float]  # words, text, image
Both = tuple["Answer", "Answer"]
Embed = Callable[
    [Sequence[str]], Sequence[tuple[ArrayLike | None, ArrayLike | None]]
]  # in text and picture space
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Answer:
    """What the legs said to one known-item query: normalised scores (n, 3), and the row of the wanted product."""

    scores: NDArray[np.float64]
    wanted: int | None  # None: no leg found it


@dataclass(frozen=True)
class LearnedWeights:
    """The weights of words, text and image, and the mean reciprocal rank with and without them."""

    weights: Triple
    queries: int
    reached: float
    default: float
    words_alone: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "weights": dict(zip(LEGS, self.weights, strict=True)),
            "queries": self.queries,
            "mrr": {"learned": self.reached, "default": self.default, "words alone": self.words_alone},
        }


def learn_weights(
    client: OpenSearch,
    index: str,
    schema: IndexSchema,
    embed: Embed,
    *,
    count: int = QUERIES,
    seconds: float | None = None,
    tell: Tell | None = None,
) -> LearnedWeights:
    """Make known-item queries of the products of an index or alias, ask each leg, and choose the weights.

    After `seconds` no more are asked, and those that were answered decide.

    Every query is asked in two ways. With all its words it flatters the words leg, for they are the product's own;
    without those that a shopper would say otherwise it flatters the vectors, which are still given them. The truth lies
    between, so the weights move no further than both ask.

    Raises WeightsError for a catalogue of which too few queries can be made. Nothing is written.
    """
    items = known_items(read_texts(client, index, schema), count)
    if len(items) < FEWEST:
        raise WeightsError(
            f"queries can be made of {len(items)} products of {index} and at least {FEWEST} are needed: "
            "the weights stay"
        )
    answers = list(_in_time(_answers(client, index, schema, items, embed, tell), seconds))
    if len(answers) < FEWEST:
        raise WeightsError(
            f"{index} answered {len(answers)} known-item queries in {seconds:g} s and at least {FEWEST} are needed: "
            "the weights stay; `vitrine weights learn` takes its time"
        )
    usual = default_weights(schema)
    same, other = ([answer[way] for answer in answers] for way in (0, 1))
    weights = min(choose(same, usual), choose(other, usual), key=lambda found: _distance(found, usual))
    reached, default, words_alone = (
        float(reciprocal_ranks(same, np.array([tried])).mean()) for tried in (weights, usual, (1.0, 0.0, 0.0))
    )
    return LearnedWeights(weights, len(answers), reached, default, words_alone)


def use_weights(client: OpenSearch, alias: str, weights: Triple | None) -> None:
    """Keep these weights with the index in service and put them into its pipelines; None: the defaults."""
    set_weights(client, require_current(client, alias), weights)
    put_weights(client, alias, LegWeights(*weights) if weights else DEFAULT_WEIGHTS)


def restore_weights(client: OpenSearch, alias: str) -> None:
    """Put the weights that are kept with the index in service into its pipelines; another was in service before."""
    put_weights(client, alias, weights_of(read_schema(client, alias)))


def default_weights(schema: IndexSchema) -> Triple:
    """Give the default weights, shared out among the legs that the index has."""
    there = (True, schema.text is not None, schema.image is not None)
    shares = [share if use else 0.0 for share, use in zip(DEFAULT_WEIGHTS.shares(), there, strict=True)]
    words, text, image = (share / sum(shares) for share in shares)
    return words, text, image


def answer_of(legs: Sequence[Mapping[str, float]], wanted: str) -> Answer:
    """Bring raw scores by id, one mapping a leg, into one table, each leg normalised as the engine does it."""
    ids = list(dict.fromkeys(id_ for leg in legs for id_ in leg))
    scores = np.zeros((len(ids), len(legs)))
    for column, leg in enumerate(legs):
        normalised = min_max(leg)
        scores[:, column] = [normalised.get(id_, 0.0) for id_ in ids]
    return Answer(scores, ids.index(wanted) if wanted in ids else None)


def min_max(scores: Mapping[str, float]) -> dict[str, float]:
    """The engine's min-max normalisation of one leg: to [0.001, 1], and 1 where all are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {id_: max((score - low) / (high - low), 0.001) for id_, score in scores.items()}


def reciprocal_ranks(answers: Iterable[Answer], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / rank of the wanted product (queries, w) under weights (w, 3); 0 where it scores nothing.

    Ties count as half the tied places.
    """
    rows = []
    for answer in answers:
        if answer.wanted is None:
            rows.append(np.zeros(len(weights)))
            continue
        fused = answer.scores @ weights.T  # (n, w)
        mine = fused[answer.wanted]
        above = (fused > mine + 1e-12).sum(axis=0)
        tied = (np.abs(fused - mine) <= 1e-12).sum(axis=0) - 1
        rows.append(np.where(mine > 0, 1 / (1 + above + tied / 2), 0.0))
    return np.array(rows)


def choose(answers: Sequence[Answer], usual: Triple) -> Triple:
    """Of all weights as good as the best within one standard error, those nearest to the usual ones.

    So a catalogue moves the weights as far as its products show that it pays, and a small one hardly at all. The rule of
    one standard error is Breiman et al., Classification and Regression Trees (1984). Known-item queries reuse the
    products' own words and flatter the words leg a little, which is one more reason not to follow them to the end. Legs
    that weigh nothing in `usual` get nothing.
    """
    if not answers:
        raise WeightsError("no known-item query was answered; check the index with `vitrine doctor`")
    weights = _grid(usual)
    ranks = reciprocal_ranks(answers, weights)
    means = ranks.mean(axis=0)
    best = int(means.argmax())
    error = float(ranks[:, best].std()) / math.sqrt(len(answers))
    good = weights[means >= means[best] - error]
    words, text, image = good[np.abs(good - np.array(usual)).sum(axis=1).argmin()].round(3).tolist()
    return words, text, image


def _distance(one: Triple, other: Triple) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _grid(usual: Triple) -> NDArray[np.float64]:
    """All weights (w, 3) in steps of 0.05 that add up to one, and the usual ones first."""
    steps = np.arange(0, 1 + _STEP / 2, _STEP).round(10).tolist()
    made = [tried for tried in product(steps, repeat=3) if abs(sum(tried) - 1) < 1e-9]
    fitting = [w for w in made if all(share == 0 or use for share, use in zip(w, usual, strict=True))]
    return np.array([usual, *fitting])


def _in_time(answers: Iterator[Both], seconds: float | None) -> Iterator[Both]:
    started = time.monotonic()
    for answer in answers:
        yield answer
        if seconds is not None and time.monotonic() - started > seconds:
            return


def _answers(
    client: OpenSearch,
    index: str,
    schema: IndexSchema,
    items: Sequence[KnownItem],
    embed: Embed,
    tell: Tell | None,
) -> Iterator[Both]:
    """What the legs say to each query with all its words, and without those that the shopper says otherwise."""
    there = {"words": True, "text": schema.text is not None, "image": schema.image is not None}

    def scores(leg: Leg, query: Query) -> dict[str, float]:
        if not there[leg]:
            return {}
        found = retrieve(client, index, hybrid_body(query, schema, source=(), legs=(leg,))).candidates
        return {candidate.id: candidate.legs[leg] for candidate in found if leg in candidate.legs}

    vectors = embed([item.query for item in items])
    for number, (item, (text, image)) in enumerate(zip(items, vectors, strict=True), start=1):
        query = Query(item.query, text, image)
        said, *rest = (scores(leg, query) for leg in LEGS)
        shared = said if item.shared == item.query else scores("words", Query(item.shared))
        if tell:
            tell(number, len(items))
        yield answer_of([said, *rest], item.id), answer_of([shared, *rest], item.id)
