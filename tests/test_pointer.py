"""The pointer: changed in one step, nothing lost when several change it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from opensearch.client import connect_async
from opensearch.logs.pointer import (
    MOST_HISTORY,
    drop_pointer,
    pointer_history,
    read_pointer,
    read_pointer_async,
    swap_pointer,
)
from vitrine.store import ArtifactSet

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live

FIRST = ArtifactSet("model-1", "items-1", "behaviour-1")
SECOND = ArtifactSet("model-2", "items-2", "behaviour-2")


@pytest.fixture
def alias(engine: OpenSearch) -> Iterator[str]:
    name = f"eq-{uuid4().hex[:8]}"
    yield name
    drop_pointer(engine, name)


def test_nothing_is_in_service_at_first(engine: OpenSearch, alias: str) -> None:
    assert read_pointer(engine, alias) is None
    assert pointer_history(engine, alias) == []


def test_swap_is_seen_at_once_and_kept_newest_first(engine: OpenSearch, alias: str) -> None:
    assert swap_pointer(engine, alias, FIRST, at=10.5) is None
    assert swap_pointer(engine, alias, SECOND, at=20.0) == FIRST
    assert read_pointer(engine, alias) == SECOND
    assert [(swap.pointer, swap.at) for swap in pointer_history(engine, alias)] == [
        (SECOND, 20.0),
        (FIRST, 10.5),
    ]


def test_going_back_is_a_swap_too_and_the_same_again_is_none(engine: OpenSearch, alias: str) -> None:
    for pointer in (FIRST, SECOND, FIRST, FIRST):
        swap_pointer(engine, alias, pointer)
    assert [swap.pointer for swap in pointer_history(engine, alias)] == [FIRST, SECOND, FIRST]


def test_swaps_at_once_are_all_kept(engine: OpenSearch, alias: str) -> None:
    pointers = [ArtifactSet(f"model-{n}", "items", "behaviour") for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        before = list(pool.map(lambda pointer: swap_pointer(engine, alias, pointer), pointers))
    history = [swap.pointer for swap in pointer_history(engine, alias)]
    assert sorted(pointer.model for pointer in history) == [pointer.model for pointer in pointers]
    # each one followed another: what was before is everything but what is in service now
    assert {pointer for pointer in before if pointer} == set(pointers) - {history[0]}


def test_history_has_an_end(engine: OpenSearch, alias: str) -> None:
    for place in range(MOST_HISTORY + 2):
        swap_pointer(engine, alias, ArtifactSet(f"model-{place}", "i", "b"), at=float(place))
    history = pointer_history(engine, alias)
    assert len(history) == MOST_HISTORY
    assert history[0].pointer.model == f"model-{MOST_HISTORY + 1}"


def test_asyncio_reads_the_same(engine: OpenSearch, engine_url: str, alias: str) -> None:
    async def read() -> list[ArtifactSet | None]:
        client = connect_async(engine_url)
        try:
            before = await read_pointer_async(client, alias)
            swap_pointer(engine, alias, FIRST)
            return [before, await read_pointer_async(client, alias)]
        finally:
            await client.close()

    assert asyncio.run(read()) == [None, FIRST]
