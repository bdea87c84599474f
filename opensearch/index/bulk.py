"""Bulk writes: a stream of actions in, one outcome per action out, several `_bulk` requests in flight.

orjson writes numpy arrays directly. Only rejected actions are sent again, a refused document does not affect the
others, and every action that was read has an outcome.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from opensearchpy import OpenSearch

from opensearch.client import explained, missing_index

from .actions import Action, Operation, Outcome, Status, line_of
from .bulk_sender import BulkSender, Item, Patience

__all__ = ["Action", "Operation", "Outcome", "Pace", "Status", "write"]


@dataclass(frozen=True)
class Pace:
    """Size and number of concurrent requests; patience with an engine that rejects or is unreachable (seconds).

    The pause after a rejection starts at `first_pause_s` and doubles up to `max_pause_s`.
    """

    chunk_bytes: int = 5_000_000
    chunk_actions: int = 1_000
    in_flight: int = 4
    patience_s: float = 300.0
    first_pause_s: float = 0.25
    max_pause_s: float = 15.0


def write(
    client: OpenSearch, index: str, actions: Iterable[Action], pace: Pace | None = None
) -> Generator[Outcome]:
    """Write the actions, reading no more of them than needed; yield the outcomes as they come, in no fixed order.

    Two actions on one id stay in order. Raises IndexMissingError, because the engine would create an index with a
    guessed mapping. Raises EngineError, after the outcome of every action read so far, when the index refuses all
    writes, the engine stays unreachable, or the user lacks the right to write.
    """
    with explained(client):
        exists = client.indices.exists(index=index)
    if not exists:
        raise missing_index(client, index)
    yield from _Writer(client, index, pace or Pace()).run(actions)


class _Writer:
    """One run of `write`: the chunk being filled, and the requests in flight with the ids that they contain."""

    def __init__(self, client: OpenSearch, index: str, pace: Pace) -> None:
        patience = Patience(pace.patience_s, pace.first_pause_s, pace.max_pause_s)
        self._sender = BulkSender(client, index, patience)
        self._pool = ThreadPoolExecutor(pace.in_flight, thread_name_prefix="bulk")
        self._pace = pace
        self._chunk: dict[str, Item] = {}
        self._size = 0
        self._in_flight: dict[Future[list[Outcome]], set[str]] = {}

    def run(self, actions: Iterable[Action]) -> Iterator[Outcome]:
        try:
            for action in actions:
                try:
                    item = Item(action.id, line_of(action))
                except (TypeError, ValueError) as error:
                    yield Outcome(action.id, "failed", f"cannot be written as JSON: {error}")
                    continue
                # a second action on one id goes into a later request, so that their order stays
                if item.id in self._chunk or self._is_full_with(item):
                    yield from self._send_chunk()
                self._chunk[item.id] = item
                self._size += len(item.line)
                if self._sender.fault:
                    break
            yield from self._send_chunk()  # after a fault the sender makes one attempt and fails the items
            yield from self._completed(max_in_flight=0)
        finally:
            self._sender.stop.set()
            self._pool.shutdown(cancel_futures=True)
        if self._sender.fault:
            raise self._sender.fault

    def _is_full_with(self, item: Item) -> bool:
        too_big = self._size + len(item.line) > self._pace.chunk_bytes
        return bool(self._chunk) and (too_big or len(self._chunk) >= self._pace.chunk_actions)

    def _send_chunk(self) -> Iterator[Outcome]:
        """Send the chunk when a request may start; yield the outcomes completed meanwhile."""
        yield from self._completed(max_in_flight=self._pace.in_flight - 1, without_ids=self._chunk)
        if self._chunk:
            future = self._pool.submit(self._sender.send, list(self._chunk.values()))
            self._in_flight[future] = set(self._chunk)
            self._chunk, self._size = {}, 0

    def _completed(self, max_in_flight: int, without_ids: Iterable[str] = ()) -> Iterator[Outcome]:
        """Yield outcomes until at most `max_in_flight` requests remain and none contains an id of `without_ids`."""
        ids = set(without_ids)
        while self._in_flight:
            same = any(not ids.isdisjoint(sent) for sent in self._in_flight.values())
            crowded = same or len(self._in_flight) > max_in_flight
            done, _ = wait(self._in_flight, None if crowded else 0, return_when=FIRST_COMPLETED)
            for future in done:
                del self._in_flight[future]
                yield from future.result()
            if not crowded:
                return
