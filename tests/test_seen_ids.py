"""The ids that a load has read, across the merges of their sorted runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indexer.load.seen_ids import SeenIds


def test_the_first_line_of_an_id_is_retained() -> None:
    ids = SeenIds()
    assert ids.add("a", 1) is None
    assert ids.add("a", 5) == 1
    assert "a" in ids
    assert "b" not in ids
    assert len(ids) == 1


def test_ids_are_known_after_merges_and_the_runs_stay_few() -> None:
    ids = SeenIds(merge_at=256)
    count = 45 * 256 + 17
    assert all(ids.add(f"id {n}", n) is None for n in range(count))
    assert all(ids.add(f"id {n}", -1) == n for n in range(0, count, 97))
    assert f"id {count}" not in ids
    assert len(ids) == count
    assert ids.run_count == 4  # of 45 merges: runs of 32, 8, 4 and 1 times 256 ids


@given(st.lists(st.text(max_size=3), max_size=200), st.integers(1, 50))
def test_it_agrees_with_a_dictionary(names: list[str], merge_at: int) -> None:
    ids = SeenIds(merge_at=merge_at)
    lines: dict[str, int] = {}
    for line, name in enumerate(names):
        assert ids.add(name, line) == lines.get(name)
        lines.setdefault(name, line)
    assert len(ids) == len(lines)
    assert all(name in ids for name in names)
