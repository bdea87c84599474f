"""The exceptions that a person sees: every message says what was found, what was expected and the next step."""

from __future__ import annotations


class VitrineError(Exception):
    """The root of everything that `vitrine` reports as one sentence instead of a traceback."""

    exit_code = 1


class EngineError(VitrineError):
    """OpenSearch is not there, refuses, or is not as this project needs it."""


class NodeError(EngineError):
    """The local node could not be fetched, started or stopped."""


class IndexMissingError(EngineError):
    """The named index or alias does not exist."""


class SchemaMismatchError(EngineError):
    """The index was made with another field plan or other encoders."""


class QueryError(VitrineError):
    """A filter, facet, sort, vector or context of a query does not fit the index or the engine."""


class WeightsError(VitrineError):
    """Leg weights cannot be learned from what the index holds."""
