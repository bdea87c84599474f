"""Vector spaces: each entry of `SPACES` is one k-NN field of the index, with its own encoder and sub-query.

The index schema, the hybrid query, the sub-query weights, the item table, the features, the model inputs and the
doctor iterate over this table, so a new modality is one entry here and one encoder. The indexer embeds the columns
that the field plan names for the space (`[fields.vectors]`, `FieldPlan.vectors`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

LEXICAL = "lexical"  # the BM25 sub-query, which needs no vector
TEXT = "text"
IMAGE = "image"


@dataclass(frozen=True)
class VectorSpace:
    """One vector field of a product.

    `path` is the field of the document; in `images.vec` the vectors lie in the nested objects `images`, a product may
    have several, and the nearest one counts. `weight` is the sub-query's default weight for a query of words,
    beside 0.5 for the lexical sub-query; only proportions matter.
    """

    name: str
    path: str
    weight: float

    @property
    def nested(self) -> str | None:
        """The path of the nested objects that hold the vectors; None for a field of the document itself."""
        return self.path.rpartition(".")[0] or None


# An image shows what words leave out, while a text vector mostly repeats them, so the image sub-query weighs more. A
# product without image scores nothing there and the sub-query keeps its weight, so images never outweigh the words.
SPACES: dict[str, VectorSpace] = {
    space.name: space for space in (VectorSpace(TEXT, "text_vec", 0.2), VectorSpace(IMAGE, "images.vec", 0.3))
}


def sub_queries() -> tuple[str, ...]:
    """Return the names of the sub-queries in the order in which a hybrid query holds them."""
    return (LEXICAL, *SPACES)


def vector_paths() -> tuple[str, ...]:
    """Return the document fields that hold vectors; an answer of the engine never includes them."""
    return tuple(space.path for space in SPACES.values())


def has_vector(space: VectorSpace) -> dict[str, Any]:
    """Return the query that matches the products with a vector in the space."""
    exists: dict[str, Any] = {"exists": {"field": space.path}}
    return {"nested": {"path": space.nested, "query": exists}} if space.nested else exists


def space_names(names: Iterable[str]) -> list[str]:
    """Return those of `names` that are vector spaces, in table order."""
    wanted = set(names)
    return [name for name in SPACES if name in wanted]
