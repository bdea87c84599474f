"""The queries of the shoppers with their frequencies, and those that the demo shows."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .query_intent import OCCASIONS
from .words import BRANDS, COLOUR_SHARES, COLOURS, KINDS, PATTERN_SHARES, PATTERNS


@dataclass(frozen=True)
class Query:
    text: str
    language: str  # en or zh
    share: float  # how often it is typed, against the others


@dataclass(frozen=True)
class DemoQuery:
    """A query that the demo shows, and the reason."""

    kind: str  # image, taste or chinese
    text: str
    shoppers: tuple[str, ...]  # shoppers whose orders stand side by side
    why: str


DEMO_QUERIES = (
    DemoQuery(
        "picture",
        "yellow dotted mug",
        (),
        "the brand of the yellow dotted mugs names neither colour nor pattern: only the image shows it",
    ),
    DemoQuery("taste", "dress", ("ana", "ben"), "ana clicks red and floral, ben black and plain"),
    DemoQuery("chinese", "红色连衣裙", ("mei",), "Chinese titles, matched by the lexical sub-query"),
)


def query_pool(seed: int = 7, size: int = 300) -> list[Query]:
    """At most `size` distinct queries; the same seed gives the same pool."""
    rng = random.Random(f"queries:{seed}")
    always = [Query(demo.text, "zh" if demo.kind == "chinese" else "en", 6.0) for demo in DEMO_QUERIES]
    rest = [*_broad(), *_coloured(rng), *_patterned(rng), *_exact(rng), *_others(rng), *_chinese(rng)]
    rng.shuffle(rest)
    # the most frequent queries come first, as in a log
    rest.sort(key=lambda query: -query.share * rng.uniform(0.5, 1.5))
    distinct = {query.text: query for query in reversed([*always, *rest])}
    ordered = [query for query in (*always, *rest) if distinct.pop(query.text, None)]
    return ordered[:size]


def _broad() -> list[Query]:
    nouns = [
        Query(noun, "en", 5.0 if i == 0 else 1.5)
        for kind in KINDS.values()
        for i, noun in enumerate(kind.nouns)
    ]
    return nouns + [Query(name, "en" if name.isascii() else "zh", 1.0) for name in OCCASIONS]


def _name_of(names: tuple[str, ...], value: str, rng: random.Random) -> str:
    """The value's plain name, or sometimes an English synonym."""
    finer = [name for name in names if name.isascii()]
    return rng.choice(finer) if finer and rng.random() < 0.2 else value


def _coloured(rng: random.Random) -> list[Query]:
    return [
        Query(f"{_name_of(COLOURS[colour], colour, rng)} {kind.nouns[0]}", "en", 1.6 * share * kind.share)
        for colour, share in COLOUR_SHARES.items()
        for kind in KINDS.values()
        if rng.random() < 0.55
    ]


def _patterned(rng: random.Random) -> list[Query]:
    return [
        Query(f"{_name_of(PATTERNS[pattern], pattern, rng)} {kind.nouns[0]}", "en", 1.2 * kind.share)
        for pattern in PATTERN_SHARES
        for kind in KINDS.values()
        if rng.random() < 0.45
    ]


def _exact(rng: random.Random) -> list[Query]:
    combined = [(c, p, kind) for c in COLOURS for p in PATTERNS for kind in KINDS.values() if p != "plain"]
    return [Query(f"{c} {p} {kind.nouns[0]}", "en", 1.0) for c, p, kind in rng.sample(combined, 60)]


def _others(rng: random.Random) -> list[Query]:
    shaped = [Query(f"{s} {kind.nouns[0]}", "en", 1.0) for kind in KINDS.values() for s in kind.shapes]
    cheap = [Query(f"cheap {kind.nouns[0]}", "en", 0.9) for kind in KINDS.values()]
    branded = [
        Query(f"{brand.name} {kind.nouns[0]}".lower(), "en", 0.9)
        for brand in BRANDS
        for kind in KINDS.values()
        if kind.worn == brand.worn and rng.random() < 0.25
    ]
    return shaped + cheap + branded


def _chinese(rng: random.Random) -> list[Query]:
    plain = [Query(kind.chinese, "zh", 2.5) for kind in KINDS.values()]
    coloured = [
        Query(f"{COLOURS[colour][0]}{kind.chinese}", "zh", 1.2)
        for colour in COLOURS
        for kind in KINDS.values()
        if rng.random() < 0.12
    ]
    patterned = [
        Query(f"{PATTERNS[pattern][0]}{kind.chinese}", "zh", 1.0)
        for pattern in PATTERNS
        for kind in KINDS.values()
        if rng.random() < 0.1
    ]
    return plain + coloured + patterned
