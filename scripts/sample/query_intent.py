"""The intent of a query, and the true relevance of a product to it, from true attributes instead of text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .catalogue import Truth
from .words import BRANDS, COLOURS, KINDS, PATTERNS

CHEAP_SHARE = 0.85  # of the category's median price


@dataclass(frozen=True)
class Occasion:
    """A vague intent: the categories and the gender that fit it."""

    categories: frozenset[str]
    gender: str | None = None


OCCASIONS: dict[str, Occasion] = {
    "gift for her": Occasion(frozenset({"bag", "watch", "hat", "vase"}), "women"),
    "gift for him": Occasion(frozenset({"watch", "bag", "mug", "hat"}), "men"),
    "summer outfit": Occasion(frozenset({"dress", "t-shirt", "skirt"})),
    "new home": Occasion(frozenset({"lamp", "chair", "cushion", "vase"})),
    "living room": Occasion(frozenset({"lamp", "chair", "cushion", "vase"})),
    "rainy day": Occasion(frozenset({"umbrella", "boot"})),
    "footwear": Occasion(frozenset({"sneaker", "boot"})),
    "coffee time": Occasion(frozenset({"mug"})),
    "送女友礼物": Occasion(frozenset({"bag", "watch", "hat", "vase"}), "women"),
    "家居装饰": Occasion(frozenset({"lamp", "chair", "cushion", "vase"})),
}
_CHEAP = ("cheap", "便宜")


@dataclass(frozen=True)
class QueryIntent:
    """The constraints of a query; None and empty where it has none."""

    category: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)  # of colour, pattern, shape, brand
    cheap: bool = False
    occasion: Occasion | None = None


@lru_cache(maxsize=4096)
def parse_intent(query: str) -> QueryIntent:
    """The intent of a query in English or Chinese; unknown words are ignored."""
    rest = f" {query.lower().replace('-', ' ')} "
    for name, occasion in OCCASIONS.items():
        if name in rest:
            return QueryIntent(occasion=occasion)
    cheap = any(word in rest for word in _CHEAP)
    category, rest = _take(rest, _NAMES["category"])
    attributes = {}
    for part in ("brand", "pattern", "colour"):
        value, rest = _take(rest, _NAMES[part])
        if value:
            attributes[part] = value
    shape, _ = _take(rest, _shape_names(category)) if category else (None, rest)
    if shape:
        attributes["shape"] = shape
    return QueryIntent(category, attributes, cheap)


def true_relevance(query: str, truth: Truth) -> int:
    """The true relevance of a product to a query, from 0 (none) to 3 (all constraints met), whatever its text says.

    In the right category with all but one of several constraints met it is 2, with fewer 1.
    """
    intent = parse_intent(query)
    if intent.occasion:
        fits = intent.occasion.gender in (None, truth.gender) or truth.gender in (None, "unisex")
        return 3 if fits and truth.category in intent.occasion.categories else 0
    if intent.category and intent.category != truth.category:
        return 0
    met = [getattr(truth, part) == value for part, value in intent.attributes.items()]
    if intent.cheap:
        met.append(truth.price <= CHEAP_SHARE * KINDS[truth.category].price)
    if not intent.category and not any(met):
        return 0
    missed = len(met) - sum(met)
    if missed == 0:
        return 3
    return 2 if missed == 1 and len(met) > 1 else 1


def true_gain(query: str, truth: Truth) -> float:
    """2 ** grade - 1, the same for every shopper."""
    return float(2 ** true_relevance(query, truth) - 1)


def true_ndcg(
    query: str,
    ranked: Sequence[str],
    truths: Mapping[str, Truth],
    gain: Callable[[str, Truth], float] = true_gain,
    depth: int = 10,
) -> float | None:
    """nDCG of ranked ids by true relevance; None when no product is relevant to the query.

    The ideal order is that of the whole catalogue (Järvelin and Kekäläinen, TOIS 2002).
    """
    gains = {id_: gain(query, truth) for id_, truth in truths.items()}
    ideal = _discounted(sorted(gains.values(), reverse=True)[:depth])
    return _discounted([gains.get(id_, 0.0) for id_ in ranked[:depth]]) / ideal if ideal else None


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def _take(text: str, names: Mapping[str, str]) -> tuple[str | None, str]:
    """The value of the longest known name in `text`, and the text without it."""
    for name in sorted(names, key=len, reverse=True):
        pattern = re.escape(name) if not name.isascii() else rf"\b{re.escape(name)}\b"
        if re.search(pattern, text):
            return names[name], re.sub(pattern, " ", text, count=1)
    return None, text


def _spelt(name: str) -> Iterator[str]:
    """The spellings of a name in queries: without hyphens, singular and plural."""
    plain = name.lower().replace("-", " ")
    yield plain
    if plain.isascii():
        yield f"{plain}es" if plain.endswith(("s", "ch")) else f"{plain}s"


def _values(table: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The value of every spelling of every name."""
    return {spelling: value for value, names in table.items() for name in names for spelling in _spelt(name)}


def _shape_names(category: str) -> dict[str, str]:
    return _values({shape: (shape, chinese) for shape, chinese in KINDS[category].shapes.items()})


_NAMES: dict[str, dict[str, str]] = {
    "category": _values(
        {category: (category, *kind.nouns, kind.chinese) for category, kind in KINDS.items()}
    ),
    "brand": _values({brand.name: (brand.name, brand.chinese) for brand in BRANDS}),
    "pattern": _values({pattern: (pattern, *others) for pattern, others in PATTERNS.items()}),
    "colour": _values({colour: (colour, *others) for colour, others in COLOURS.items()}),
}
