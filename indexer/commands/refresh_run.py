"""What `vitrine index --join FILE` does without a catalogue: refresh columns of the index in service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from indexer.join.refresh import changes_words, check_refresh, refresh_columns
from indexer.join.table import JoinTable
from indexer.load.report import LoadReport, RejectedRows, Stopwatch
from indexer.load.target import Target
from indexer.load.vocabulary import store_vocabulary
from opensearch.alias_lock import AliasLock
from opensearch.index.meta import schema_of
from opensearch.index.versions import require_current
from vitrine.errors import EngineError
from vitrine.store import open_store

from .index import IndexOptions

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


def refresh_joined(
    options: IndexOptions,
    lock: AliasLock,
    client: OpenSearch,
    tables: Sequence[JoinTable],
    rejects: RejectedRows,
) -> LoadReport:
    """Write the columns of the tables to the products of the index, and return the report.

    Raises CatalogueError, before anything is written, for a column that cannot be refreshed.
    """
    index = require_current(client, options.alias)
    schema = schema_of(client, index)
    plan, languages = schema.plan, tuple(schema.chains)
    for table in tables:
        check_refresh(table, plan, options.alias)
    target = Target(client, options.alias, index, in_service=True, empty=False, languages=languages)
    report, clock = LoadReport(index=index, published=True), Stopwatch()
    try:
        for table in tables:
            for row in table.bad:
                rejects.add_bad_row(row)
            outcome = refresh_columns(
                target,
                plan,
                table,
                report,
                rejects,
                clear=options.sync,
                confirmed=options.yes,
                guard=lock.guard,
            )
            report.joins.append(outcome)
        if report.updated and any(changes_words(table, plan) for table in tables):
            store_vocabulary(target, open_store(options.store), report)
    except EngineError as error:
        report.stopped = str(error)
    report.seconds = clock.seconds()
    report.rejected_file = str(rejects.path) if rejects.count else None
    return report
