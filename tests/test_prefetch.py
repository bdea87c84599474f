"""Prefetching: order, exceptions, closing, and how many items a source is ahead of its reader."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from indexer.load.prefetch import prefetch

WAIT_S = 30  # a bound for a hanging test, never reached by a passing one


def test_items_come_in_order() -> None:
    assert list(prefetch(range(1000), 3)) == list(range(1000))
    assert list(prefetch([], 1)) == []


def test_the_source_runs_in_another_thread() -> None:
    threads: set[int] = set()

    def source() -> Iterator[int]:
        for n in range(10):
            threads.add(threading.get_ident())
            yield n

    assert list(prefetch(source(), 5)) == list(range(10))
    assert len(threads) == 1
    assert threads.isdisjoint({threading.get_ident()})


def test_the_source_runs_ahead_until_the_limit_and_not_beyond_it() -> None:
    produced: list[int] = []
    reached = {n: threading.Event() for n in range(100)}

    def source() -> Iterator[int]:
        for n in range(100):
            produced.append(n)
            reached[n].set()
            yield n

    items = prefetch(source(), 5)
    assert next(items) == 0
    # Item 0 was read and 1 to 5 wait, so that the thread holds 6, which does not fit.
    assert reached[6].wait(WAIT_S)
    assert len(produced) == 7
    assert next(items) == 1
    assert reached[7].wait(WAIT_S)
    assert len(produced) == 8
    assert list(items) == list(range(2, 100))


def test_an_exception_of_the_source_is_raised_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = prefetch(source(), 5)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_closing_stops_nested_stages_and_closes_the_source() -> None:
    closed: list[str] = []
    threads_before = threading.active_count()

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
    assert threading.active_count() == threads_before
