"""Columns of other files: joined to a catalogue, kept by a run without the file, refreshed alone. On the live node."""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from indexer.catalogue.product import Product
from indexer.catalogue.reader import CatalogueRow, read_rows
from indexer.join.table import JoinOutcome, joined_rows, keys_of, read_join
from indexer.load.document import IndexedImage, document, fields_of
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.versions import create_version, current, publish, read_schema
from vitrine.cli import main
from vitrine.errors import CatalogueError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Row = Sequence[object]


def write_csv(path: Path, *rows: Row) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_rows_get_the_columns_of_their_key_and_everything_left_over_is_counted(tmp_path: Path) -> None:
    catalogue = write_csv(
        tmp_path / "c.csv", ("id", "sku", "price"), (1, "A", 5), (2, "B", 6), (3, "C", 7), (4, "", 8)
    )
    prices = write_csv(
        tmp_path / "p.csv",
        ("article", "market", "price"),
        ("A", 4.5, ""),
        ("B", "", 9),
        ("X", 1, 1),
        ("A", 9, 9),
        ("", 2, 2),
    )
    table = read_join(prices, "sku=article")
    assert (table.columns, table.repeated, len(table.bad)) == (("market", "price"), ("A",), 1)
    outcome = JoinOutcome(table)
    rows = [
        row.values for row in joined_rows(read_rows(catalogue), [outcome]) if isinstance(row, CatalogueRow)
    ]
    assert rows == [
        {"id": "1", "sku": "A", "price": "5", "market": "4.5"},  # an empty cell leaves the catalogue's price
        {"id": "2", "sku": "B", "price": "9", "market": None},
        {"id": "3", "sku": "C", "price": "7"},  # no row: the product keeps its market price
        {"id": "4", "price": "8"},
    ]
    assert outcome.sentence() == (
        "p.csv: 2 products have a row by sku; 2 products have none; 1 of its 3 keys are of no product (X); "
        "the first row was taken of each repeated key (A); 1 rows were left out (line 6: it has no value in column "
        "'article')"
    )
    assert outcome.failed


def test_keys_are_compared_as_text() -> None:
    assert [keys_of(value) for value in (7, 7.0, "7", " 7 ", "07", ["a", 7], None, "", True)] == [
        ["7"], ["7"], ["7"], ["7"], ["07"], ["a", "7"], [], [], []
    ]  # fmt: skip


