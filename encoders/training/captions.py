"""What a shopper could type to find a product: captions composed of its attributes, and each as an answer to choose.

The attributes come from the keyword columns and, where a title says them, from its words. A *theme* is one to three
attributes ("colour and article for whom"); its captions are all combinations that the catalogue has, so that choosing
the right one means telling apart captions that differ in a single word.
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

LEAST = 3  # products that must share a value before it is something to learn
VALUES = 400  # of one attribute; a column with more is a name, not an attribute
COMBINED = 4  # attributes that enter combinations
CAPTIONS = 8000  # of all themes together
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
    """The words of one product; `title` is empty when the text encoder does not know its language."""

    title: str
    texts: tuple[str, ...]
    keywords: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Attribute:
    """One thing that products differ in: a value a product, or None."""

    name: str
    values: tuple[str | None, ...]
    title_coverage: float  # share of the valued products whose title says the value
    place: float  # where in a title it stands, 0 first, 1 last


@dataclass(frozen=True)
class Theme:
    """The captions of one combination of attributes, and which of them is true of each product (-1: none)."""

    names: tuple[str, ...]
    captions: tuple[str, ...]
    answer: IntArray  # (n,)
    weight: float
    head: str  # the attribute that titles end with: what the product is


def words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def attributes(products: Sequence[ProductText]) -> list[Attribute]:
    """The attributes of a catalogue, those that titles speak of first."""
    titles = [words(product.title) for product in products]
    columns = dict.fromkeys(name for product in products for name in product.keywords)
    found = [
        attribute
        for name in columns
        if (
            attribute := _attribute(
                name, [_first(product.keywords.get(name)) for product in products], titles
            )
        )
    ]
    colour = [attribute for attribute in found if _speaks_of(attribute, COLOURS)]
    audience = [attribute for attribute in found if _speaks_of(attribute, AUDIENCE)]
    nouns = [attribute for attribute in found if attribute.place > 0.6 and attribute.title_coverage > 0.3]
    if not colour:
        found += _from_titles("colour", titles, COLOURS)
    if not audience:
        found += _from_titles("audience", titles, AUDIENCE)
    if all(attribute in colour + audience for attribute in nouns):
        found += _nouns(titles)
    return sorted(found, key=lambda attribute: -attribute.title_coverage)


def themes(found: Sequence[Attribute]) -> list[Theme]:
    """One theme an attribute, and one for every two and three of the most spoken ones."""
    title_coverage = [attribute for attribute in found if attribute.title_coverage >= 0.3][:COMBINED] or list(
        found[:2]
    )
    chosen: list[tuple[Attribute, ...]] = [(attribute,) for attribute in found]
    chosen += [group for many in (2, 3) for group in combinations(title_coverage, many)]
    made = [theme for group in chosen if (theme := _theme(group)) is not None]
    room = CAPTIONS
    kept = []
    for theme in made:
        if len(theme.captions) <= room:
            kept.append(theme)
            room -= len(theme.captions)
    return kept


def phrase(values: Sequence[tuple[Attribute, str]]) -> str:
    """The values as a shopper says them: in the order of the titles, and last for whom: "red shoes for women"."""
    ordered = sorted(values, key=lambda pair: pair[0].place)
    audience = [value.casefold() for _, value in ordered if value.casefold() in AUDIENCE - {"unisex"}]
    rest = [value.casefold() for _, value in ordered if value.casefold() not in AUDIENCE - {"unisex"}]
    if not audience:
        return " ".join(rest)
    return f"{' '.join(rest)} for {' '.join(audience)}" if rest else f"for {' '.join(audience)}"


def _attribute(name: str, values: list[str | None], titles: list[list[str]]) -> Attribute | None:
    """The attribute without its rare values; None when too few or too many are left to be one."""
    counts = Counter(value for value in values if value and not value.isdigit())
    kept = {value for value, count in counts.items() if count >= LEAST}
    if not 2 <= len(kept) <= VALUES or sum(counts[value] for value in kept) < 0.2 * len(values):
        return None
    said, places = 0, [0.0]
    for value, title in zip(values, titles, strict=True):
        if value in kept and value is not None and (place := _where(value, title)) is not None:
            said += 1
            places.append(place)
    total = sum(counts[value] for value in kept)
    place = sum(places) / max(1, said)
    return Attribute(name, tuple(value if value in kept else None for value in values), said / total, place)


def _where(value: str, title: list[str]) -> float | None:
    """Where in the title, 0 to 1, the value's last word stands, singular or plural; None when it does not."""
    parts = words(value)
    if not parts:
        return None
    stems = [_stem(word) for word in title]
    if not all(_stem(part) in stems for part in parts):
        return None
    return stems.index(_stem(parts[-1])) / max(1, len(stems) - 1)


def _stem(word: str) -> str:
    return word.replace("-", "").removesuffix("s")


def _speaks_of(attribute: Attribute, lexicon: frozenset[str]) -> bool:
    valued = [value for value in attribute.values if value]
    return sum(bool(lexicon & set(words(value))) for value in valued) > 0.5 * len(valued)


def _from_titles(name: str, titles: list[list[str]], lexicon: frozenset[str]) -> list[Attribute]:
    values = [next((word for word in title if word in lexicon), None) for title in titles]
    attribute = _attribute(name, values, titles)
    return [attribute] if attribute else []


def _nouns(titles: list[list[str]]) -> list[Attribute]:
    """What the product is: the last word of its title that many titles end with, with the word before it if usual."""
    plain = [[word for word in title if word not in COLOURS and word not in AUDIENCE] for title in titles]
    pairs = Counter(tuple(title[-2:]) for title in plain if len(title) > 1)
    most = max(LEAST, len(titles) // 500)
    ends = [
        None if not title else " ".join(title[-2:]) if pairs[tuple(title[-2:])] >= most else title[-1]
        for title in plain
    ]
    usual = {end for end, count in Counter(ends).most_common(VALUES) if count >= most}
    values = [end if end in usual else None for end in ends]
    attribute = _attribute("article", values, titles)
    return [attribute] if attribute else []


def _theme(group: tuple[Attribute, ...]) -> Theme | None:
    rows = zip(*(attribute.values for attribute in group), strict=True)
    said = [
        phrase(list(zip(group, row, strict=True))) if all(value is not None for value in row) else None
        for row in rows
    ]
    captions = tuple(sorted({caption for caption in said if caption}))
    if len(captions) < 2:
        return None
    place = {caption: row for row, caption in enumerate(captions)}
    answer = np.array([place[caption] if caption else -1 for caption in said], dtype=np.int64)
    weight = float(np.mean([0.2 + attribute.title_coverage for attribute in group]))
    head = max(group, key=lambda attribute: attribute.place).name
    return Theme(tuple(attribute.name for attribute in group), captions, answer, weight, head)


def _first(values: tuple[str, ...] | None) -> str | None:
    return values[0] if values else None
