"""Ids that a run has seen, across the merges of its sorted runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indexer.load import seen_ids as seen
from indexer.load.seen_ids import SeenIds


def test_the_first_line_of_an_id_is_kept() -> None:
    ids = SeenIds()
    assert ids.add("a", 1) is None
    assert ids.add("a", 5) == 1
    assert "a" in ids
    assert "b" not in ids
    assert len(ids) == 1


def test_many_ids_stay_found() -> None:
    ids = SeenIds()
    count = 5 * seen._FRESH + 17
    assert all(ids.add(f"id {n}", n) is None for n in range(count))
    assert all(ids.add(f"id {n}", -1) == n for n in range(0, count, 97))
    assert f"id {count}" not in ids
    assert len(ids) == count
    assert len(ids._runs) <= 4


@given(st.lists(st.text(max_size=3), max_size=200))
def test_it_is_a_set(names: list[str]) -> None:
    ids, known = SeenIds(), {}
    for line, name in enumerate(names):
        assert ids.add(name, line) == known.get(name)
        known.setdefault(name, line)
    assert len(ids) == len(known)
