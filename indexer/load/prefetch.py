"""Stages that overlap: a generator that is run in a thread of its own, a bounded number of items ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class _End(Generic[T]):
    """The last word of a stage: that it is done, or why it failed."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(source: Iterable[T], most: int) -> Generator[T, None, None]:
    """The items of `source`, in order, made in a thread while the caller works, at most `most` waiting.

    What the source raises is raised here. Closing this generator stops the thread and closes the source.
    """
    items: queue.Queue[T | _End[T]] = queue.Queue(most)
    stop = threading.Event()

    def put(item: T | _End[T]) -> None:
        while not stop.is_set():
            try:
                items.put(item, timeout=0.2)
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
        except BaseException as error:  # carried over to the caller's thread
            end = _End(error)
        finally:
            if isinstance(source, Generator):
                source.close()
            put(end)

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join()
