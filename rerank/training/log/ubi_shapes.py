"""UBI records of any release in the shape that is stored: positions, products, times, names of actions, shoppers hashed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite, nan
from typing import Any

from opensearch.logs.log_fields import parse_seconds
from opensearch.logs.ubi import LOGGED_ACTION

from .actions import CART, CLICK, IGNORE, PURCHASE, normalised
from .product_ids import id_text
from .shopper_ids import SHOPPER_FIELDS

OLDEST = 631_152_000.0  # 1990-01-01, before any web shop
_DAY_S = 86_400.0
_MAX_SECONDS = 1e11  # a larger number is in milliseconds, microseconds or nanoseconds
_MAX_ORDINAL = 2**31 - 1
_TIMES = ("timestamp", "@timestamp", "time", "event_time")
_HITS = ("query_response_hit_ids", "query_response_object_ids", "query_response_objects_ids")
_ATTRIBUTES = ("query_attributes", "event_attributes")
STANDARD_NAMES = {CLICK: "click", CART: "add_to_cart", PURCHASE: "purchase", IGNORE: IGNORE}

Record = dict[str, Any]


class BadRecordError(ValueError):
    """A record that cannot be stored; the text is the reason, one of a few."""


def query_shape(raw: Mapping[str, Any], application: str, at: float = nan) -> Record:
    """Return a UBI 1.3 query of the application. `at` is its time where the source knows it. Raises BadRecordError."""
    record = _common(raw, application, at)
    hits = next((record.pop(name) for name in _HITS if record.get(name) is not None), None)
    for name in _HITS:
        record.pop(name, None)
    if hits is not None:
        values = hits if isinstance(hits, list) else str(hits).split(",")
        record[_HITS[0]] = [id_text(_id_of(value)).strip() for value in values]
    query = record.get("user_query", record.get("query"))
    if isinstance(query, (str, int, float)):
        record["user_query"] = str(query)
    if record.get("query") is not None and not isinstance(record["query"], str):
        record["query"] = str(record["query"])
    return record


def event_shape(
    raw: Mapping[str, Any], application: str, own_actions: Mapping[str, str], at: float = nan
) -> Record:
    """Return a UBI 1.3 event of the application.

    A name of `own_actions` becomes the standard name of what it means, which is "ignore" for one to leave out; the name as
    it was logged is kept as an attribute. Raises BadRecordError.
    """
    record = _common(raw, application, at)
    name = record.get("action_name") or record.pop("action", None) or record.pop("event_name", None)
    if not isinstance(name, str) or not normalised(name):
        raise BadRecordError("the event has no `action_name`")
    own = own_actions.get(normalised(name))
    record["action_name"] = STANDARD_NAMES[own] if own else name
    attributes = record.get("event_attributes")
    attributes = dict(attributes) if isinstance(attributes, Mapping) else {}
    product = attributes.get("object", record.pop("object", None))
    if product is None:
        product = next((record.pop(key) for key in ("object_id", "objectId") if key in record), None)
    if product is not None:
        attributes["object"] = product if isinstance(product, Mapping) else {"object_id": product}
    position = attributes.pop("position", record.pop("position", None))
    if position is not None:
        attributes["position"] = _position(position)
    if own:
        attributes[LOGGED_ACTION] = name
    record["event_attributes"] = attributes
    return record


def hash_shoppers(record: Mapping[str, Any], shopper_hash: Callable[[str], str]) -> Record:
    """Return the record with a keyed hash in place of each id of a shopper, in its attributes too."""
    hashed: Record = {
        name: shopper_hash(str(value)) if name in SHOPPER_FIELDS and value not in (None, "") else value
        for name, value in record.items()
    }
    for name in _ATTRIBUTES:
        attributes = record.get(name)
        if isinstance(attributes, Mapping):
            hashed[name] = hash_shoppers(attributes, shopper_hash)
    return hashed


def _common(raw: Mapping[str, Any], application: str, at: float) -> Record:
    record = {str(name): value for name, value in raw.items()}
    query_id = record.get("query_id", record.get("queryId"))
    if query_id in (None, "") or isinstance(query_id, (Mapping, list)):
        raise BadRecordError("the record has no `query_id`")
    value = next((record[name] for name in _TIMES if record.get(name) not in (None, "")), None)
    seconds = at if isfinite(at) else _seconds(value)
    if value is None and not isfinite(seconds):
        raise BadRecordError("the record has no `timestamp`")
    if not isfinite(seconds):
        raise BadRecordError("the time is in no known format")
    if seconds < OLDEST:
        raise BadRecordError("the time is before 1990")
    if seconds > time.time() + _DAY_S:
        raise BadRecordError("the time is in the future")
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return {**record, "query_id": id_text(query_id), "application": application, "timestamp": moment}


def _seconds(value: Any) -> float:
    seconds = parse_seconds(value)
    while seconds > _MAX_SECONDS:
        seconds /= 1000.0
    return seconds


def _position(value: Any) -> Record:
    """Return a position with its `ordinal` from 1; older trackers write the number alone, or an `index` from 0."""
    if isinstance(value, list) and value:
        return _position(value[0])
    given = dict(value) if isinstance(value, Mapping) else {"ordinal": value}
    if given.get("ordinal") is None and _whole(given.get("index")) is not None:
        given["ordinal"] = int(given["index"]) + 1
    ordinal = _whole(given.pop("ordinal", None))
    if ordinal is not None:
        return {**given, "ordinal": ordinal}
    return given if isinstance(value, Mapping) else {"given": str(value)}


def _whole(value: Any) -> int | None:
    try:
        number = int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < _MAX_ORDINAL and number == float(value) else None


def _id_of(value: Any) -> Any:
    """Return the id of a hit, which some trackers write as an object."""
    if isinstance(value, Mapping):
        return next((value[name] for name in ("object_id", "id", "_id") if name in value), "")
    return value
