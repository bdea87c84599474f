"""A click log read from records: names of actions, shoppers, ids of products, and every record used or counted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from opensearch.index.fields import FieldPlan
from opensearch.logs.records import LogRecord
from rerank.shoppers import sealed, shopper_hash
from rerank.training.log.actions import ACTIONS, KINDS, kind_of, normalised
from rerank.training.log.events import Log, gains_of
from rerank.training.log.notes import REASONS
from rerank.training.log.product_ids import ProductIds, Values
from rerank.training.log.reader import LogReader

AT = 1_770_000_000.0
SKUS: Values = {"S-1": "a", "S-2": "b", "S-9": None}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "secret")


def reader(own_actions: Mapping[str, str] | None = None) -> LogReader:
    plan = FieldPlan(id="number")
    columns = {"sku": SKUS}
    return LogReader(ProductIds({"a", "b", "c", "d"}, plan, columns.get), own_actions)


def query(query_id: str | None = "q", at: float = AT, **fields: Any) -> LogRecord:
    values = {"query_id": query_id, "user_query": "w", "query_response_hit_ids": ["a", "b", "c"], **fields}
    return LogRecord({name: value for name, value in values.items() if value is not None}, at)


def event(
    query_id: str | None = "q", product: Any = "a", at: float = AT + 9, name: str = "click", **fields: Any
) -> LogRecord:
    attributes = {"object": product if isinstance(product, dict) else {"object_id": product}}
    record = {"query_id": query_id, "action_name": name, "event_attributes": attributes, **fields}
    return LogRecord(record, at)


def read(
    queries: Iterable[LogRecord], events: Iterable[LogRecord] = (), slates: Iterable[LogRecord] = ()
) -> Log:
    return reader().read(slates, queries, events)


def counts(log: Log) -> dict[str, int]:
    """The reasons of a log's notes with their counts, whatever name they were counted by."""
    found: dict[str, int] = {}
    for note in log.notes:
        patterns = {reason: re.escape(what).replace(r"\{\}", ".+") for reason, (what, _) in REASONS.items()}
        reason = next(reason for reason, what in reversed(patterns.items()) if re.fullmatch(what, note.what))
        found[reason] = found.get(reason, 0) + note.count
    return found


def test_records_become_slates_and_events() -> None:
    slate = {"query_id": "q", "engine": ["a", "b"], "shown": ["b", "a"], "query": "w", "shopper": None}
    log = read(
        [query("q", query_response_hit_ids=["b"]), query("other", AT - 60)],
        [event("q", "b"), event("q", "b", AT + 90, "add_to_cart"), event("q", "b", AT + 99, "purchase")],
        [LogRecord(slate, AT)],
    )
    assert [(s.query_id, s.shown, s.engine, len(s.viewed_ids)) for s in log.slates] == [
        ("other", ("a", "b", "c"), ("a", "b", "c"), 3),
        ("q", ("b", "a"), ("a", "b"), 1),  # of the shown order the shopper opened one page of one
    ]
    assert [(e.action, e.id, e.at - AT) for e in log.events] == [
        ("click", "b", 9.0),
        ("cart", "b", 90.0),
        ("purchase", "b", 99.0),
    ]
    assert log.notes == ()


def test_every_record_that_is_not_used_is_counted_with_the_reason() -> None:
    nan = float("nan")
    log = read(
        [
            query(),
            query(None),
            query("q1", nan),
            query("q2", 1_770_000.0),  # seconds that the mapping reads as milliseconds
            query("q3", query_response_hit_ids=None),
            query("q4", query_response_hit_ids=[]),
            query("q", user_query="other words"),
        ],
        [
            event(),
            event(None),
            event(product=None),
            event(at=nan),
            event(at=1_770_000.0),
            event("nobody"),
            event(product="d"),
            event(product="z"),
            event(at=AT - 1),
            event(name="impression"),
            event(name="wiggle"),
            event(name=""),
        ],
        [LogRecord({"query_id": "s", "shown": []}, AT)],
    )
    assert counts(log) == {
        "query without id": 1,
        "query without time": 1,
        "query too old": 1,
        "query without products": 1,
        "empty answer": 1,
        "query id used twice": 1,
        "event without query": 1,
        "event without product": 1,
        "event without time": 1,
        "event too old": 1,
        "unknown query": 1,
        "product not shown": 1,
        "product not indexed": 1,
        "event before its query": 1,
        "ignored action": 1,
        "unknown action": 1,
        "event without name": 1,
        "incomplete slate": 1,
    }
    assert [slate.query_id for slate in log.slates] == ["q"]
    assert gains_of(log) == {"q": {"a": 1.0}}
    (wiggle,) = (str(note) for note in log.notes if "wiggle" in note.what)
    assert wiggle.startswith("1 events are named wiggle")
    assert "--action wiggle=click" in wiggle
    assert log.actions == {"click": 9, "impression": 1, "wiggle": 1, "": 1}
    assert log.records == 7 + 12 + 1


def test_pages_of_one_search_are_one_slate() -> None:
    pages = [query(query_response_hit_ids=["a", "b"]), query(at=AT + 5, query_response_hit_ids=["b", "c"])]
    (slate,) = read(pages).slates
    assert (slate.shown, slate.at) == (("a", "b", "c"), AT)