def test_a_file_that_cannot_be_joined_says_why(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", ("SKU", "price"), ("A", 1))
    with pytest.raises(CatalogueError, match=r"p.csv has no column 'sku' \(close: SKU\): name the key"):
        read_join(path, "sku")
    with pytest.raises(CatalogueError, match="no column besides 'SKU'"):
        read_join(write_csv(tmp_path / "k.csv", ("SKU",), ("A",)), "SKU")
    with pytest.raises(CatalogueError, match="no row that can be joined; line 2: it has no value"):
        read_join(write_csv(tmp_path / "e.csv", ("SKU", "price"), ("", 1)), "SKU")


@dataclass
class Shop:
    """`vitrine index` on an alias of its own, without encoders."""

    engine: OpenSearch
    url: str
    folder: Path
    alias: str

    def index(self, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
        """Run the command and return its report; for an error its sentence."""
        options = {
            "OPENSEARCH_URL": self.url,
            "VITRINE_INDEX": self.alias,
            "VITRINE_STORE": str(self.folder / "store"),
            "VITRINE_TEXT_ENCODER": "none",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        words = ["index", *map(str, arguments), "--no-learn-weights", "--json"]
        result = CliRunner().invoke(main, words, env=options)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if result.stdout else {"error": result.stderr}

    def products(self) -> dict[str, dict[str, Any]]:
        hits = self.engine.search(index=self.alias, body={"size": 100})["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}

    def catalogue(self, count: int = 20, price: float = 10.0) -> Path:
        rows = [(f"p{n}", f"S{n}", f"red shoe number {n}", price + n) for n in range(count)]
        return write_csv(self.folder / "shop.csv", ("id", "sku", "title", "price"), *rows)

    def prices(self, *rows: Row, header: Row = ("sku", "market_price", "trend")) -> Path:
        return write_csv(self.folder / "prices.csv", header, *rows)

    def market(self) -> dict[str, float | None]:
        return {id: source["numbers"].get("market_price") for id, source in self.products().items()}


@pytest.fixture(scope="module")
def shop(engine: OpenSearch, engine_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of 20 products, 18 of them with a market price and a trend."""
    created = Shop(engine, engine_url, tmp_path_factory.mktemp("join"), f"join-{uuid.uuid4().hex[:10]}")
    prices = created.prices(*MARKET)
    report = created.index(created.catalogue(), "--join", prices, "--on", "sku")
    (join,) = report["joins"]
    assert (join["products"], join["products_without_row"], join["unmatched_keys"]) == (18, 2, 1)
    yield created
    engine.indices.delete(index=f"{created.alias}*", ignore_unavailable=True)


MARKET = [(f"S{n}", 9.5 + n, ("up", "down")[n % 2]) for n in range(18)] + [("S99", 1, "up")]


@pytest.mark.live
def test_joined_columns_are_kept_by_a_run_without_the_file_and_refreshed_by_the_file_alone(
    shop: Shop,
) -> None:
    expected: dict[str, float | None] = {f"p{n}": 9.5 + n for n in range(18)} | {"p18": None, "p19": None}
    assert shop.market() == expected
    assert shop.products()["p1"]["keywords"]["trend"] == "down"
    assert read_schema(shop.engine, shop.alias).plan.joined == ("market_price", "trend")

    # A run without the file changes the catalogue's own columns and keeps the joined ones.
    report = shop.index(shop.catalogue())
    assert (report["unchanged"], report["updated"], report["embedded"]) == (20, 0, {})
    assert shop.index(shop.catalogue(price=11.0))["updated"] == 20
    assert shop.market() == expected
    assert shop.products()["p1"]["numbers"]["price"] == 12.0

    # The file alone: p0 changes, p1 has an empty cell, p2 is the same, the others have no row.
    before = shop.products()
    prices = shop.prices(("S0", 5.25, "up"), ("S1", "", "down"), ("S2", 11.5, "up"))
    report = shop.index("--join", prices, "--on", "sku")
    assert (report["updated"], report["unchanged"], report["embedded"]) == (2, 1, {})
    expected |= {"p0": 5.25, "p1": None}
    assert shop.market() == expected
    after = shop.products()
    assert {id for id in after if after[id] != before[id]} == {"p0", "p1"}

    # The row hash is that of a whole load with the same values.
    report = shop.index(shop.catalogue(price=11.0))
    assert (report["unchanged"], report["updated"]) == (20, 0)
    report = shop.index(shop.catalogue(price=11.0), "--join", prices, "--on", "sku")
    assert (report["unchanged"], report["updated"]) == (20, 0)

    # A new version without the file takes the values over.
    report = shop.index(shop.catalogue(price=11.0), "--rebuild")
    assert (report["indexed"], report["embedded"]) == (20, {})
    assert shop.market() == expected


@pytest.mark.live
def test_a_refresh_leaves_every_vector_as_it_is(shop: Shop) -> None:
    alias = f"{shop.alias}-vectors"
    vectors = {"text": VectorField("text-0", "text-0", 2), "image": VectorField("image-0", "text-0", 2)}
    schema = IndexSchema(FieldPlan(numbers=("market_price",), keywords=("sku",)), vectors)
    index = create_version(shop.engine, alias, schema)
    for n in range(3):
        product = Product(f"p{n}", f"shoe {n}", numbers={"market_price": 1.0}, keywords={"sku": f"S{n}"})
        images = [IndexedImage("a.jpg", "h", np.array([0.6, 0.8], np.float32))]
        text = np.array([1, n / 3], np.float32)
        shop.engine.index(index=index, id=f"p{n}", body=document(fields_of(product), {"text": text}, images))
    publish(shop.engine, alias, index)
    before = {hit["_id"]: hit["_source"] for hit in shop.engine.search(index=alias)["hits"]["hits"]}
    report = shop.index(
        "--index", alias, "--join", shop.prices(("S1", 2), header=("sku", "market_price")), "--on", "sku"
    )
    assert (report["updated"], report["embedded"]) == (1, {})
    after = {hit["_id"]: hit["_source"] for hit in shop.engine.search(index=alias)["hits"]["hits"]}
    assert after["p1"]["numbers"] == {"market_price": 2.0}
    for id, source in before.items():
        assert (after[id]["text_vec"], after[id]["images"]) == (source["text_vec"], source["images"])
    knn = {"knn": {"text_vec": {"vector": before["p1"]["text_vec"], "k": 1}}}
    (hit,) = shop.engine.search(index=alias, body={"query": knn})["hits"]["hits"]
    assert (hit["_id"], hit["_score"]) == ("p1", pytest.approx(1))


@pytest.mark.live
def test_the_words_of_a_refreshed_column_are_searched(shop: Shop) -> None:
    shop.index("--join", shop.prices(("p3", "soaring"), header=("key", "trend")), "--on", "id=key")
    hits = shop.engine.search(index=shop.alias, body={"query": {"match": {"search.en": "soaring"}}})
    assert [hit["_id"] for hit in hits["hits"]["hits"]] == ["p3"]


@pytest.mark.live
def test_sync_clears_values_without_row_and_asks_before_it_clears_many(shop: Shop) -> None:
    shop.index("--join", shop.prices(*MARKET), "--on", "sku")
    report = shop.index("--join", shop.prices(*MARKET[:9]), "--on", "sku", "--sync", code=1)
    assert report["refused"].startswith("11 of 20 products have no row in prices.csv; their values were kept")
    assert shop.market()["p12"] == 21.5
    report = shop.index("--join", shop.prices(*MARKET[:9]), "--on", "sku", "--sync", "--yes")
    assert report["updated"] == 9
    assert {id for id, value in shop.market().items() if value is not None} == {f"p{n}" for n in range(9)}


@pytest.mark.live
def test_a_file_that_does_not_fit_the_index_changes_nothing(shop: Shop) -> None:
    before = shop.products()
    on = ("--on", "sku")
    further = shop.prices(("S0", 1, "blue"), header=("sku", "market_price", "colour"))
    error = shop.index("--join", further, *on, code=2)["error"]
    assert "does not have (colour), and nothing was changed" in error
    assert "--rebuild" in error
    error = shop.index(shop.catalogue(), "--join", further, *on, code=2)["error"]
    assert "does not have (colour), and nothing was changed: add --rebuild" in error
    titles = shop.prices(("S0", "new title"), header=("sku", "title"))
    assert "embedded or identify the product (title)" in shop.index("--join", titles, *on, code=2)["error"]
    other = shop.prices(("S0", 1), header=("ean", "market_price"))
    error = shop.index("--join", other, "--on", "ean", code=2)["error"]
    assert "have no value of 'ean' to join prices.csv by" in error
    error = shop.index(shop.catalogue(), "--join", other, "--on", "ean", code=2)["error"]
    assert "the catalogue has no column 'ean' to join prices.csv by" in error
    assert "--join needs --on" in shop.index("--join", other, code=2)["error"]
    assert "give --join FILE too" in shop.index(shop.catalogue(), "--on", "sku", code=2)["error"]
    report = shop.index("--join", shop.prices(("Z", 1, "up")), *on, code=1)  # no product has any of its keys
    assert (report["updated"], report["joins"][0]["unmatched_keys"]) == (0, 1)
    assert shop.products() == before


@pytest.mark.live
def test_a_rebuild_adds_further_columns_to_the_plan_of_the_index(shop: Shop) -> None:
    rows = [(f"S{n}", 2.0 * n, ("red", "blue")[n % 2]) for n in range(20)]
    path = shop.prices(*rows, header=("sku", "competitor_price", "colour"))
    live = current(shop.engine, shop.alias)
    report = shop.index(shop.catalogue(price=11.0), "--join", path, "--on", "sku", "--rebuild")
    assert report["published"]
    assert current(shop.engine, shop.alias) != live
    product = shop.products()["p4"]
    assert product["numbers"] == {"price": 15.0, "market_price": 13.5, "competitor_price": 8.0}
    assert product["keywords"] == {"sku": "S4", "trend": "up", "colour": "red"}
    plan = read_schema(shop.engine, shop.alias).plan
    assert plan.joined == ("market_price", "trend", "competitor_price", "colour")
