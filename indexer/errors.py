"""What can be wrong with a catalogue, a field plan or an encoder."""

from __future__ import annotations

from opensearch.errors import VitrineError


class IndexerError(VitrineError):
    """A catalogue cannot be indexed as asked."""


class CatalogueError(IndexerError):
    """The catalogue file, or the field plan that reads it, cannot be used."""


class EncoderError(IndexerError):
    """An encoder cannot be loaded, trained, or does not fit the index."""
