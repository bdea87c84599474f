"""Attribute captions of products, used as classification targets: "red shoes for women".

The attributes come from the keyword columns and, where titles name them, from the titles. A combination has one to three
attributes; its captions are all value combinations of the catalogue, so the right caption often differs from others
in a single word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

MIN_PRODUCTS = 3  # with a value, or it is ignored
MAX_VALUES = 400  # of one attribute; a column with more is a name, not an attribute
MAX_COMBINED = 4  # attributes that enter combinations
MAX_CAPTIONS = 8000  # of all combinations together
AUDIENCE = frozenset(
    re.findall(
        r"\w+",
        "men women boys girls kids children babies baby ladies gents unisex adults teens toddlers infants ",
    )
)
COLOURS = frozenset(
    re.findall(
        r"\w+",
        "black white grey gray silver gold bronze copper red maroon burgundy pink magenta rose peach coral "
        "orange rust yellow mustard beige cream ivory tan brown khaki olive green lime teal turquoise cyan "
        "blue navy purple violet lavender indigo multicolour multicolored charcoal taupe ",
    )
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class ProductText:
    """The texts of one product; `title` is empty when the text encoder does not know its language."""

    title: str
    texts: tuple[str, ...]
    keywords: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Attribute:
    """One attribute with its value for each product, or None.

    `title_coverage` is the share of the products with a value whose title names it; `position` is its mean position in
    these titles, from 0 (first word) to 1 (last).
    """

    name: str
    values: tuple[str | None, ...]
    title_coverage: float
    position: float


@dataclass(frozen=True)
class AttributeCombination:
    """The captions of one combination of attributes, and each product's caption row (-1: none).

    `head` is the attribute that titles end with, the kind of the product; `weight` grows with the title coverage.
    """

    names: tuple[str, ...]
    captions: tuple[str, ...]
    caption_of: IntArray  # (products,)
    weight: float
    head: str


def words(text: str) -> list[str]:
    """Return the words of a text, case-folded."""
    return [word.casefold() for word in _WORD.findall(text)]


def attributes(products: Sequence[ProductText]) -> list[Attribute]:
    """Return the attributes of a catalogue, highest title coverage first."""
    titles = [words(product.title) for product in products]
    columns = dict.fromkeys(name for product in products for name in product.keywords)
    candidates = (
        _attribute(name, [_first(product.keywords.get(name)) for product in products], titles)
        for name in columns
    )
    usable = [attribute for attribute in candidates if attribute]
    colour = [attribute for attribute in usable if _has_values_of(attribute, COLOURS)]
    audience = [attribute for attribute in usable if _has_values_of(attribute, AUDIENCE)]
    nouns = [attribute for attribute in usable if attribute.position > 0.6 and attribute.title_coverage > 0.3]
    if not colour:
        usable += _from_titles("colour", titles, COLOURS)
    if not audience:
        usable += _from_titles("audience", titles, AUDIENCE)
    if all(attribute in colour + audience for attribute in nouns):
        usable += _nouns(titles)
    return sorted(usable, key=lambda attribute: -attribute.title_coverage)


def attribute_combinations(usable: Sequence[Attribute]) -> list[AttributeCombination]:
    """Return one combination per attribute, and one for every two and three of those that titles name most."""
    named = [attribute for attribute in usable if attribute.title_coverage >= 0.3][:MAX_COMBINED]
    groups: list[tuple[Attribute, ...]] = [(attribute,) for attribute in usable]
    groups += [group for size in (2, 3) for group in combinations(named or usable[:2], size)]
    remaining = MAX_CAPTIONS
    chosen = []
    for combination in filter(None, map(_combination, groups)):
        if len(combination.captions) <= remaining:
            chosen.append(combination)
            remaining -= len(combination.captions)
    return chosen


def phrase(values: Sequence[tuple[Attribute, str]]) -> str:
    """Return the values in the order of titles, with the audience last: "red shoes for women"."""
    ordered = sorted(values, key=lambda pair: pair[0].position)
    audience = [value.casefold() for _, value in ordered if value.casefold() in AUDIENCE - {"unisex"}]
    rest = [value.casefold() for _, value in ordered if value.casefold() not in AUDIENCE - {"unisex"}]
    if not audience:
        return " ".join(rest)
    return f"{' '.join(rest)} for {' '.join(audience)}" if rest else f"for {' '.join(audience)}"


def _attribute(name: str, values: list[str | None], titles: list[list[str]]) -> Attribute | None:
    """The attribute without rare values; None when too few or too many values remain."""
    counts = Counter(value for value in values if value and not value.isdigit())
    frequent = {value for value, count in counts.items() if count >= MIN_PRODUCTS}
    total = sum(counts[value] for value in frequent)
    if not 2 <= len(frequent) <= MAX_VALUES or total < 0.2 * len(values):
        return None
    positions = [
        position
        for value, title in zip(values, titles, strict=True)
        if value in frequent and value is not None and (position := _position(value, title)) is not None
    ]
    mean = sum(positions) / max(1, len(positions))
    return Attribute(
        name, tuple(value if value in frequent else None for value in values), len(positions) / total, mean
    )


def _position(value: str, title: list[str]) -> float | None:
    """The position (0 to 1) of the value's last word in the title, singular or plural; None when it is absent."""
    parts = words(value)
    if not parts:
        return None
    stems = [_stem(word) for word in title]
    if not all(_stem(part) in stems for part in parts):
        return None
    return stems.index(_stem(parts[-1])) / max(1, len(stems) - 1)


