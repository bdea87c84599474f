"""Nested values of rows as dotted columns, and the pictures of picture objects."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indexer.catalogue.flat_rows import flatten
from indexer.catalogue.inference.infer import infer_plan
from indexer.catalogue.product import read_product
from indexer.catalogue.reader import CatalogueRow, declared_columns, read_rows
from opensearch.index.fields import FieldPlan

LAMP: dict[str, Any] = {
    "id": "l1",
    "title": "Desk lamp",
    "price": {"amount": 39.5, "currency": "EUR", "was": None},
    "variants": [{"sku": "l1-r", "colour": "red"}, {"sku": "l1-b", "colour": "blue", "watts": 9}],
    "places": [["Home", "Desk"], ["Home", "Sale"]],
}
FLAT = {
    "id": "l1",
    "title": "Desk lamp",
    "price.amount": 39.5,
    "price.currency": "EUR",
    "variants.sku": ["l1-r", "l1-b"],
    "variants.colour": ["red", "blue"],
    "variants.watts": [9],
    "places": [["Home", "Desk"], ["Home", "Sale"]],
}


def test_objects_and_lists_of_objects_open_into_dotted_columns() -> None:
    assert flatten(LAMP) == FLAT


@pytest.mark.parametrize("write", [json.dumps, repr])
def test_objects_that_a_text_writes_open_too_unless_the_plan_names_their_column(
    tmp_path: Path, write: Callable[[Any], str]
) -> None:
    path = tmp_path / "c.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [LAMP, [write(v) if isinstance(v, (dict, list)) else v for v in LAMP.values()]]
        )
    (row,) = (row for row in read_rows(path) if isinstance(row, CatalogueRow))
    assert {**row.values, "places": FLAT["places"]} == FLAT
    (row,) = (r for r in read_rows(path, plan=FieldPlan(keywords=("price",))) if isinstance(r, CatalogueRow))
    assert row.values["price"] == write(LAMP["price"])


def test_two_spellings_of_one_path_keep_both_values() -> None:
    assert flatten({"size.eu": 42, "size": {"eu": 43}}) == {"size.eu": [42, 43]}


def test_a_list_of_texts_and_objects_opens_its_objects_and_keeps_its_texts() -> None:
    assert flatten({"tags": ["new", {"name": "red"}, None]}) == {"tags": ["new"], "tags.name": ["red"]}


def test_values_in_the_extended_json_of_mongodb_are_plain() -> None:
    row = {
        "_id": {"$oid": "6a"},
        "price": {"$numberDecimal": "9.5"},
        "since": {"$date": {"$numberLong": "17"}},
    }
    assert flatten(row) == {"_id": "6a", "price": "9.5", "since": "17"}


def test_objects_nested_deeper_than_the_engine_takes_stay_a_value() -> None:
    deep: dict[str, Any] = {"end": 1}
    for _ in range(500):
        deep = {"in": deep}
    (path,) = flatten(deep)
    assert path.count(".") == 15


def test_jsonl_and_parquet_give_the_same_flat_rows(tmp_path: Path) -> None:
    lines, table = tmp_path / "c.jsonl", tmp_path / "c.parquet"
    lines.write_text(json.dumps(LAMP), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist([LAMP]), table)
    assert list(read_rows(lines)) == [CatalogueRow(1, FLAT)]
    assert list(read_rows(table)) == [CatalogueRow(1, FLAT)]
    assert declared_columns(table) is None  # its objects open into columns row by row


@pytest.mark.parametrize(
    ("images", "addresses"),
    [
        ([{"src": "http://x/a.jpg", "alt": "front"}, {"src": "http://x/b.jpg"}], ["http://x/a.jpg", "http://x/b.jpg"]),
        ([{"thumb": "s.jpg", "large": "l.jpg", "hi_res": None}], ["l.jpg"]),
        ({"hi_res": [None, "h2.jpg"], "large": ["l1.jpg", "l2.jpg"]}, ["l1.jpg", "l2.jpg"]),
        ({"bytes": b"\xff\xd8", "path": "a.jpg"}, [b"\xff\xd8"]),
        ([{"image": {"url": "a.jpg"}}], ["a.jpg"]),
    ],
)  # fmt: skip
def test_picture_objects_give_one_address_each(images: Any, addresses: list[Any]) -> None:
    row = flatten({"id": 1, "title": "cup", "images": images})
    plan = infer_plan([row])
    product, dropped = read_product(row, plan)
    assert plan.images == ("images",)
    assert (list(product.images), dropped) == (addresses, [])


def test_a_picture_object_without_an_address_is_told() -> None:
    plan = infer_plan([flatten({"id": n, "title": "cup", "images": [{"src": f"{n}.jpg"}]}) for n in range(3)])
    product, dropped = read_product(flatten({"id": 9, "title": "cup", "images": [{"alt": "front"}]}), plan)
    assert product.images == ()
    assert [cell.column for cell in dropped] == ["images"]
    assert "is not an image" in dropped[0].reason


def test_lists_of_numbers_and_dates_are_kept_as_lists() -> None:
    rows = [
        flatten({
            "id": f"c{n}",
            "title": f"cup {n}",
            "offers": [{"price": 5.0, "since": "2025-01-02"}, {"price": n, "since": "2025-03-04"}],
        })
        for n in range(6, 12)
    ]  # fmt: skip
    plan = infer_plan(rows)
    product, dropped = read_product(rows[0], plan)
    assert (plan.price, plan.dates) == ("offers.price", ("offers.since",))
    assert product.numbers == {"offers.price": [5, 6]}
    assert product.dates == {"offers.since": ["2025-01-02", "2025-03-04"]}
    assert dropped == []


def test_an_id_column_is_preferred_to_a_quantity_that_happens_to_differ_in_every_row() -> None:
    rows = [
        {"rating_number": 100 + n, "average_rating": 4.1, "title": f"cup {n}", "parent_asin": f"B0{n}"}
        for n in range(4)
    ]
    assert infer_plan(rows).id == "parent_asin"
    assert infer_plan([{"stock": n, "title": f"cup {n}", "page": f"cup-{n}"} for n in range(4)]).id == "page"
