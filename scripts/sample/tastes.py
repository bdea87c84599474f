"""Shoppers and their hidden tastes: the probability that each likes a product.

The taste of a drawn shopper is no sum over columns: it holds colours that are liked in one category only, looks that colour
and pattern make together, loyalty to a brand, a price that is neither too low nor too high, and for some a change in time.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .catalogue import Truth
from .words import BRANDS, COLOURS, KINDS, PATTERNS

BASE_LOGIT = -0.6  # a product without any positive or negative trait is liked by a third of the shoppers
DRIFTING = 0.3  # of the drawn shoppers, whose taste is another one at the end of the simulated time

_PALETTES = {
    "warm": ("red", "orange", "yellow"),
    "cool": ("green", "blue", "purple"),
    "soft": ("pink", "beige", "white"),
    "dark": ("brown", "grey", "black"),
}
_ORNAMENTS = {
    "plain": ("plain",),
    "geometric": ("striped", "checked", "zigzag"),
    "playful": ("dotted", "starry"),
    "natural": ("floral",),
}
_LOOKS = {
    (colour, pattern): f"{palette} {ornament}"
    for palette, colours in _PALETTES.items()
    for ornament, patterns in _ORNAMENTS.items()
    for colour in colours
    for pattern in patterns
}
LOOKS = tuple(dict.fromkeys(_LOOKS.values()))


def look_of(truth: Truth) -> str:
    """The look of a product, which only colour and pattern together make."""
    return _LOOKS[truth.colour, truth.pattern]


@dataclass(frozen=True)
class Shopper:
    """A shopper; tastes are log-odds that are added."""

    name: str
    language: str  # en or zh
    gender: str
    colours: Mapping[str, float]
    patterns: Mapping[str, float]
    brands: Mapping[str, float]
    thrift: float  # log-odds lost when the price is e times the category's median
    quality: float  # log-odds between the worst and the best product
    interests: Mapping[str, float] = field(default_factory=dict)  # how often each category is searched
    sessions: float = 1.0  # against the average shopper
    colours_of: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # in one category only
    looks: Mapping[str, float] = field(default_factory=dict)
    loyalty: float = 0.0  # log-odds lost by every brand that is not liked
    price_point: float = 0.0  # log of the best price over the category's median
    price_curve: float = 0.0  # log-odds lost at e times the best price, or a part of e of it
    later: Shopper | None = None  # with the taste at the end of the simulated time; None: it stays


def liking(shopper: Shopper, truth: Truth, progress: float = 1.0) -> float:
    """The probability that a shopper likes a product that answers the query.

    `progress` is the share of the simulated time that has gone by: a taste moves evenly from the first to the later one.
    """
    logit = _log_odds(shopper, truth)
    if shopper.later:
        logit += progress * (_log_odds(shopper.later, truth) - logit)
    return 1 / (1 + math.exp(-logit))


def _log_odds(shopper: Shopper, truth: Truth) -> float:
    logit = BASE_LOGIT + shopper.quality * (truth.quality - 0.5)
    logit += shopper.colours.get(truth.colour, 0.0) + shopper.patterns.get(truth.pattern, 0.0)
    logit += shopper.colours_of.get(truth.category, {}).get(truth.colour, 0.0)
    logit += shopper.looks.get(look_of(truth), 0.0)
    logit += shopper.brands.get(truth.brand, 0.0)
    if shopper.brands.get(truth.brand, 0.0) <= 0:
        logit -= shopper.loyalty
    price = math.log(truth.price / KINDS[truth.category].price)
    logit -= shopper.thrift * price + shopper.price_curve * (price - shopper.price_point) ** 2
    if truth.gender not in (None, "unisex", shopper.gender):
        logit -= 1.0
    return logit


def _even(**louder: float) -> dict[str, float]:
    return {category: louder.get(category.replace("-", "_"), 0.4) for category in KINDS}


def _only(liked: Mapping[str, float], all_values: Mapping[str, object], otherwise: float) -> dict[str, float]:
    return {value: liked.get(value, otherwise) for value in all_values}


NAMED_SHOPPERS = (
    Shopper(
        "ana",
        "en",
        "women",
        _only({"red": 2.4, "pink": 1.0, "black": -2.0, "grey": -1.6}, COLOURS, -0.9),
        _only({"floral": 2.4, "dotted": 0.4, "plain": -1.6}, PATTERNS, -0.8),
        {},
        thrift=0.3,
        quality=0.8,
        interests=_even(dress=3.0, bag=1.6, skirt=1.4, shirt=1.2, cushion=1.0, sneaker=0.8),
        sessions=4.0,
    ),
    Shopper(
        "ben",
        "en",
        "women",
        _only({"black": 2.4, "grey": 1.0, "red": -2.0, "pink": -2.0}, COLOURS, -0.9),
        _only({"plain": 2.4, "floral": -2.0}, PATTERNS, -0.9),
        {},
        thrift=0.3,
        quality=0.8,
        interests=_even(dress=3.0, bag=1.6, boot=1.4, shirt=1.2, chair=1.0, watch=0.8),
        sessions=4.0,
    ),
    Shopper(
        "mei",
        "zh",
        "women",
        _only({"red": 0.8, "blue": 2.0, "white": 0.8, "black": -1.0}, COLOURS, -0.6),
        _only({"dotted": 2.4, "plain": -1.2}, PATTERNS, -0.6),
        {},
        thrift=0.6,
        quality=0.8,
        interests=_even(dress=2.6, bag=1.4, mug=1.2, umbrella=1.0),
        sessions=4.0,
    ),
)


@dataclass(frozen=True)
class _School:
    """What shoppers of similar taste share, so that the clicks of one say something about others."""

    colours: Mapping[str, float]
    patterns: Mapping[str, float]
    looks: Mapping[str, float]
    colours_of: Mapping[str, Mapping[str, float]]


def draw_shoppers(count: int = 300, seed: int = 7) -> list[Shopper]:
    """The named shoppers, then `count` drawn ones; one in six of those types Chinese, three in ten change their taste."""
    rng = random.Random(f"shoppers:{seed}")
    schools = [_school(rng) for _ in range(8)]
    return [*NAMED_SHOPPERS, *(_shopper(f"shopper-{n:04d}", schools, rng) for n in range(count))]


def _school(rng: random.Random) -> _School:
    colours, patterns = rng.sample(list(COLOURS), 4), rng.sample(list(PATTERNS), 2)
    looks = rng.sample(LOOKS, 4)
    return _School(
        {colours[0]: 1.2, colours[1]: 0.6, colours[2]: -0.8, colours[3]: -0.8},
        {patterns[0]: 0.8, patterns[1]: -0.8},
        {looks[0]: 2.0, looks[1]: 1.4, looks[2]: -1.4, looks[3]: -1.4},
        {category: _two_colours(rng) for category in KINDS},
    )


def _two_colours(rng: random.Random) -> dict[str, float]:
    liked, disliked = rng.sample(list(COLOURS), 2)
    return {liked: 1.8, disliked: -1.4}


def _shopper(name: str, schools: list[_School], rng: random.Random) -> Shopper:
    interests = {category: rng.gammavariate(0.6, 1.0) * kind.share for category, kind in KINDS.items()}
    first = Shopper(
        name,
        "zh" if rng.random() < 1 / 6 else "en",
        rng.choice(("women", "women", "men")),
        **_taste(rng.choice(schools), rng),
        thrift=0.0,
        quality=max(0.0, rng.gauss(1.4, 0.6)),
        interests=interests,
        sessions=rng.gammavariate(2.0, 0.5),
        price_point=rng.gauss(-0.2, 0.35),
        price_curve=max(0.3, rng.gauss(1.6, 0.6)),
    )
    if rng.random() >= DRIFTING:
        return first
    return replace(first, later=replace(first, **_taste(rng.choice(schools), rng)))


def _taste(school: _School, rng: random.Random) -> dict[str, Any]:
    """The colours, patterns, looks and brands of a shopper: those of the school, and own ones."""
    own_colour, own_look = rng.choice(list(COLOURS)), rng.choice(LOOKS)
    own_category = rng.choice(list(KINDS))
    brands = {
        rng.choice([brand.name for brand in BRANDS if brand.worn == worn]): 1.4 for worn in (True, False)
    }
    disliked = rng.choice(BRANDS).name
    return {
        "colours": {**school.colours, own_colour: rng.choice((1.2, -1.0))},
        "patterns": school.patterns,
        "looks": {**school.looks, own_look: rng.choice((1.6, -1.2))},
        "colours_of": {**school.colours_of, own_category: _two_colours(rng)},
        "brands": {disliked: -0.8, **brands},
        "loyalty": rng.choice((0.0, 0.4, 0.8)),
    }
