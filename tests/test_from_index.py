"""The documents of a foreign index as rows, on the live node: dates as the engine reads them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from indexer.catalogue.from_index import ID_COLUMN, rows_from_index
from indexer.catalogue.plan import plan_from_rows
from indexer.catalogue.reader import CatalogueRow

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live


@pytest.fixture
def index(engine: OpenSearch) -> Iterator[str]:
    name = f"t-from-{uuid.uuid4().hex[:8]}"
    yield name
    engine.indices.delete(index=name, ignore_unavailable=True)


# mapping, value in the source, value in the row
FIELDS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "seconds": ({"type": "date", "format": "epoch_second"}, 1_700_000_000, "2023-11-14T22:13:20.000Z"),
    "millis": ({"type": "date"}, 1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
    "german": ({"type": "date", "format": "dd.MM.yyyy"}, "03.04.2021", "2021-04-03T00:00:00.000Z"),
    "american": ({"type": "date", "format": "MM/dd/yyyy"}, "03/04/2021", "2021-03-04T00:00:00.000Z"),
    "slashes": (
        {"type": "date", "format": "yyyy/MM/dd HH:mm:ss||epoch_millis"},
        "2021/01/02 03:04:05",
        "2021-01-02T03:04:05.000Z",
    ),
    "compact": ({"type": "date", "format": "basic_date"}, 20210102, "2021-01-02T00:00:00.000Z"),
    "nanos": (
        {"type": "date_nanos"},
        "2021-01-02T03:04:05.123456789+01:00",
        "2021-01-02T02:04:05.123456789Z",
    ),
    "several": (
        {"type": "date", "format": "dd.MM.yyyy"},
        ["03.04.2021", "05.06.2021"],
        ["2021-04-03T00:00:00.000Z", "2021-06-05T00:00:00.000Z"],
    ),
    "malformed": ({"type": "date", "ignore_malformed": True}, "soon", "soon"),
    "number": ({"type": "long"}, 1_700_000_000, 1_700_000_000),
}


def test_dates_are_read_as_the_engine_reads_them(engine: OpenSearch, index: str) -> None:
    properties: dict[str, Any] = {name: mapping for name, (mapping, _, _) in FIELDS.items()}
    german = FIELDS["german"][0]
    properties |= {
        "offer": {"properties": {"until": german}},
        "stages": {"type": "nested", "properties": {"at": german, "name": {"type": "keyword"}}},
        "sale": {"type": "date_range", "format": "dd.MM.yyyy"},
        "weight": {"type": "float_range"},
        "store": {"type": "geo_point"},
        "area": {"properties": {"centre": {"type": "geo_point"}}},
    }
    engine.indices.create(index=index, body={"mappings": {"properties": properties}})
    source = {name: value for name, (_, value, _) in FIELDS.items()} | {
        "offer": {"until": "31.12.2021"},
        "stages": [{"at": "01.02.2021", "name": "made"}, {"at": "02.02.2021", "name": "sold"}],
        "sale": {"gte": "01.02.2021", "lte": "05.02.2021"},
        "weight": {"gte": 1.5, "lt": 2},
        "store": "52.5,13.4",
        "area": {"centre": {"lat": 52.5, "lon": 13.4}},
    }
    for number in range(3):
        engine.index(
            index=index, id=f"p{number}", body={**source, "name": f"red shoe {number}"}, refresh=True
        )
    rows = [row for row in rows_from_index(engine, index) if isinstance(row, CatalogueRow)]
    assert [(row.line, row.values[ID_COLUMN]) for row in rows] == [(1, "p0"), (2, "p1"), (3, "p2")]
    assert rows[0].values == {
        **{name: value for name, (_, _, value) in FIELDS.items()},
        ID_COLUMN: "p0",
        "name": "red shoe 0",
        "offer.until": "2021-12-31T00:00:00.000Z",
        "stages.at": ["2021-02-01T00:00:00.000Z", "2021-02-02T00:00:00.000Z"],
        "stages.name": ["made", "sold"],
        "sale.gte": "2021-02-01T00:00:00.000Z",
        "sale.lte": "2021-02-05T00:00:00.000Z",
        "weight.gte": 1.5,
        "weight.lt": 2,
        "store": {
            "value": "52.5,13.4"
        },  # an object, which no field of a product takes, and which the report names
        "area.centre": {"lat": 52.5, "lon": 13.4},
    }
    plan = plan_from_rows(iter(rows), index, ID_COLUMN)
    assert set(plan.dates) == {
        *(set(FIELDS) - {"malformed", "number"}), "offer.until", "stages.at", "sale.gte", "sale.lte"
    }  # fmt: skip
    assert "number" in plan.numbers
