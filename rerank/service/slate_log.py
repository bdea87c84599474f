"""The slate log, written in the background: answers never wait for it, and what does not fit is counted."""

from __future__ import annotations

import asyncio
import logging
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rerank.features import groups as features
from rerank.models.ranker import HasFeatures, Ranker
from rerank.window import RankedWindow

logger = logging.getLogger(__name__)

Slate = dict[str, Any]
FEATURES_OF_ONE_IN = (
    10  # slates that carry feature values, to compare what was served with what is trained on
)
FEATURES_OF_FIRST = 5  # products of the shown order
_MOST_WAITING = 2_000
_BATCH = 200
_PAUSE_S = 0.5


def slate_of(
    alias: str,
    query: str,
    shopper: str | None,
    engine: Sequence[str],
    verdict: RankedWindow,
    query_id: str | None = None,
) -> Slate:
    """One answered window as the log keeps it; `shopper` is a keyed hash."""
    return {
        "query_id": query_id or uuid.uuid4().hex,
        "alias": alias,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "query": query,
        "shopper": shopper,
        "engine": list(engine),
        "shown": [engine[place] for place in verdict.order],
        "window": len(engine),
        "arm": "reranked" if verdict.artifacts else "engine",
        "artifacts": asdict(verdict.artifacts) if verdict.artifacts else None,
        "degraded": verdict.degraded,
        "features": None,
    }


def feature_sample(slate: Slate, ranker: Ranker | None, verdict: RankedWindow) -> Callable[[], Any] | None:
    """What makes the feature values of a slate's first products, for one slate in ten; else None.

    Nothing is computed here: the writer calls it once the answer is on its way.
    """
    request = verdict.request
    drawn = zlib.crc32(slate["query_id"].encode(errors="replace")) % FEATURES_OF_ONE_IN == 0
    if request is None or not drawn or not isinstance(ranker, HasFeatures):
        return None
    places = verdict.order[:FEATURES_OF_FIRST]

    def make() -> dict[str, Any]:
        rows = ranker.feature_rows(request, places)
        values = [[float(f"{value:.6g}") for value in row] for row in rows.values]
        sample = [{"id": id_, "values": row} for id_, row in zip(rows.ids, values, strict=True)]
        return {"version": features.VERSION, "names": list(rows.names), "sample": sample}

    return make


Waiting = tuple[Slate, Callable[[], Any] | None]  # and what makes its features


class SlateLog:
    """A bounded queue in front of `write`, which stores a batch and may block (it runs in a thread)."""

    def __init__(self, write: Callable[[Sequence[Slate]], None], count: Callable[[str, int], None]) -> None:
        self._write = write
        self._count = count
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue(_MOST_WAITING)
        self._held: list[Waiting] = []  # taken from the queue, not yet written

    def add(self, slate: Slate, sample: Callable[[], Any] | None = None) -> None:
        try:
            self._waiting.put_nowait((slate, sample))
        except asyncio.QueueFull:
            self._count("dropped", 1)

    async def run(self) -> None:
        """Write batches until cancelled; then write what still waits."""
        try:
            while True:
                self._held.append(await self._waiting.get())
                if self._waiting.qsize() < _BATCH:
                    await asyncio.sleep(_PAUSE_S)  # a batch, not a request a slate
                await self._flush(self._take())
        finally:
            while self._held or not self._waiting.empty():
                await self._flush(self._take())

    def _take(self) -> list[Waiting]:
        batch, self._held = self._held, []
        while len(batch) < _BATCH and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch

    def _finish(self, batch: list[Waiting]) -> None:
        for slate, sample in batch:
            if sample is None:
                continue
            try:
                slate["features"] = sample()
            except Exception:  # the slate is worth keeping without them
                logger.exception("the features of a slate were not computed")
        self._write([slate for slate, _ in batch])

    async def _flush(self, batch: list[Waiting]) -> None:
        try:
            await asyncio.to_thread(self._finish, batch)
        except Exception as error:  # the log must never stop the service; the counter tells
            self._count("failed", len(batch))
            logger.warning("%d slates were not written: %s", len(batch), error)
        else:
            self._count("written", len(batch))
