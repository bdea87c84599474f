"""The doctor: cluster, index and pipelines looked at one after the other, each finding with what to do."""

from __future__ import annotations

from collections.abc import Iterator

from opensearchpy import OpenSearch

from opensearch.checks.cluster import check_cluster
from opensearch.checks.findings import Finding, fail
from opensearch.checks.index import check_index
from opensearch.checks.pipelines import check_pipelines
from opensearch.client import explained
from opensearch.index.versions import require_current

from .errors import EngineError
from .store import Store


def examine(client: OpenSearch, alias: str, store: Store | None = None) -> list[Finding]:
    """Look at everything; with a store, at the encoders of the index too.

    EngineError only when nobody answers at all; what cannot be looked at is a finding.
    """
    with explained(client):
        client.info()
    cluster = list(_guarded("cluster", check_cluster(client)))
    try:
        index = require_current(client, alias)
    except EngineError as error:
        return [*cluster, _mended(error)]
    return [
        *cluster,
        *_guarded("index", check_index(client, alias, index, store)),
        *_guarded("pipelines", check_pipelines(client, alias)),
    ]


def _guarded(subject: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    try:
        yield from findings
    except EngineError as error:
        yield _mended(error, subject)


def _mended(error: EngineError, subject: str = "index") -> Finding:
    return fail(subject, str(error), "do what it says and look again")  # our sentences say what to do
