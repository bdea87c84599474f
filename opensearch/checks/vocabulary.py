"""Doctor check of the vocabulary by which queries are corrected."""

from __future__ import annotations

from collections.abc import Iterator

from opensearch.index.meta import read_mapping
from opensearch.index.scan import count
from opensearch.index.schema import schema_from_mapping
from opensearch.index.versions import require_current
from opensearch.understanding.vocabulary.artifact import KIND, open_vocabulary
from vitrine.doctor import Context, Finding, ok, warn
from vitrine.errors import VitrineError


def check_vocabulary(context: Context) -> Iterator[Finding]:
    """Check that the index has a vocabulary, and that the store holds it; `check_index` reports an unknown schema."""
    schema = schema_from_mapping(read_mapping(context.client, require_current(context.client, context.alias)))
    if schema is None:
        return
    name = schema.vocabulary
    if name is None:
        yield warn(
            "vocabulary",
            "none: queries are searched verbatim, without corrections and constraints",
            "run `vitrine index CATALOGUE` again; it builds the vocabulary even where no product changed",
        )
    elif context.store is not None and not context.store.has(KIND, name):
        yield warn(
            "vocabulary",
            f"{name} is not in the store {context.store.url}: queries are searched verbatim",
            "name the store that holds it with VITRINE_STORE",
        )
    else:
        yield _of_products(context, name)


def _of_products(context: Context, name: str) -> Finding:
    """Return the finding of a vocabulary that the store has: whether it is of the products that the index holds now."""
    if context.store is None:
        return ok("vocabulary", name)
    try:
        counted = open_vocabulary(context.store, name).documents
    except VitrineError as error:
        return warn("vocabulary", str(error), "run `vitrine index CATALOGUE` again")
    products = count(context.client, context.alias)
    if counted == products:
        return ok("vocabulary", name)
    return warn(
        "vocabulary",
        f"{name} is of {counted:,} products and the index has {products:,}: words of deleted products are still known",
        "run `vitrine index CATALOGUE` again; it builds the vocabulary even where no product changed",
    )
