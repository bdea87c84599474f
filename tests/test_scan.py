"""Reading a whole index at one moment, on the live node, foreign indices included."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from opensearch.index.bulk import Action, write
from opensearch.index.indexed_state import IndexedState, read_indexed_state
from opensearch.index.scan import count, scan
from vitrine.errors import EngineError, IndexMissingError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live


@pytest.fixture
def shop(engine: OpenSearch) -> Iterator[str]:
    """A foreign index of 120 documents on three shards."""
    name = f"t-scan-{uuid.uuid4().hex[:8]}"
    engine.indices.create(index=name, body={"settings": {"number_of_shards": 3, "number_of_replicas": 0}})
    documents = (
        Action("index", f"p{row}", {"n": row, "deep": {"kept": row, "heavy": "x"}}) for row in range(120)
    )
    assert {outcome.status for outcome in write(engine, name, documents)} == {"created"}
    engine.indices.refresh(index=name)
    yield name
    engine.indices.delete(index=name, ignore_unavailable=True)


def _open_moments(engine: OpenSearch) -> int:
    nodes = engine.nodes.stats(metric="indices", index_metric="search")["nodes"].values()
    return sum(node["indices"]["search"]["point_in_time_current"] for node in nodes)


@pytest.mark.parametrize("page", [1, 7, 40, 120, 500])
def test_every_document_comes_once_whatever_the_page(engine: OpenSearch, shop: str, page: int) -> None:
    found = list(scan(engine, shop, page=page))
    assert sorted(id for id, _ in found) == sorted(f"p{row}" for row in range(120))
    assert all(source["n"] == int(id[1:]) for id, source in found)


def test_source_is_what_was_asked_for(engine: OpenSearch, shop: str) -> None:
    assert dict(scan(engine, shop, includes=["deep"], excludes=["deep.heavy"]))["p5"] == {"deep": {"kept": 5}}
    assert dict(scan(engine, shop, excludes=["deep"]))["p5"] == {"n": 5}
    assert dict(scan(engine, shop, includes=()))["p5"] == {}
    some = scan(engine, shop, query={"range": {"n": {"lt": 3}}})
    assert {id for id, _ in some} == {"p0", "p1", "p2"}
    assert count(engine, shop) == 120
    assert count(engine, shop, {"range": {"n": {"lt": 3}}}) == 3


def test_what_is_written_meanwhile_is_not_seen(engine: OpenSearch, shop: str) -> None:
    found = scan(engine, shop, page=10)
    first = [next(found)[0] for _ in range(10)]
    engine.index(index=shop, id="new", body={"n": 1}, refresh=True)
    engine.delete(index=shop, id="p119", refresh=True)
    engine.delete(index=shop, id="p0", refresh=True)
    rest = [id for id, _ in found]
    assert sorted(first + rest) == sorted(f"p{row}" for row in range(120))


def test_leaving_early_and_failing_close_the_moment(engine: OpenSearch, shop: str) -> None:
    before = _open_moments(engine)
    found = scan(engine, shop, page=10)
    next(found)
    assert _open_moments(engine) > before
    found.close()
    with pytest.raises(EngineError):
        list(scan(engine, shop, query={"unknown": {}}))
    assert _open_moments(engine) == before


def test_empty_and_missing_indices(engine: OpenSearch, shop: str) -> None:
    assert list(scan(engine, shop, query={"match_none": {}})) == []
    with pytest.raises(IndexMissingError, match="no index 't-scan-nowhere'"):
        list(scan(engine, "t-scan-nowhere"))


def test_moment_that_the_engine_forgot_is_told(engine: OpenSearch, shop: str) -> None:
    others = {held["pit_id"] for held in engine.get_all_pits()["pits"]}
    found = scan(engine, shop, page=10)
    next(found)
    ours = {held["pit_id"] for held in engine.get_all_pits()["pits"]} - others
    engine.delete_pit(body={"pit_id": list(ours)})
    with pytest.raises(EngineError, match="forgotten the moment"):
        list(found)


def test_stored_hashes_of_what_is_there(engine: OpenSearch, shop: str) -> None:
    new = {"hashes": {"text": "t", "row": "r"}, "images": [{"hash": "h", "ref": "a.png"}]}
    engine.index(index=shop, id="new", body=new, refresh=True)
    found = read_indexed_state(engine, shop, ["new", "p1", "nobody"])
    assert found == {
        "new": IndexedState({"text": "t", "row": "r"}, (("h", "a.png"),)),
        "p1": IndexedState({}, ()),
    }
    assert read_indexed_state(engine, shop, []) == {}
