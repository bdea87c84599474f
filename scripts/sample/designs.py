"""Designs: the attributes of a product before it is named, drawn or sold in several colours."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from .words import ALL_YEAR, BRANDS, COLOUR_SHARES, KINDS, PATTERN_SHARES, Brand


@dataclass(frozen=True)
class Style:
    """One design, sold in one or several colours."""

    category: str
    shape: str
    pattern: str
    brand: Brand
    material: str
    gender: str | None
    season: str | None
    language: str
    quality: float  # 0 to 1
    price: float
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """Designs that the catalogue always has; attributes that are None are drawn at random."""

    category: str
    pattern: str
    colour: str
    count: int
    brand: str | None = None
    language: str = "en"


# the demo's queries need these: the brand of YELLOW_DOTTED names neither colour nor pattern
YELLOW_DOTTED = ("mug", "dotted", "yellow")
LINES = (
    Line(*YELLOW_DOTTED, count=9, brand="Kaolin"),
    Line("dress", "floral", "red", count=9),
    Line("dress", "plain", "black", count=9),
    Line("dress", "dotted", "blue", count=3),
    Line("dress", "plain", "red", count=3, language="zh"),
    Line("dress", "floral", "red", count=2, language="zh"),
    Line("dress", "dotted", "red", count=2, language="zh"),
    Line("dress", "dotted", "blue", count=3, language="zh"),
)


def choose(shares: Mapping[str, float], rng: random.Random) -> str:
    """A key drawn with the probability of its share."""
    return rng.choices(list(shares), weights=list(shares.values()))[0]


def invent(rng: random.Random, line: Line | None = None) -> Style:
    """A new design with the attributes that `line` fixes."""
    category = line.category if line else choose({name: kind.share for name, kind in KINDS.items()}, rng)
    kind = KINDS[category]
    brand = rng.choice([b for b in BRANDS if b.worn == kind.worn])
    if line and line.brand:
        brand = next(b for b in BRANDS if b.name == line.brand)
    elif line and brand.terse:
        brand = rng.choice([b for b in BRANDS if b.worn == kind.worn and not b.terse])
    pattern = line.pattern if line else choose(PATTERN_SHARES, rng)
    quality = min(0.98, max(0.02, rng.gauss(0.5 + 0.25 * (brand.level - 1), 0.2)))
    price = kind.price * brand.level * math.exp(rng.gauss(0, 0.28)) * (0.75 + 0.5 * quality)
    return Style(
        category=category,
        shape=rng.choice(list(kind.shapes)),
        pattern=pattern,
        brand=brand,
        material=rng.choice(kind.materials),
        gender=_gender(category, kind.worn, rng),
        season=rng.choice(kind.seasons or ALL_YEAR) if kind.worn else None,
        language=line.language if line else ("zh" if rng.random() < 0.11 else "en"),
        quality=quality,
        price=round(price) - 0.05,
        colours=(line.colour,) if line else _colours(category, pattern, brand, rng),
    )


def _gender(category: str, worn: bool, rng: random.Random) -> str | None:
    if not worn:
        return None
    if category in ("dress", "skirt"):
        return "women"
    return rng.choices(("women", "men", "unisex"), weights=(4, 4, 3))[0]


def _colours(category: str, pattern: str, brand: Brand, rng: random.Random) -> tuple[str, ...]:
    shares = dict(COLOUR_SHARES)
    if not brand.terse and (category, pattern) == YELLOW_DOTTED[:2]:
        del shares[YELLOW_DOTTED[2]]
    chosen: list[str] = []
    for _ in range(rng.choices((1, 2, 3, 4), weights=(5, 3, 2, 1))[0]):
        chosen.append(choose(shares, rng))
        del shares[chosen[-1]]
    return tuple(chosen)
