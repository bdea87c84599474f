"""The vocabulary of a loaded index, stored with its name in the index, so that a rollback brings back its own."""

from __future__ import annotations

from opensearch.index.meta import schema_of, set_vocabulary
from opensearch.understanding.vocabulary.artifact import open_vocabulary
from opensearch.understanding.vocabulary.build import build_vocabulary
from vitrine.errors import VitrineError
from vitrine.store import Store

from .report import LoadReport
from .target import Target


def store_vocabulary(target: Target, store: Store, report: LoadReport) -> None:
    """Build the vocabulary of an index whose products changed, or that has none.

    An error is a note in the report: without a vocabulary queries are searched verbatim.
    """
    try:
        changed = report.indexed + report.updated + report.deleted
        schema = schema_of(target.client, target.index)
        if not changed and _usable(schema.vocabulary, store):
            return
        name = build_vocabulary(target.client, target.index, schema.plan.language, store)
        set_vocabulary(target.client, target.index, name)
    except (VitrineError, OSError) as error:
        report.notes.append(f"the vocabulary was not built, and queries are searched verbatim: {error}")


def _usable(name: str | None, store: Store) -> bool:
    """Return whether the store has the vocabulary in the form of this release."""
    try:
        return name is not None and bool(open_vocabulary(store, name))
    except VitrineError:
        return False
