"""How likely a position is looked at, measured where the order was random and estimated elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rerank.arrays import DoubleArray

DEPTH = 30  # shown positions that are looked at by training
_ENOUGH = 200  # clicks on random orders that make a measurement
_FLOOR = 0.01


@dataclass(frozen=True)
class PositionBias:
    """Chances of being looked at, relative to the first position, and the clicks that a sure look earns."""

    propensity: DoubleArray  # (DEPTH,) falling from 1
    examined_click_rate: float
    measured: bool  # on random orders; otherwise the click rates of the log, relevance and all

    def expected(self, count: int) -> DoubleArray:
        """Clicks that the first `count` positions earn with an average product, (count,)."""
        chances = np.zeros(count)
        chances[:DEPTH] = self.propensity[:count]
        return chances * self.examined_click_rate


@dataclass(frozen=True)
class Impression:
    """What estimation needs of one slate."""

    length: int
    clicked: tuple[int, ...]  # positions from zero
    random: bool


def estimate_positions(showings: Sequence[Impression]) -> PositionBias:
    """Propensity by position: falling fit to click rates, on random orders when these have 200 clicks.

    On a random order every position holds the same products on average, so click rates are proportional to
    the chance of a look (Joachims, Swaminathan, Schnabel 2017, section 5.1: randomised intervention).
    """
    random = [s for s in showings if s.random]
    measured = sum(len(s.clicked) for s in random) >= _ENOUGH
    shown, clicks = _tally(random if measured else showings)
    rates = np.divide(clicks, shown, out=np.zeros(DEPTH), where=shown > 0)
    fitted = _falling(rates, shown)
    propensity = np.maximum(fitted / fitted[0], _FLOOR) if fitted[0] > 0 else np.ones(DEPTH)
    all_shown, all_clicks = _tally(showings)
    looks = float((all_shown * propensity).sum())
    return PositionBias(propensity, float(all_clicks.sum()) / looks if looks else 0.0, measured)


def _tally(showings: Sequence[Impression]) -> tuple[DoubleArray, DoubleArray]:
    """How often each position was shown and clicked, (DEPTH,) and (DEPTH,)."""
    lengths = np.array([min(s.length, DEPTH) for s in showings], dtype=np.int64)
    shown = np.array([(lengths > position).sum() for position in range(DEPTH)], dtype=np.float64)
    clicked = [position for s in showings for position in s.clicked if position < DEPTH]
    return shown, np.bincount(np.array(clicked, dtype=np.int64), minlength=DEPTH).astype(np.float64)


def _falling(rates: DoubleArray, weights: DoubleArray) -> DoubleArray:
    """The nearest never-rising sequence in weighted squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for rate, weight in zip(rates, np.maximum(weights, 1e-9), strict=True):
        block = (float(rate), float(weight), 1)
        while blocks and blocks[-1][0] < block[0]:
            mean, before, length = blocks.pop()
            total = before + block[1]
            block = ((mean * before + block[0] * block[1]) / total, total, length + block[2])
        blocks.append(block)
    return np.concatenate([np.full(length, mean) for mean, _, length in blocks])
