"""What can be wrong with ranking: artifacts, training data, requests."""

from __future__ import annotations

from opensearch.errors import VitrineError


class RerankError(VitrineError):
    """A search cannot be reranked, or a ranker cannot be trained, as asked."""


class ArtifactError(RerankError):
    """A model, item table or behaviour snapshot is missing, incomplete or of another kind."""


class JudgeError(RerankError):
    """Ratings or runs cannot be read or compared."""
