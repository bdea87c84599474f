"""One alias opened for searching: the schema of its index, its query encoders and the ranker of its pointer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opensearch.index.fields import IndexSchema
from opensearch.index.versions import read_schema, searched_index
from opensearch.logs.pointer import read_pointer
from opensearch.logs.query_rules import read_query_rules
from opensearch.understanding.plan import QueryPlan
from opensearch.understanding.vocabulary.artifact import Vocabulary, open_vocabulary
from rerank.models.card import read_model_card
from rerank.models.ranker import Ranker, load_ranker
from rerank.rules.query_rule import QueryRules
from rerank.rules.stored import open_rules
from vitrine.errors import ArtifactError, VitrineError
from vitrine.store import ArtifactSet, Store

from .query_encoders import QueryEncoders, require_same_encoders
from .request import RerankRequest
from .search_request import plan_query

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServingContext:
    """What a search of one alias needs. Without a ranker, `degraded` is the reason why the engine's order stands."""

    alias: str
    schema: IndexSchema
    encoders: QueryEncoders
    ranker: Ranker | None
    degraded: str | None = None
    vocabulary: Vocabulary | None = None  # None: queries are searched verbatim
    rules: QueryRules = field(default_factory=QueryRules)
    index: str | None = None  # searched instead of the alias, which names several indices

    @property
    def searched(self) -> str:
        """What a search names: the alias, unless it names several indices."""
        return self.index or self.alias


def open_context(client: OpenSearch, store: Store, alias: str, ranked: bool = True) -> ServingContext:
    """Return the context of an alias, with the artifacts of its pointer opened; without `ranked` there is no ranker.

    A ranker that cannot be opened leaves its reason in `degraded`. Raises IndexMissingError for an alias without index.
    """
    schema = read_schema(client, alias)
    encoders = QueryEncoders(schema, store)
    context = ServingContext(
        alias,
        schema,
        encoders,
        None,
        vocabulary=vocabulary_of(store, alias, schema),
        index=searched_index(client, alias),
    )
    if not ranked:
        return context
    context = replace(context, rules=open_rules(read_query_rules(client, alias), schema, alias))
    try:
        ranker = open_ranker(store, schema, alias, read_pointer(client, alias))
    except VitrineError as error:
        return replace(context, degraded=str(error))
    return replace(context, ranker=ranker)


def vocabulary_of(store: Store, alias: str, schema: IndexSchema) -> Vocabulary | None:
    """Return the vocabulary of an index; None, with the reason in the log, for one that cannot be opened."""
    if schema.vocabulary is None:
        return None
    try:
        return open_vocabulary(store, schema.vocabulary)
    except VitrineError as error:
        _log.warning("the queries of %s are searched verbatim: %s", alias, error)
        return None


def understood(request: RerankRequest, context: ServingContext) -> QueryPlan:
    """Return the plan of the words that a shopper typed, as a search of the alias makes it."""
    return plan_query(
        request.query,
        context.schema,
        context.vocabulary,
        verbatim=request.verbatim,
        constraints=request.constraints,
    )


def open_ranker(store: Store, schema: IndexSchema, alias: str, pointer: ArtifactSet | None) -> Ranker:
    """Return the ranker that a pointer names.

    Raises ArtifactError when there is no pointer, or the model was trained on the vectors of other encoders.
    """
    if pointer is None:
        raise ArtifactError(f"no model for alias {alias} yet: run `vitrine train`")
    card = read_model_card(store.get("models", pointer.model))
    require_same_encoders(schema, card.encoders, f"model {pointer.model}")
    return load_ranker(store, pointer)
