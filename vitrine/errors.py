"""Every exception that Vitrine raises; each message says what was found, what was expected and the next step.

VitrineError
├── EngineError              OpenSearch is unreachable, refuses, or lacks something
│   ├── NodeError            the local node
│   ├── IndexMissingError    no such index or alias
│   ├── AliasBusyError       another command is changing the alias
│   └── SchemaMismatchError  the index has another field plan, other encoders, or a schema of another release
├── QueryError               a filter, facet, sort, vector or context of a query
├── WeightsError             sub-query weights cannot be learned
├── RulesError               query rules that contradict each other or the index
├── IndexerError
│   ├── CatalogueError       a catalogue file or its field plan
│   ├── EncoderError         an encoder cannot be loaded or trained, or does not fit the index
│   └── ImageError           an image cannot be fetched or decoded
└── RerankError
    ├── NothingLearnedError  a ranker cannot be learned from a log
    │   └── SmallLogError    the log is too small for it
    ├── LogFileError         a file of a click log cannot be read
    ├── ArtifactError        a model, item table or behaviour snapshot
    └── JudgmentError        ratings or runs
"""

from __future__ import annotations


class VitrineError(Exception):
    """The base of every error that `vitrine` reports as one sentence instead of a traceback: the command was refused."""

    exit_code = 2


class EngineError(VitrineError):
    """OpenSearch is unreachable, refuses a request, or lacks something that Vitrine needs."""


class NodeError(EngineError):
    """The local node could not be fetched, started or stopped."""


class IndexMissingError(EngineError):
    """The named index or alias does not exist."""


class AliasBusyError(EngineError):
    """Another command is changing the alias; nothing was done."""


class SchemaMismatchError(EngineError):
    """The index was made with another field plan or other encoders, or by another release."""


class QueryError(VitrineError):
    """A filter, facet, sort, vector or context of a query does not fit the index or the engine."""


class WeightsError(VitrineError):
    """Sub-query weights cannot be learned from what the index holds."""


class RulesError(VitrineError):
    """Query rules cannot be read, or contradict each other or the index; each line is one problem, nothing was written."""

    exit_code = 2


class IndexerError(VitrineError):
    """A catalogue cannot be indexed as requested."""


class CatalogueError(IndexerError):
    """The catalogue file, or the field plan that reads it, cannot be used."""


class EncoderError(IndexerError):
    """An encoder cannot be loaded or trained, or does not fit the index."""


class ImageError(IndexerError):
    """An image cannot be fetched or decoded; its product is indexed without it."""


class RerankError(VitrineError):
    """A search cannot be reranked, or a ranker cannot be trained, as requested."""


class NothingLearnedError(RerankError):
    """The log holds nothing that a ranker could learn."""


class SmallLogError(NothingLearnedError):
    """The log has too few searches with a click, or too little time between them, to learn a ranker from."""


class LogFileError(RerankError):
    """A file of a click log, a query set or a judgment list cannot be read; nothing was done."""

    exit_code = 2


class ArtifactError(RerankError):
    """A model, item table or behaviour snapshot is missing, incomplete or of another kind."""


class JudgmentError(RerankError):
    """Ratings or runs cannot be read or compared."""
