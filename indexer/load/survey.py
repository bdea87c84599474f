"""A first reading of the catalogue for a new index: its languages, and the words that its compounds are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from indexer.catalogue.product import Product, RowError, read_product
from indexer.catalogue.rows import CatalogueItem, CatalogueRow
from opensearch.analysis.compounds import compound_words, compounds_of
from opensearch.analysis.languages import LANGUAGES, known_language
from opensearch.analysis.survey import Survey
from opensearch.index.fields import FieldPlan

from .document import search_text

MAX_ROWS = 100_000  # words that the first of so many rows do not have are in few compounds
_MIN_SHARE = 0.001  # of the rows: a language that is rarer gets no field of its own


def needs_survey(plan: FieldPlan) -> bool:
    """Return whether rows name their language, or the catalogue's language writes words together."""
    return plan.language_field is not None or has_compounds(plan.language)


def has_compounds(language: str) -> bool:
    """Return whether the language writes words together."""
    known = known_language(language)
    return known is not None and any(chain.compounds for chain in LANGUAGES[known])


def survey(rows: Iterable[CatalogueItem], plan: FieldPlan) -> Survey:
    """Return the languages of the first 100,000 rows, the most frequent first, and the parts of their compounds."""
    languages: Counter[str] = Counter()
    words: dict[str, Counter[str]] = {}
    for row in islice(rows, MAX_ROWS):
        product = _product(row, plan)
        if product is None or (language := known_language(product.language)) is None:
            continue
        languages[language] += 1
        if has_compounds(language):
            words.setdefault(language, Counter()).update(compound_words(search_text(product)))
    frequent = [name for name, count in languages.most_common() if count >= _MIN_SHARE * languages.total()]
    return Survey(tuple(frequent), {name: compounds_of(words[name]) for name in frequent if name in words})


def _product(row: CatalogueItem, plan: FieldPlan) -> Product | None:
    if not isinstance(row, CatalogueRow):
        return None
    try:
        return read_product(row.values, plan)[0]
    except RowError:
        return None
