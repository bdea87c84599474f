"""Known-item queries: made of some of a product's own words, with that product as the one right answer.

They need no log and no ratings. Azzopardi, de Rijke, Balog: Building simulated queries for known-item topics (SIGIR 2007).
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch.index.fields import IndexSchema
from opensearch.index.scan import sample
from vitrine.errors import WeightsError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

SAMPLE = 5000  # products that say which words are common
_WORD = re.compile(r"[^\W\d_]{2,}")  # no codes or measures: a shopper who types those needs no ranking
_LENGTHS = (2, 3, 4)  # words of a query
# A word of a query is missing from a third of the texts that are relevant to it (Zhao and Callan, CIKM 2010).
MISMATCH = 1 / 3


@dataclass(frozen=True)
class KnownItem:
    """A query, the one product that it was made from, and the words of the query that a shopper shares with the product."""

    query: str
    id: str
    shared: str


def known_items(texts: Mapping[str, str], count: int, seed: int = 0) -> list[KnownItem]:
    """Make up to `count` queries of two to four words each from products' texts (id -> text).

    Words are drawn by inverse document frequency, so that a query says something, but never a word that only one product
    has: such a query is a look-up, which every weighting answers alike. One word in three stands for a word that the
    shopper uses and the product does not. Raises WeightsError when no product gives a query.
    """
    words = {id_: sorted(set(_WORD.findall(text.lower()))) for id_, text in texts.items()}
    frequency = Counter(word for own in words.values() for word in own)
    shared = {id_: [w for w in own if frequency[w] > 1] for id_, own in words.items()}
    able = sorted(id_ for id_, own in shared.items() if len(own) >= 2)
    if not able:
        raise WeightsError(
            "no product shares two words with others, so no queries can be made of the catalogue: the weights stay"
        )
    chance = random.Random(seed)
    made = []
    for id_ in chance.sample(able, min(count, len(able))):
        own = shared[id_]
        left = {w: math.log(1 + len(words) / frequency[w]) for w in own}
        chosen = []
        for _ in range(min(chance.choice(_LENGTHS), len(own))):
            word = chance.choices(list(left), weights=list(left.values()))[0]
            chosen.append(word)
            del left[word]
        kept = [word for word in chosen if chance.random() >= MISMATCH] or chosen[:1]
        made.append(KnownItem(" ".join(chosen), id_, " ".join(kept)))
    return made


def read_texts(client: OpenSearch, index: str, schema: IndexSchema) -> dict[str, str]:
    """Read what the words of a query are matched against (id -> text) of a sample of the index.

    Products in a language that the text encoder does not know are left out: for them the words decide anyway.
    """
    text = schema.vectors.get("text")
    known = text.languages if text else ()
    query = {"terms": {"language": list(known)}} if known else None
    found = sample(client, index, SAMPLE, includes=["search"], query=query)
    return {id_: " ".join((source.get("search") or {}).values()) for id_, source in found}