def test_ids_of_older_trackers_are_read() -> None:
    old = query(query_response_hit_ids=None, query_response_object_ids=[1, 2])
    log = read([old], [event(product={"internal_id": 2}), event(product={"object_id": 0})])
    assert log.slates[0].shown == ("1", "2")
    assert [e.id for e in log.events] == ["2", "0"]


def test_products_are_found_by_another_column_of_the_index() -> None:
    queries = [query(query_response_hit_ids=["S-2", "S-1"], object_id_field="sku")]
    log = read(
        queries,
        [
            event(product={"object_id": "S-1", "object_id_field": "sku"}),
            event(product={"object_id": "b", "object_id_field": "number"}),  # the catalogue's name of the id
            event(product={"object_id": "S-9", "object_id_field": "sku"}),
            event(product={"object_id": "4006", "object_id_field": "ean"}),
            event(product=["a", "b"]),
        ],
    )
    assert log.slates[0].shown == ("b", "a")
    assert [e.id for e in log.events][:2] == ["a", "b"]
    assert gains_of(log) == {"q": {"a": 1.0, "b": 1.0}}
    assert counts(log) == {"unknown column": 1, "ambiguous id": 1, "product not indexed": 2}


def test_a_code_is_found_in_every_spelling() -> None:
    columns: dict[str, Values] = {"ean": {"4006381333931": "a", "ab12": "b"}}
    ids = ProductIds({"a", "b"}, FieldPlan(codes=("ean",)), columns.get)
    for value in ("4006381333931", 4006381333931.0, "04006381333931", "400-6381-333931"):
        assert ids.find(value, "ean") == ("a", None)
    assert ids.find("AB-12", "ean") == ("b", None)
    assert ids.find("0000", "ean") == ("0000", None)


# --- names of actions


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("click", "click"),
        ("click_through", "click"),
        ("CLICK_THROUGH", "click"),
        ("item_click", "click"),
        ("Product Clicked", "click"),
        ("addToCart", "cart"),
        ("add-to-cart", "cart"),
        ("AddToCart", "cart"),
        ("product_purchase", "purchase"),
        ("Order Completed", "purchase"),
        ("view", "ignore"),
        ("on_search", "ignore"),
        ("点击", None),
    ],
)
def test_names_of_actions_are_known_in_every_spelling(name: str, kind: str | None) -> None:
    assert kind_of(name, {}) == kind


def test_the_table_of_actions_holds_normalised_names_and_known_kinds() -> None:
    assert all(normalised(name) == name and kind in KINDS for name, kind in ACTIONS.items())


def test_a_shop_names_its_own_actions() -> None:
    own = {normalised("tapTile"): "click", "click": "ignore"}
    log = reader(own).read([], [query()], [event(name="tap_tile"), event(product="b")])
    assert gains_of(log) == {"q": {"a": 1.0}}
    assert [str(note) for note in log.notes] == [
        "1 events are named click: nothing to do: `--action` ignores them"
    ]


# --- shoppers


def shoppers(log: Log) -> list[str | None]:
    return [slate.shopper for slate in log.slates]


def test_every_id_of_a_shopper_becomes_its_keyed_hash() -> None:
    uuid, md5 = "0f8fad5bd9cb469fa16570867728950e", hashlib.md5(b"anna").hexdigest()
    raw = ["anna@example.com", uuid, md5, 4711]
    log = read([query(f"q{n}", AT + n, client_id=id_) for n, id_ in enumerate(raw)])
    assert shoppers(log) == [shopper_hash(str(id_)) for id_ in raw]
    assert not {str(id_) for id_ in raw} & set(shoppers(log))


def test_a_keyed_hash_of_ours_is_not_hashed_again() -> None:
    hashed = shopper_hash("anna")
    log = read([query(client_id=hashed)], [event(client_id=hashed)])
    assert shoppers(log) == [hashed] == [e.shopper for e in log.events]


def test_a_hash_that_the_slate_log_holds_is_one_of_ours() -> None:
    bare = hashlib.sha256(b"a hash of an earlier release").hexdigest()[:32]
    slate = LogRecord({"query_id": "s", "shown": ["a"], "shopper": bare}, AT)
    log = read([query("q", AT + 1, client_id=bare)], slates=[slate])
    assert shoppers(log) == [sealed(bare), sealed(bare)]


@pytest.mark.parametrize(
    ("of_query", "of_event", "expected"),
    [
        ({"client_id": "c", "user_id": "u"}, {}, "c"),
        ({"user_id": "u", "session_id": "s"}, {}, "u"),
        ({}, {"client_id": "c", "session_id": "s"}, "c"),
        ({"session_id": "s"}, {"user_id": "u"}, "u"),
        ({}, {"session_id": "s"}, "s"),
        ({"client_id": ""}, {}, None),
    ],
)
def test_the_most_lasting_id_of_a_search_or_its_events_names_the_shopper(
    of_query: dict[str, Any], of_event: dict[str, Any], expected: str | None
) -> None:
    log = read([query(**of_query)], [event(**of_event)])
    assert shoppers(log) == [shopper_hash(expected) if expected else None]
