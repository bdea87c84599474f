"""The vocabulary of a loaded index, stored with its name in the index, so that a rollback brings back its own."""

from __future__ import annotations

from collections.abc import Mapping

from opensearch.index import versions
from opensearch.index.meta import readable_schema, schema_of, set_vocabulary
from opensearch.index.scan import count
from opensearch.understanding.vocabulary.artifact import Vocabulary, open_vocabulary
from opensearch.understanding.vocabulary.build import build_vocabulary
from vitrine.errors import VitrineError
from vitrine.store import Store

from .report import LoadReport
from .target import Target


def store_vocabulary(target: Target, store: Store, report: LoadReport) -> None:
    """Build the vocabulary of an index whose products changed, by this run or by `vitrine delete`, or that has none.

    It keeps the words of clicked queries, which `vitrine train` reads from the log. An error is a note in the report:
    without a vocabulary queries are searched verbatim.
    """
    try:
        changed = report.indexed + report.updated + report.deleted
        schema = schema_of(target.client, target.index)
        before = _opened(schema.vocabulary, store)
        if not changed and before and before.documents == count(target.client, target.index):
            return
        typed = before.typed if before else _typed_in_service(target, store)
        name = build_vocabulary(target.client, target.index, schema.plan.language, store, typed)
        set_vocabulary(target.client, target.index, name)
    except (VitrineError, OSError) as error:
        report.notes.append(f"the vocabulary was not built, and queries are searched verbatim: {error}")


def _typed_in_service(target: Target, store: Store) -> Mapping[str, int]:
    """Return the words of clicked queries in the vocabulary of the version in service."""
    index = versions.current(target.client, target.alias)
    schema = readable_schema(target.client, index) if index else None
    vocabulary = _opened(schema.vocabulary, store) if schema else None
    return vocabulary.typed if vocabulary else {}


def _opened(name: str | None, store: Store) -> Vocabulary | None:
    """Return a vocabulary; None where the store lacks it, or has it in the form of another release."""
    try:
        return open_vocabulary(store, name) if name else None
    except VitrineError:
        return None
