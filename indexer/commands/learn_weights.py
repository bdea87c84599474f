"""Learning the sub-query weights and the floors of a new version from its own products, before it goes into service."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from encoders.protocol import FloatArray, TextEncoder
from indexer.load.encoders import Encoders, content_encoders, image_encoder, query_encoder
from indexer.load.report import LoadReport
from indexer.load.target import Target
from opensearch.index.meta import schema_of, set_floors, set_weights
from opensearch.tuning.floors import cosines_of, drawn_patterns, learn_floors
from opensearch.tuning.weights import learn_weights
from vitrine.errors import VitrineError
from vitrine.store import Store

TIME_LIMIT_S = 60.0  # the version waits so long for each of both to go into service


def learn_version_weights(target: Target, encoders: Encoders, store: Store, report: LoadReport) -> None:
    """Learn the weights of a complete version, and store them with it and in the report.

    An error is a note in the report: an index with the default weights is better than none.
    """
    if not encoders:
        return
    try:
        schema = schema_of(target.client, target.index)
        embed = query_embedder(encoders, store)
        learned = learn_weights(target.client, target.index, schema, embed, seconds=TIME_LIMIT_S)
        set_weights(target.client, target.index, learned.weights)
    except VitrineError as error:
        report.notes.append(f"the weights of the sub-queries were not learned: {error}")
    else:
        report.weights = learned.to_dict()


def learn_version_floors(target: Target, encoders: Encoders, store: Store, report: LoadReport) -> None:
    """Learn the floors of a complete version, and store them with it and in the report.

    An error is a note in the report: without floors only the words of a query decide whether a product matches.
    """
    if not encoders:
        return
    try:
        schema = schema_of(target.client, target.index)
        embed = query_embedder(encoders, store)
        patterns = _pattern_vectors(encoders)
        floors = learn_floors(
            target.client, target.index, schema, embed, patterns=patterns, seconds=TIME_LIMIT_S
        )
        set_floors(target.client, target.index, cosines_of(floors))
    except VitrineError as error:
        report.notes.append(f"the floors of the vector sub-queries were not learned: {error}")
    else:
        report.floors = {name: floor.to_dict() for name, floor in floors.items()}


def _pattern_vectors(encoders: Encoders) -> Sequence[FloatArray]:
    encoder = image_encoder(encoders)
    if encoder is None:
        return ()
    pixels = [encoder.prepare(Image.fromarray(pattern)) for pattern in drawn_patterns()]
    return list(encoder.encode(np.stack(pixels)))


def query_embedder(
    encoders: Encoders, store: Store
) -> Callable[[Sequence[str]], list[dict[str, FloatArray]]]:
    """Return the function from queries to their vectors (d,) by space; spaces share the vectors of one query encoder."""

    def embed(texts: Sequence[str]) -> list[dict[str, FloatArray]]:
        by_encoder: dict[str, FloatArray] = {}
        vectors: dict[str, FloatArray] = {}
        for space, encoder in encoders.items():
            name = query_encoder(encoder)
            if name not in by_encoder:
                by_encoder[name] = _open_query_encoder(name, encoders, store).encode_queries(texts)
            vectors[space] = by_encoder[name]
        return [{space: rows[row] for space, rows in vectors.items()} for row in range(len(texts))]

    return embed


def _open_query_encoder(name: str, encoders: Encoders, store: Store) -> TextEncoder:
    for encoder in content_encoders(encoders).values():
        if encoder.name == name:
            return encoder
    from encoders.text import open_text_encoder

    return open_text_encoder(name, store)
