"""Products of four kinds in three styles and a log of shoppers who prefer one style, for the tests of training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from rerank.arrays import unit
from rerank.features.groups import QueryVectors
from rerank.features.product_table import ProductTable, read_products
from rerank.slate import Slate
from rerank.training.log.events import Event, Log

PRODUCTS, DIMENSION = 80, 12
START = 1_770_000_000.0
PLAN = FieldPlan(numbers=("price", "stock"), keywords=("style",), created="created")
SCHEMA = IndexSchema(
    PLAN,
    {"text": VectorField("words", "words", DIMENSION), "image": VectorField("tower", "words", DIMENSION)},
)
_RNG = np.random.default_rng(3)
KIND, STYLE = np.arange(PRODUCTS) % 4, np.arange(PRODUCTS) % 3
_KINDS = unit(_RNG.normal(size=(4, DIMENSION)).astype(np.float32))
_STYLES = unit(_RNG.normal(size=(3, DIMENSION)).astype(np.float32))
_NOISE = 0.2 * _RNG.normal(size=(2, PRODUCTS, DIMENSION)).astype(np.float32)
TEXT = unit(_KINDS[KIND] + _NOISE[0])
IMAGE = unit(_KINDS[KIND] + _STYLES[STYLE] + _NOISE[1])
IDS = [f"p{n}" for n in range(PRODUCTS)]


def documents() -> Iterator[dict[str, Any]]:
    """Indexed documents; every ninth has no picture, every seventh no price, every eleventh no words."""
    for n, product in enumerate(IDS):
        numbers = {"stock": float(n % 5)} | ({} if n % 7 == 0 else {"price": 5.0 + n})
        yield {
            "id": product,
            **({} if n % 11 == 0 else {"text_vec": TEXT[n].tolist()}),
            "images": [] if n % 9 == 0 else [{"hash": "x", "vec": IMAGE[n].tolist()}],
            "numbers": numbers,
            "keywords": {"style": f"style {STYLE[n]}"},
            "created": "2026-01-15",
        }


def products() -> ProductTable:
    return read_products(documents(), SCHEMA)


def embed(queries: Sequence[str]) -> list[QueryVectors]:
    """Vectors of queries such as "kind 2"; any other has none."""
    return [
        dict.fromkeys(SCHEMA.vectors, _KINDS[int(query[5:])]) if query.startswith("kind ") else {}
        for query in queries
    ]


def shopper_of(number: int) -> str:
    """The keyed hash of a shopper, as an earlier release wrote it."""
    return hashlib.sha256(f"shopper {number}".encode()).hexdigest()[:32]


def log(searches: int = 900, seed: int = 5) -> Log:
    """Return a log in which shoppers click products of the kind they search and of the style they prefer."""
    rng = np.random.default_rng(seed)
    slates, events = [], []
    for number in range(searches):
        at, kind, shopper = START + 600.0 * number, int(rng.integers(4)), int(rng.integers(12))
        engine = np.argsort(-(TEXT @ _KINDS[kind]) + 0.2 * rng.normal(size=PRODUCTS))[:30]
        explore = rng.random() < 0.3
        shown = [int(n) for n in (rng.permutation(engine) if explore else engine)]
        slate = Slate(
            query_id=f"q{number}",
            alias="shop",
            at=at,
            query=f"kind {kind}",
            shopper=shopper_of(shopper),
            engine=tuple(IDS[n] for n in engine),
            shown=tuple(IDS[n] for n in shown),
            viewed=12,
            arm="explore" if explore else "engine",
        )
        slates.append(slate)
        for position, n in enumerate(shown[:12]):
            probability = (0.9 if STYLE[n] == shopper % 3 else 0.1) * (1.0 if KIND[n] == kind else 0.1)
            if rng.random() < probability / (position + 1) ** 0.5:
                events.append(Event(slate.query_id, "click", IDS[n], at + 5 + position, slate.shopper))
                if rng.random() < 0.2:
                    events.append(Event(slate.query_id, "purchase", IDS[n], at + 60, slate.shopper))
    return Log(slates, sorted(events, key=lambda event: event.at))
