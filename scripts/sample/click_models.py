"""Click models: which of the products that a shopper scrolls past are examined, and which of those are clicked.

To add one, add a function to `CLICK_MODELS`. It reads the attraction of each viewed product, the probability of a click on
it once it is examined, and never anything else about the product.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

EXAMINATION_DECAY = 0.6
CONTINUE_AFTER_CLICK = 0.7


@dataclass
class Browsing:
    """Positions from zero, each in rising order."""

    examined: list[int] = field(default_factory=list)
    clicked: list[int] = field(default_factory=list)

    def examine(self, position: int, attraction: float, rng: random.Random) -> bool:
        """Add an examined position, and a click on it with the probability `attraction`; return whether it was clicked."""
        self.examined.append(position)
        clicked = rng.random() < attraction
        if clicked:
            self.clicked.append(position)
        return clicked


ClickModel = Callable[[Sequence[float], random.Random], Browsing]


def examination(position: int) -> float:
    """Return the probability that the position-based model examines a viewed product: k ** -0.6, `position` k from 1."""
    return float(position**-EXAMINATION_DECAY)


def position_based(attractions: Sequence[float], rng: random.Random) -> Browsing:
    """Return clicks of the position-based model: each position is examined by itself (Craswell et al., WSDM 2008)."""
    browsing = Browsing()
    for position, attraction in enumerate(attractions):
        if rng.random() < examination(position + 1):
            browsing.examine(position, attraction, rng)
    return browsing


def cascade(attractions: Sequence[float], rng: random.Random) -> Browsing:
    """Return clicks of the cascade model: from the top down, until the first click (Craswell et al., WSDM 2008)."""
    browsing = Browsing()
    for position, attraction in enumerate(attractions):
        if browsing.examine(position, attraction, rng):
            break
    return browsing


def dependent_click(attractions: Sequence[float], rng: random.Random) -> Browsing:
    """Return clicks of the dependent click model: a cascade that goes on after a click at k with 0.7 · k ** -0.3.

    Guo, Liu, Wang, Efficient multiple-click models in web search, WSDM 2009.
    """
    browsing = Browsing()
    for position, attraction in enumerate(attractions):
        clicked = browsing.examine(position, attraction, rng)
        if clicked and rng.random() >= CONTINUE_AFTER_CLICK * (position + 1) ** -0.3:
            break
    return browsing


def unbiased(attractions: Sequence[float], rng: random.Random) -> Browsing:
    """Return clicks without position bias: every position is examined with the position-based model's mean probability."""
    browsing = Browsing()
    share = sum(examination(k) for k in range(1, len(attractions) + 1)) / max(len(attractions), 1)
    for position, attraction in enumerate(attractions):
        if rng.random() < share:
            browsing.examine(position, attraction, rng)
    return browsing


CLICK_MODELS: dict[str, ClickModel] = {
    "position-based": position_based,
    "cascade": cascade,
    "dependent-click": dependent_click,
    "unbiased": unbiased,
}


def with_noise(browsing: Browsing, noise: float, rng: random.Random) -> tuple[list[int], list[int]]:
    """Return the clicked positions, and those of them that are noise.

    A click is noise with the probability `noise`: it lands on any other examined product, whatever its attraction. Where
    nothing else was examined, the noise click stays where it was.
    """
    others = [position for position in browsing.examined if position not in set(browsing.clicked)]
    clicked, noisy = [], []
    for position in browsing.clicked:
        if rng.random() < noise:
            if others:
                position = others.pop(rng.randrange(len(others)))
            noisy.append(position)
        clicked.append(position)
    return sorted(clicked), sorted(noisy)
