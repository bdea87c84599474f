"""Overlapping stages: an iterable that is consumed in a thread, a bounded number of items ahead of its reader."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

_STOP_CHECK_S = 0.2  # how often a thread with a full queue looks whether the reader has closed the generator


class _End(Generic[T]):
    """The last item of a queue; `error` is the exception that ended the source, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(source: Iterable[T], max_waiting: int) -> Generator[T, None, None]:
    """Yield the items of `source` in order, computed in a thread, with at most `max_waiting` of them waiting.

    An exception of the source is raised here after the items before it. Closing this generator stops the thread and
    closes the source.
    """
    items: queue.Queue[T | _End[T]] = queue.Queue(max_waiting)
    stop = threading.Event()

    def put(item: T | _End[T]) -> None:
        while not stop.is_set():
            try:
                items.put(item, timeout=_STOP_CHECK_S)
                return
            except queue.Full:
                continue

    def run() -> None:
        end: _End[T] = _End()
        try:
            for item in source:
                put(item)
                if stop.is_set():
                    break
        except BaseException as error:  # raised again in the reader's thread
            end = _End(error)
        finally:
            if isinstance(source, Generator):
                source.close()
            put(end)

    thread = threading.Thread(target=run, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join()
