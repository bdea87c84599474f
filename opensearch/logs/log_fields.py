"""How an index maps the fields of a log, which another program may have made: names matched exactly, times as read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, nan
from typing import TYPE_CHECKING, Any

from opensearch.client import explained

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_NUMBERS = frozenset(("long", "integer", "double", "float", "half_float", "unsigned_long", "short"))
_DATES = frozenset(("date", "date_nanos"))
# the smallest number that is read as milliseconds where the mapping holds plain numbers: March 1973, or the year 5138
_MIN_MILLISECONDS = 1e11


@dataclass(frozen=True)
class LogFields:
    """The types of the fields of a log index, by name; several where its indices differ."""

    types: Mapping[str, frozenset[str]]

    def exact(self, name: str) -> str | None:
        """Return the field to match a whole value with: the field itself, its `.keyword`, or None."""
        for field in (name, f"{name}.keyword"):
            if self.types.get(field, frozenset()) == frozenset(("keyword",)):
                return field
        return None

    def is_date(self, name: str) -> bool:
        """Return whether the engine reads the field as a time, by the format of its mapping."""
        types = self.types.get(name, frozenset())
        return bool(types) and types <= _DATES

    def is_number(self, name: str) -> bool:
        """Return whether the field holds plain numbers, of which the engine does not know that they are times."""
        types = self.types.get(name, frozenset())
        return bool(types) and types <= _NUMBERS


def read_log_fields(client: OpenSearch, index: str, *names: str) -> LogFields:
    """Return how an index, an alias or a data stream maps these fields."""
    fields = [field for name in names for field in (name, f"{name}.keyword")]
    with explained(client):
        response = client.field_caps(index=index, params={"fields": ",".join(fields)})
    types = {
        name: frozenset(kind for kind, caps in kinds.items() if caps.get("aggregatable", True))
        for name, kinds in response["fields"].items()
    }
    return LogFields({name: kinds for name, kinds in types.items() if kinds})


def seconds_of_hit(hit: Mapping[str, Any], field: str, fields: LogFields) -> float:
    """Return a record's time in seconds since 1970; NaN without a readable one.

    A date is what the engine reads by the format of its mapping, the earliest of several. A value that the engine cannot
    read, or does not map as a time, is read as ISO 8601 or as milliseconds, and a small plain number as seconds.
    """
    values = (hit.get("fields") or {}).get(field)
    if values and fields.is_date(field):
        return min(float(value) for value in values) / 1000.0
    value = (hit.get("_source") or {}).get(field)
    if fields.is_date(field) and not isinstance(value, str):
        return nan
    return parse_seconds(value)


def parse_seconds(value: Any) -> float:
    """Return seconds since 1970 of ISO 8601 (UTC without a zone) or of a number, as text or not; NaN for anything else."""
    if isinstance(value, list):
        return parse_seconds(value[0]) if value else nan
    if isinstance(value, bool) or value is None:
        return nan
    try:
        number = float(value)
    except (TypeError, ValueError):
        return _iso_seconds(str(value).strip())
    if not abs(number) < inf:
        return nan
    return number / 1000.0 if abs(number) >= _MIN_MILLISECONDS else number


def _iso_seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return nan
