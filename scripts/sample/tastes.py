"""Shoppers and their hidden tastes: the probability that each likes a product."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from .catalogue import Truth
from .words import BRANDS, COLOURS, KINDS, PATTERNS

BASE_LOGIT = -0.6  # a product without any positive or negative trait is liked by a third of the shoppers


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


def liking(shopper: Shopper, truth: Truth) -> float:
    """The probability that a shopper likes a product that answers the query."""
    logit = BASE_LOGIT + shopper.quality * (truth.quality - 0.5)
    logit += shopper.colours.get(truth.colour, 0.0) + shopper.patterns.get(truth.pattern, 0.0)
    logit += shopper.brands.get(truth.brand, 0.0)
    logit -= shopper.thrift * math.log(truth.price / KINDS[truth.category].price)
    if truth.gender not in (None, "unisex", shopper.gender):
        logit -= 1.0
    return 1 / (1 + math.exp(-logit))


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


def draw_shoppers(count: int = 300, seed: int = 7) -> list[Shopper]:
    """The named shoppers, then `count` drawn ones; every sixth of those types Chinese."""
    rng = random.Random(f"shoppers:{seed}")
    # a few groups of similar tastes, so that the clicks of one shopper say something about others
    schools = [_school(rng) for _ in range(8)]
    return [*NAMED_SHOPPERS, *(_shopper(f"shopper-{n:04d}", rng.choice(schools), rng) for n in range(count))]


def _school(rng: random.Random) -> tuple[dict[str, float], dict[str, float]]:
    colours = rng.sample(list(COLOURS), 5)
    patterns = rng.sample(list(PATTERNS), 3)
    return (
        {colours[0]: 2.0, colours[1]: 1.4, colours[2]: 0.8, colours[3]: -1.2, colours[4]: -1.2},
        {patterns[0]: 1.8, patterns[1]: 0.8, patterns[2]: -1.2},
    )


def _shopper(name: str, school: tuple[dict[str, float], dict[str, float]], rng: random.Random) -> Shopper:
    colours, patterns = school
    own_colour, own_pattern = rng.choice(list(COLOURS)), rng.choice(list(PATTERNS))
    interests = {category: rng.gammavariate(0.6, 1.0) * kind.share for category, kind in KINDS.items()}
    return Shopper(
        name,
        "zh" if rng.random() < 1 / 6 else "en",
        rng.choice(("women", "women", "men")),
        _only({**colours, own_colour: rng.choice((1.6, -1.4))}, COLOURS, -0.3),
        _only({**patterns, own_pattern: rng.choice((1.2, -1.0))}, PATTERNS, -0.3),
        {brand.name: rng.choice((1.0, -0.6)) for brand in rng.sample(BRANDS, 4)},
        thrift=max(0.0, rng.gauss(0.7, 0.5)),
        quality=max(0.0, rng.gauss(1.4, 0.6)),
        interests=interests,
        sessions=rng.gammavariate(2.0, 0.5),
    )
