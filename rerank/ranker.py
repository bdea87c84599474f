"""What a ranker is: a window of candidates in, one score a candidate out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .arrays import BoolArray, FloatArray

HISTORY = 50  # clicks of a shopper that are looked at


@dataclass(frozen=True)
class Click:
    """A product that a shopper clicked, and when (seconds since 1970)."""

    id: str
    at: float


@dataclass(frozen=True)
class RankRequest:
    """One window to rank. `ids` stand in engine order; a vector that the query cannot give is None."""

    ids: Sequence[str]
    query: str = ""
    text_vector: FloatArray | None = None  # the words in the products' text space, (d,)
    image_vector: FloatArray | None = None  # the query in the space of the products' pictures, (d,)
    history: Sequence[Click] = field(default=())  # oldest first, at most HISTORY are looked at
    as_of: float = 0.0  # seconds since 1970, rounded to the minute


@dataclass(frozen=True)
class Artifacts:
    """The names of the three artifacts that made an answer."""

    model: str
    items: str
    behaviour: str


class Ranker(Protocol):
    """Scores a window; knows which artifacts it is made of."""

    @property
    def artifacts(self) -> Artifacts: ...

    def scores(self, request: RankRequest) -> FloatArray:
        """Finite scores (n,), higher is better, aligned with `request.ids`."""
        ...


def order_of(scores: npt.ArrayLike) -> list[int]:
    """Positions by falling score; equal scores keep the order that they came in."""
    return [int(i) for i in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")]


def interleave(scores: FloatArray, known: BoolArray) -> FloatArray:
    """Scores (n,) that rank the known ones as given and leave each unknown one at its engine position."""
    if known.all():
        return scores
    count = len(scores)
    order = np.arange(count)
    places = np.flatnonzero(known)
    order[places] = places[order_of(scores[places])]
    settled = np.empty(count, dtype=np.float32)
    settled[order] = -np.arange(count, dtype=np.float32)
    if not len(places):
        return settled
    # between the scores of its neighbours where float32 can tell them apart, so that scores stay comparable
    ranks = np.flatnonzero(known[order])
    between = np.interp(np.arange(count), ranks, scores[order[ranks]].astype(np.float64))
    smooth = np.empty(count, dtype=np.float32)
    smooth[order] = between
    return smooth if order_of(smooth) == order.tolist() else settled
