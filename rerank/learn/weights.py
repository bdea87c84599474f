"""The weights of the retrieval legs, learned from the catalogue itself by known-item search.

A known-item query is made of some of a product's own words; the product is its one right answer. Weights are chosen on the
reciprocal rank of that answer after the engine's own fusion (min-max of each leg, weighted arithmetic mean).
Azzopardi, de Rijke, Balog: Building simulated queries for known-item topics (SIGIR 2007).
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..errors import RerankError

LEGS = ("words", "text", "image")
_WORD = re.compile(r"[^\W\d_]{2,}")  # no codes or measures: a shopper who types those needs no ranking
_STEP = 0.1


Answer = tuple[str, Sequence[Mapping[str, float]]]  # the wanted id, and raw scores by id of each leg


@dataclass(frozen=True)
class KnownItem:
    """A query and the one product that it was made from."""

    query: str
    id: str


@dataclass(frozen=True)
class Grid:
    """What every combination of weights reached: rows of `weights` (n, 3) and their `scores` (n,)."""

    weights: np.ndarray
    scores: np.ndarray


def known_items(texts: Mapping[str, str], count: int, seed: int = 0) -> list[KnownItem]:
    """Make up to `count` queries of two to four words each from products' texts (id -> text).

    Words are drawn by inverse document frequency, so that a query says something, but never a word that only one product
    has: such a query is a look-up, which every weighting answers alike.
    """
    words = {id_: sorted(set(_WORD.findall(text.lower()))) for id_, text in texts.items()}
    frequency = Counter(word for own in words.values() for word in own)
    shared = {id_: [w for w in own if frequency[w] > 1] for id_, own in words.items()}
    able = sorted(id_ for id_, own in shared.items() if len(own) >= 2)
    if not able:
        raise RerankError(
            "no product shares two words with others, so no queries can be made of the catalogue; keep the default weights"
        )
    chance = random.Random(seed)
    made = []
    for id_ in chance.sample(able, min(count, len(able))):
        own = shared[id_]
        left = {w: math.log(1 + len(words) / frequency[w]) for w in own}
        chosen = []
        for _ in range(min(chance.choice((2, 3, 4)), len(own))):
            word = chance.choices(list(left), weights=list(left.values()))[0]
            chosen.append(word)
            del left[word]
        made.append(KnownItem(" ".join(chosen), id_))
    return made


def min_max(scores: Mapping[str, float]) -> dict[str, float]:
    """The engine's min-max normalisation of one leg: to [0.001, 1], and 1 where all are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {id_: max((score - low) / (high - low), 0.001) for id_, score in scores.items()}


def reciprocal_rank(legs: Sequence[Mapping[str, float]], weights: Sequence[float], wanted: str) -> float:
    """1 / rank of `wanted` after fusing normalised legs; 0 if no leg has it. Ties count as half the tied places."""
    fused: dict[str, float] = {}
    for leg, weight in zip(legs, weights, strict=True):
        for id_, score in leg.items():
            fused[id_] = fused.get(id_, 0.0) + weight * score
    mine = fused.get(wanted, 0.0)
    if mine <= 0.0:
        return 0.0
    above = sum(score > mine for score in fused.values())
    tied = sum(score == mine for score in fused.values()) - 1
    return 1.0 / (1 + above + tied / 2)


def measure(answers: Iterable[Answer], weights: Sequence[float]) -> float:
    """Mean reciprocal rank of the wanted products under these weights."""
    ranks = [reciprocal_rank([min_max(leg) for leg in legs], weights, wanted) for wanted, legs in answers]
    return float(np.mean(ranks)) if ranks else 0.0


def try_weights(answers: Iterable[Answer], used: Sequence[bool]) -> Grid:
    """Score every combination in steps of 0.1 on (wanted id, raw scores per leg) rows; unused legs weigh nothing."""
    steps = np.arange(0, 1 + _STEP / 2, _STEP).round(10).tolist()
    weights = [w for w in product(steps, repeat=3) if abs(sum(w) - 1) < 1e-9]
    weights = [w for w in weights if all(share == 0 or use for share, use in zip(w, used, strict=True))]
    rows = [(wanted, [min_max(leg) for leg in legs]) for wanted, legs in answers]
    if not rows:
        raise RerankError("no known-item query was answered; check the index with `vitrine doctor`")
    scores = [float(np.mean([reciprocal_rank(legs, w, wanted) for wanted, legs in rows])) for w in weights]
    return Grid(np.array(weights), np.array(scores))


def choose(grid: Grid, queries: int) -> tuple[float, float, float]:
    """The centre of all weights that are as good as the best within one standard error.

    Known-item queries reuse the products' own words and so flatter the words leg a little; the middle of the plateau,
    not its edge, is what carries over to words that shoppers choose.
    """
    best = float(grid.scores.max())
    error = math.sqrt(max(best * (1 - best), 1e-9) / max(queries, 1))
    plateau = grid.weights[grid.scores >= best - error]
    centre = plateau.mean(axis=0)
    centre /= centre.sum()
    return (round(float(centre[0]), 3), round(float(centre[1]), 3), round(float(centre[2]), 3))
