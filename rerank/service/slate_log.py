"""The slate log, written in the background: answers never wait for it, and slates that do not fit are counted."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rerank.features import groups as features
from rerank.models.ranker import HasFeatures, Ranker
from rerank.request import RankedWindow
from rerank.slate import Slate

logger = logging.getLogger(__name__)

# One slate in so many carries feature values, to compare what was served with what is trained on,
FEATURES_OF_ONE_IN = 10
FEATURES_OF_FIRST = 5  # for so many products of the shown order.
_MAX_WAITING = 2_000
_BATCH = 200
_PAUSE_S = 0.5

FeatureSample = Callable[[], Mapping[str, Any]]


def make_slate(
    alias: str,
    query: str,
    shopper: str | None,
    engine: Sequence[str],
    window: RankedWindow,
    query_id: str | None = None,
) -> Slate:
    """Return the slate of an answered window. `engine` holds its ids in the engine's order, `shopper` is a keyed hash."""
    return Slate(
        query_id=query_id or uuid.uuid4().hex,
        alias=alias,
        at=time.time(),
        query=query,
        shopper=shopper,
        engine=tuple(engine),
        shown=tuple(engine[position] for position in window.order),
        arm="reranked" if window.artifacts else "engine",
        artifacts=window.artifacts,
        degraded=window.degraded,
        searched=window.request.query if window.request else None,
    )


def feature_sample(slate: Slate, ranker: Ranker | None, window: RankedWindow) -> FeatureSample | None:
    """Return the function that computes the features of a slate's first products, for one slate in ten; else None.

    Nothing is computed here: the writer calls the function after the answer was sent.
    """
    request = window.request
    sampled = zlib.crc32(slate.query_id.encode(errors="replace")) % FEATURES_OF_ONE_IN == 0
    if request is None or not sampled or not isinstance(ranker, HasFeatures):
        return None
    positions = window.order[:FEATURES_OF_FIRST]

    def compute() -> dict[str, Any]:
        rows = ranker.feature_rows(request, positions)
        values = [[float(f"{value:.6g}") for value in row] for row in rows.values]
        sample = [{"id": id_, "values": row} for id_, row in zip(rows.ids, values, strict=True)]
        return {"version": features.VERSION, "names": list(rows.names), "sample": sample}

    return compute


class SlateLog:
    """A bounded queue before `write`, which stores a batch of records and may block (it runs in a thread)."""

    def __init__(
        self, write: Callable[[Sequence[Mapping[str, Any]]], None], count: Callable[[str, int], None]
    ) -> None:
        self._write = write
        self._count = count
        self._waiting: asyncio.Queue[tuple[Slate, FeatureSample | None]] = asyncio.Queue(_MAX_WAITING)
        self._batch: list[tuple[Slate, FeatureSample | None]] = []  # taken from the queue, not yet written

    def add(self, slate: Slate, sample: FeatureSample | None = None) -> None:
        """Queue a slate; `sample` computes its features when it is written."""
        try:
            self._waiting.put_nowait((slate, sample))
        except asyncio.QueueFull:
            self._count("dropped", 1)

    async def run(self) -> None:
        """Write batches until cancelled; then write what still waits."""
        try:
            while True:
                self._batch.append(await self._waiting.get())
                if self._waiting.qsize() < _BATCH:
                    await asyncio.sleep(_PAUSE_S)  # gathers a batch, so that not every slate is a request
                await self._flush(self._take())
        finally:
            while self._batch or not self._waiting.empty():
                await self._flush(self._take())

    def _take(self) -> list[tuple[Slate, FeatureSample | None]]:
        batch, self._batch = self._batch, []
        while len(batch) < _BATCH and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch

    def _write_batch(self, batch: list[tuple[Slate, FeatureSample | None]]) -> None:
        self._write([_with_features(slate, sample).to_record() for slate, sample in batch])

    async def _flush(self, batch: list[tuple[Slate, FeatureSample | None]]) -> None:
        try:
            await asyncio.to_thread(self._write_batch, batch)
        except Exception as error:  # the log must never stop the service; the counter shows the loss
            self._count("failed", len(batch))
            logger.warning("%d slates were not written: %s", len(batch), error)
        else:
            self._count("written", len(batch))


def _with_features(slate: Slate, sample: FeatureSample | None) -> Slate:
    if sample is None:
        return slate
    try:
        return replace(slate, features=sample())
    except Exception:  # the slate is useful without them
        logger.exception("the features of a slate were not computed")
        return slate
