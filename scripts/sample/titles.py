"""Titles and descriptions as suppliers write them: titles often omit what the image shows."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

from .designs import Style
from .words import (
    ADJECTIVES,
    CHINESE_ADJECTIVES,
    CHINESE_SENTENCES,
    COLOURS,
    KINDS,
    MATERIALS_CHINESE,
    PATTERNS,
    SENTENCES,
)


class TitleAttributes(NamedTuple):
    """Whether the title names colour and pattern."""

    colour: bool
    pattern: bool


def title(design: Style, colour: str, named: TitleAttributes, rng: random.Random) -> str:
    """A title in the design's language that names colour and pattern only where `named` is true."""
    if design.language == "zh":
        return _chinese_title(design, colour, named, rng)
    kind = KINDS[design.category]
    noun = kind.nouns[0] if rng.random() < 0.8 else rng.choice(kind.nouns)
    if design.brand.terse:
        return f"{design.brand.name} {_capitals(noun)} No. {rng.randint(10, 99)}"
    words = [
        rng.choice(ADJECTIVES) if rng.random() < 0.35 else "",
        _english_name(COLOURS, colour, rng) if named.colour else "",
        _english_name(PATTERNS, design.pattern, rng) if named.pattern else "",
        design.material if rng.random() < 0.3 else "",
        design.shape if rng.random() < 0.6 and design.shape != noun else "",
        noun,
    ]
    brand = design.brand.name if rng.random() < 0.65 else ""
    return " ".join(part for part in (brand, *(_capitals(word) for word in words)) if part)


def _english_name(names: dict[str, tuple[str, ...]], value: str, rng: random.Random) -> str:
    """The plain word, or sometimes a synonym."""
    others = names[value][1:]
    return rng.choice(others) if others and rng.random() < 0.2 else value


def _capitals(words: str) -> str:
    """Every part of every word with a capital: V-Neck, Polka Dot."""
    return re.sub(r"(?:^|(?<=[ -]))[a-z]", lambda letter: letter[0].upper(), words)


def _chinese_title(design: Style, colour: str, named: TitleAttributes, rng: random.Random) -> str:
    kind, brand = KINDS[design.category], design.brand.chinese
    if design.brand.terse:
        return f"{brand}{kind.chinese} {rng.randint(10, 99)}号"
    parts = [
        f"{brand} " if rng.random() < 0.65 else "",
        rng.choice(CHINESE_ADJECTIVES) if rng.random() < 0.35 else "",
        COLOURS[colour][0] if named.colour else "",
        PATTERNS[design.pattern][0] if named.pattern else "",
        kind.shapes[design.shape] if rng.random() < 0.6 else "",
        kind.chinese,
    ]
    return "".join(parts)


def describe(design: Style, rng: random.Random) -> str:
    """Two or three sentences without colour or pattern."""
    worn = KINDS[design.category].worn
    if design.language == "zh":
        chosen = rng.sample(CHINESE_SENTENCES[worn], 2)
        return "".join(chosen).format(material=MATERIALS_CHINESE[design.material])
    return " ".join(rng.sample(SENTENCES[worn], rng.choice((2, 3)))).format(material=design.material)
