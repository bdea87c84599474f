"""The words of clicked queries, taken over into the vocabulary by which queries are corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensearch.alias_lock import alias_lock
from opensearch.index.meta import schema_of, set_vocabulary
from opensearch.understanding.vocabulary.artifact import open_vocabulary
from opensearch.understanding.vocabulary.build import build_vocabulary
from opensearch.understanding.vocabulary.typed_words import typed_words
from rerank.training.log.events import Log, gains_of
from vitrine.errors import ArtifactError
from vitrine.store import Store

from .artifacts import TrainingData

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


def clicked_words(log: Log) -> dict[str, int]:
    """Return the words of the log's clicked searches with the number of shoppers who typed each."""
    gains = gains_of(log)
    return typed_words((slate.query, slate.shopper) for slate in log.slates if slate.query_id in gains)


def take_clicked_words(client: OpenSearch, store: Store, alias: str, data: TrainingData) -> int | None:
    """Build the vocabulary of the index again with the words of clicked queries; return how many those are.

    Returns None where the vocabulary has them already. Raises AliasBusyError while another run is changing the alias.
    """
    words = clicked_words(data.log)
    if words == _words_in_service(client, store, data.index):
        return None
    with alias_lock(client, alias, "vitrine train"):
        language = data.schema.plan.language
        set_vocabulary(client, data.index, build_vocabulary(client, data.index, language, store, words))
    return len(words)


def _words_in_service(client: OpenSearch, store: Store, index: str) -> dict[str, int]:
    """Return the words of clicked queries in the index's vocabulary; none without a readable one."""
    name = schema_of(client, index).vocabulary
    try:
        return dict(open_vocabulary(store, name).typed) if name else {}
    except ArtifactError:
        return {}
