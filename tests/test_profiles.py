"""Shopper profiles on the live node: the newest clicks, each once, readable at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from opensearch.client import connect_async
from opensearch.logs.profiles import (
    MAX_CLICKS,
    SHOPPERS,
    Click,
    append_clicks,
    read_profile,
    read_profile_async,
    read_profiles,
    write_profiles,
)

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live


@pytest.fixture
def alias(engine: OpenSearch) -> Iterator[str]:
    name = f"eq-{uuid4().hex[:8]}"
    yield name
    engine.indices.refresh(index=SHOPPERS, params={"ignore_unavailable": "true"})
    engine.delete_by_query(
        index=SHOPPERS,
        body={"query": {"term": {"alias": name}}},
        params={"ignore_unavailable": "true", "refresh": "true", "conflicts": "proceed"},
    )


def append(url: str, alias: str, parts: Sequence[Sequence[Click]]) -> list[Click]:
    """Append all parts concurrently to the profile "ab"; return the profile read by the same client."""

    async def run() -> list[Click]:
        client = connect_async(url)
        try:
            await asyncio.gather(*(append_clicks(client, alias, "ab", part) for part in parts))
            return await read_profile_async(client, alias, "ab")
        finally:
            await client.close()

    return asyncio.run(run())


def test_a_click_is_in_the_profile_at_once_and_counts_once(
    engine: OpenSearch, engine_url: str, alias: str
) -> None:
    assert read_profile(engine, alias, "ab") == []
    click = Click("p1", 1.5)
    for _ in range(2):
        assert append(engine_url, alias, [[click]]) == [click]
        assert read_profile(engine, alias, "ab") == [click]
    assert append(engine_url, alias, [[]]) == [click]


def test_a_profile_keeps_the_newest_clicks_oldest_first(
    engine: OpenSearch, engine_url: str, alias: str
) -> None:
    clicks = [Click(f"p{place}", float(place)) for place in range(MAX_CLICKS + 15)]
    mixed = random.Random(2).sample(clicks, len(clicks))
    for start in range(0, len(mixed), 13):
        append(engine_url, alias, [mixed[start : start + 13]])
    assert read_profile(engine, alias, "ab") == clicks[-MAX_CLICKS:]


def test_concurrent_clicks_are_all_stored(engine: OpenSearch, engine_url: str, alias: str) -> None:
    clicks = [Click(f"p{place}", float(place)) for place in range(8)]
    append(engine_url, alias, [[click] for click in clicks])
    assert read_profile(engine, alias, "ab") == clicks


def test_many_profiles_are_written_and_read_together(engine: OpenSearch, alias: str) -> None:
    profiles = {f"s{n}": [Click("a", 2.0), Click("b", 1.0)] for n in range(5)}
    assert write_profiles(engine, alias, profiles) == []
    read = read_profiles(engine, alias, ["s1", "stranger", "s4"])
    ordered = [Click("b", 1.0), Click("a", 2.0)]
    assert read == {"s1": ordered, "stranger": [], "s4": ordered}
    assert read_profiles(engine, f"{alias}-other", ["s1"]) == {"s1": []}
