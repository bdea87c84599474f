"""The slate log, written in the background: answers never wait for it, and what does not fit is counted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ..window import Verdict
from .complain import complaints

Slate = dict[str, Any]
_MOST_WAITING = 2_000
_BATCH = 200
_PAUSE_S = 0.5


def slate_of(
    alias: str,
    query: str,
    shopper: str | None,
    engine: Sequence[str],
    verdict: Verdict,
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


class SlateLog:
    """A bounded queue in front of `write`, which stores a batch and may block (it runs in a thread)."""

    def __init__(self, write: Callable[[Sequence[Slate]], None], count: Callable[[str, int], None]) -> None:
        self._write = write
        self._count = count
        self._waiting: asyncio.Queue[Slate] = asyncio.Queue(_MOST_WAITING)
        self._held: list[Slate] = []  # taken from the queue, not yet written

    def add(self, slate: Slate) -> None:
        try:
            self._waiting.put_nowait(slate)
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

    def _take(self) -> list[Slate]:
        batch, self._held = self._held, []
        while len(batch) < _BATCH and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch

    async def _flush(self, batch: list[Slate]) -> None:
        try:
            await asyncio.to_thread(self._write, batch)
        except Exception as error:  # the log must never stop the service; the counter tells
            self._count("failed", len(batch))
            complaints.tell("slate log", f"{len(batch)} slates were not written: {error}")
        else:
            self._count("written", len(batch))
