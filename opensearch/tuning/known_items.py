"""Known-item queries: some words of a product, with that product as the only relevant one.

They need no click log and no judgments. Azzopardi, de Rijke, Balog: Building simulated queries for known-item topics
(SIGIR 2007).
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch.index.fields import SEARCH, IndexSchema
from opensearch.index.scan import sample
from opensearch.index.spaces import TEXT
from vitrine.errors import WeightsError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

SAMPLE = 5000  # products whose words are counted
_WORD = re.compile(r"[^\W\d_]{2,}")  # without codes and measures: a query of those needs no ranking
_LENGTHS = (2, 3, 4)  # words of a query
# A word of a query is missing from a third of the texts that are relevant to it (Zhao and Callan, CIKM 2010).
MISMATCH = 1 / 3


@dataclass(frozen=True)
class KnownItem:
    """A query, the product that it is made of, and the words of the query that occur in the product."""

    query: str
    id: str
    shared: str


def known_items(texts: Mapping[str, str], count: int, seed: int = 0) -> list[KnownItem]:
    """Return up to `count` queries of two to four words from products' texts (id -> text).

    Words are drawn by inverse document frequency, so that a query is specific, but never a word of one product only: such a
    query is a look-up, with the same result under all weights. One word in three stands for a word that the shopper uses
    and the product does not, and is left out of `shared`. Raises WeightsError when no product gives a query.
    """
    words = {id_: sorted(set(_WORD.findall(text.lower()))) for id_, text in texts.items()}
    frequency = Counter(word for own in words.values() for word in own)
    shared = {id_: [w for w in own if frequency[w] > 1] for id_, own in words.items()}
    eligible = sorted(id_ for id_, own in shared.items() if len(own) >= 2)
    if not eligible:
        raise WeightsError(
            "no product shares two words with others, so no queries can be made of the catalogue: the weights stay"
        )
    generator = random.Random(seed)
    items = []
    for id_ in generator.sample(eligible, min(count, len(eligible))):
        own = shared[id_]
        remaining = {w: math.log(1 + len(words) / frequency[w]) for w in own}
        chosen = []
        for _ in range(min(generator.choice(_LENGTHS), len(own))):
            word = generator.choices(list(remaining), weights=list(remaining.values()))[0]
            chosen.append(word)
            del remaining[word]
        shared_words = [word for word in chosen if generator.random() >= MISMATCH] or chosen[:1]
        items.append(KnownItem(" ".join(chosen), id_, " ".join(shared_words)))
    return items


def read_texts(client: OpenSearch, index: str, schema: IndexSchema) -> dict[str, str]:
    """Return the text that the lexical sub-query matches (id -> text), of a sample of the index.

    Products in a language that the text encoder does not support are left out: only the lexical sub-query finds them.
    """
    text = schema.vectors.get(TEXT)
    languages = text.languages if text else ()
    query = {"terms": {"language": list(languages)}} if languages else None
    documents = sample(client, index, SAMPLE, includes=[SEARCH], query=query)
    return {id_: " ".join((source.get(SEARCH) or {}).values()) for id_, source in documents}