def _stem(word: str) -> str:
    return word.replace("-", "").removesuffix("s")


def _has_values_of(attribute: Attribute, lexicon: frozenset[str]) -> bool:
    values = [value for value in attribute.values if value]
    return sum(bool(lexicon & set(words(value))) for value in values) > 0.5 * len(values)


def _from_titles(name: str, titles: list[list[str]], lexicon: frozenset[str]) -> list[Attribute]:
    values = [next((word for word in title if word in lexicon), None) for title in titles]
    attribute = _attribute(name, values, titles)
    return [attribute] if attribute else []


def _nouns(titles: list[list[str]]) -> list[Attribute]:
    """The kind of a product: the last word of its title if it is frequent, with the word before it if that pair is."""
    plain = [[word for word in title if word not in COLOURS and word not in AUDIENCE] for title in titles]
    pairs = Counter(tuple(title[-2:]) for title in plain if len(title) > 1)
    minimum = max(MIN_PRODUCTS, len(titles) // 500)
    ends = [
        None if not title else " ".join(title[-2:]) if pairs[tuple(title[-2:])] >= minimum else title[-1]
        for title in plain
    ]
    frequent = {end for end, count in Counter(ends).most_common(MAX_VALUES) if count >= minimum}
    values = [end if end in frequent else None for end in ends]
    attribute = _attribute("article", values, titles)
    return [attribute] if attribute else []


def _combination(group: tuple[Attribute, ...]) -> AttributeCombination | None:
    rows = zip(*(attribute.values for attribute in group), strict=True)
    own = [
        phrase(list(zip(group, row, strict=True))) if all(value is not None for value in row) else None
        for row in rows
    ]
    captions = tuple(sorted({caption for caption in own if caption}))
    if len(captions) < 2:
        return None
    index = {caption: row for row, caption in enumerate(captions)}
    caption_of = np.array([index[caption] if caption else -1 for caption in own], dtype=np.int64)
    weight = float(np.mean([0.2 + attribute.title_coverage for attribute in group]))
    head = max(group, key=lambda attribute: attribute.position).name
    return AttributeCombination(
        tuple(attribute.name for attribute in group), captions, caption_of, weight, head
    )


def _first(values: tuple[str, ...] | None) -> str | None:
    return values[0] if values else None
