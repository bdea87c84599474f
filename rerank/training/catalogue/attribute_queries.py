"""Graded queries made of a catalogue alone: values of its attributes, and how many of them each product carries.

"red shoes for women" is composed of the values of one product. A product that carries all three is an answer, one that
carries two is a worse one. The attributes are those of the captions that teach an image tower, without those that are read
from the titles themselves: they would say that titles answer every query. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoders.training.captions import Attribute, ProductText, attributes, phrase

MIN_TITLE_COVERAGE = 0.05  # shoppers type values that titles name, not storage temperatures
_SIZES = (1, 2, 3)  # values of a query


@dataclass(frozen=True)
class AttributeQuery:
    """The words of a query, and the grade (N,) of every product: how many of the query's values it carries."""

    words: str
    grades: npt.NDArray[np.int8]


def attribute_queries(products: Sequence[ProductText], count: int, seed: int = 0) -> list[AttributeQuery]:
    """Return up to `count` distinct queries of one to three values; none for a catalogue without attributes."""
    columns = {name for product in products for name in product.keywords}
    usable = [one for one in attributes(products) if one.name in columns and _is_typed(one)]
    if not usable:
        return []
    values = {
        attribute.name: np.array([value or "" for value in attribute.values], dtype=object)
        for attribute in usable
    }
    generator = random.Random(seed)
    rows = list(range(len(products)))
    generator.shuffle(rows)
    queries: dict[str, AttributeQuery] = {}
    for row in rows:
        chosen = _chosen([attribute for attribute in usable if attribute.values[row]], generator)
        pairs = [(attribute, str(attribute.values[row])) for attribute in chosen]
        words = phrase(pairs)
        if words and words not in queries:
            grades = sum((values[attribute.name] == value).astype(np.int8) for attribute, value in pairs)
            queries[words] = AttributeQuery(words, np.asarray(grades, dtype=np.int8))
        if len(queries) == count:
            break
    return list(queries.values())


def _chosen(own: Sequence[Attribute], generator: random.Random) -> Iterator[Attribute]:
    """Yield one to three attributes of a product; what more titles name is chosen more often."""
    remaining = list(own)
    for _ in range(min(generator.choice(_SIZES), len(own))):
        attribute = generator.choices(remaining, [one.title_coverage for one in remaining])[0]
        remaining.remove(attribute)
        yield attribute


def _is_typed(attribute: Attribute) -> bool:
    """Return whether shoppers may type the values: titles name some of them, and they are words."""
    values = {value for value in attribute.values if value}
    words = any(char.isalpha() for value in values for char in value)
    return attribute.title_coverage >= MIN_TITLE_COVERAGE and words and not values <= {"true", "false"}
