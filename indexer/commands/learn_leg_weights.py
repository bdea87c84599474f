"""Before a new version goes into service: how much words, text and pictures count, learned from its own products."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from encoders.protocol import FloatArray, ImageEncoder, TextEncoder
from indexer.load.report import LoadReport
from indexer.load.target import Target
from opensearch.index.versions import schema_of, set_weights
from opensearch.tuning.leg_weights import learn_weights
from vitrine.errors import VitrineError
from vitrine.store import Store

PATIENCE_S = 60.0  # with an engine that is slow: the version waits to go into service

Weigh = Callable[[Target, LoadReport], None]


def weights_learner(text: TextEncoder | None, image: ImageEncoder | None, store: Store) -> Weigh:
    """What `finish` does with a version that is whole: its weights are kept with it and told in the report.

    What hinders is a note: an index with the default weights is better than none.
    """

    def weigh(target: Target, report: LoadReport) -> None:
        if text is None and image is None:
            return
        try:
            schema = schema_of(target.client, target.index)
            embed = _embed(text, image, store)
            learned = learn_weights(target.client, target.index, schema, embed, seconds=PATIENCE_S)
            set_weights(target.client, target.index, learned.weights)
        except VitrineError as error:
            report.notes.append(f"the weights of the legs were not learned: {error}")
        else:
            report.weights = learned.to_dict()

    return weigh


def _embed(
    text: TextEncoder | None, image: ImageEncoder | None, store: Store
) -> Callable[[Sequence[str]], list[tuple[FloatArray | None, FloatArray | None]]]:
    from encoders.text import open_text_encoder

    def embed(words: Sequence[str]) -> list[tuple[FloatArray | None, FloatArray | None]]:
        nothing: list[FloatArray | None] = [None] * len(words)
        found = list(text.encode(words)) if text else nothing
        if image is None:
            seen = nothing
        elif text is not None and image.query_encoder == text.name:
            seen = found  # one space of words serves both
        else:
            seen = list(open_text_encoder(image.query_encoder, store).encode(words))
        return list(zip(found, seen, strict=True))

    return embed
