"""Stages that overlap: order, faults, closing, and how far ahead they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from indexer.load.prefetch import prefetch


def test_items_come_in_order() -> None:
    assert list(prefetch(range(1000), 3)) == list(range(1000))
    assert list(prefetch([], 1)) == []


def test_the_source_runs_in_another_thread_and_a_bounded_way_ahead() -> None:
    made: list[int] = []
    threads: set[int] = set()

    def source() -> Iterator[int]:
        for n in range(100):
            threads.add(threading.get_ident())
            made.append(n)
            yield n

    items = prefetch(source(), 5)
    assert next(items) == 0
    time.sleep(0.3)
    assert 5 < len(made) <= 8  # one taken, five waiting, one or two in hand
    assert threads.isdisjoint({threading.get_ident()})
    assert list(items) == list(range(1, 100))


def test_a_fault_of_the_source_is_raised_after_what_came_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = prefetch(source(), 5)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_closing_stops_nested_stages_and_closes_the_source() -> None:
    closed: list[str] = []
    before = threading.active_count()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append("source")

    inner = prefetch(endless(), 2)
    items = prefetch((n + 1 for n in inner), 2)
    assert next(items) == 2
    items.close()
    inner.close()
    assert closed == ["source"]
    assert threading.active_count() == before
