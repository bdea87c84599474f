"""The pointer on the live node: changed in one step, no change lost among concurrent ones."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from support.rerank_index import drop_pointer

from opensearch.logs.pointer import (
    MAX_HISTORY,
    pointer_history,
    read_pointer,
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


def test_a_swap_is_visible_at_once_and_the_history_is_newest_first(engine: OpenSearch, alias: str) -> None:
    assert swap_pointer(engine, alias, FIRST, at=10.5) is None
    assert swap_pointer(engine, alias, SECOND, at=20.0) == FIRST
    assert read_pointer(engine, alias) == SECOND
    assert [(swap.pointer, swap.at) for swap in pointer_history(engine, alias)] == [
        (SECOND, 20.0),
        (FIRST, 10.5),
    ]


def test_a_swap_back_is_recorded_and_a_swap_to_the_same_set_is_not(engine: OpenSearch, alias: str) -> None:
    for pointer in (FIRST, SECOND, FIRST, FIRST):
        swap_pointer(engine, alias, pointer)
    assert [swap.pointer for swap in pointer_history(engine, alias)] == [FIRST, SECOND, FIRST]


def test_concurrent_swaps_are_all_in_the_history(engine: OpenSearch, alias: str) -> None:
    pointers = [ArtifactSet(f"model-{n}", "items", "behaviour") for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        before = list(pool.map(lambda pointer: swap_pointer(engine, alias, pointer), pointers))
    history = [swap.pointer for swap in pointer_history(engine, alias)]
    assert sorted(pointer.model for pointer in history) == [pointer.model for pointer in pointers]
    # the swaps were applied one after the other, so the previous sets are all but the one in service
    assert {pointer for pointer in before if pointer} == set(pointers) - {history[0]}


def test_the_history_has_a_limited_length(engine: OpenSearch, alias: str) -> None:
    for place in range(MAX_HISTORY + 2):
        swap_pointer(engine, alias, ArtifactSet(f"model-{place}", "i", "b"), at=float(place))
    history = pointer_history(engine, alias)
    assert len(history) == MAX_HISTORY
    assert history[0].pointer.model == f"model-{MAX_HISTORY + 1}"
