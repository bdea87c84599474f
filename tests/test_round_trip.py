"""Tables written by Python's csv and json and by pyarrow in random dialects are read back as the same products."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.catalogue.flat_rows import flatten
from indexer.catalogue.product import Product, read_product
from indexer.catalogue.reader import CatalogueRow, read_rows
from opensearch.index.fields import ColumnFormat, FieldPlan

PLAN = FieldPlan(
    title="name",
    text=("about",),
    numbers=("price",),
    keywords=("tags",),
    dates=("since",),
    available="stock",
    columns={"tags": ColumnFormat(separator="/")},
)
# without the equals sign, because a spreadsheet writes ="012" for a text of digits
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="="), max_size=40)
EXAMPLES = settings(max_examples=30, deadline=None)
_LETTERS = "abcXYZ059 -.äßéłжק茶壶のé👟"
_SIGNS = ",;\t|\"'\n:#%()<>&"
_NAMES = st.text(_LETTERS, min_size=1, max_size=12).map(str.strip).filter(any)
_TEXTS = st.text(_LETTERS + _SIGNS, max_size=40)


@st.composite
def tables(draw: st.DrawFn, texts: st.SearchStrategy[str] = _TEXTS) -> list[dict[str, Any]]:
    """One to eight products with Python values."""
    return [
        {
            "id": f"p{n}",
            "name": draw(_NAMES),
            "about": draw(texts),
            "price": draw(st.integers(0, 10**7)) / 100,
            "tags": draw(st.lists(st.text("abcä茶", min_size=1, max_size=5), min_size=1, max_size=3, unique=True)),
            "since": draw(st.dates()).isoformat(),
            "stock": draw(st.booleans()),
        }
        for n in range(draw(st.integers(1, 8)))
    ]  # fmt: skip


def cells_of(row: dict[str, Any]) -> dict[str, str]:
    """Return the row as text cells, a list with a slash between its values."""
    return {name: "/".join(value) if isinstance(value, list) else str(value) for name, value in row.items()}


def products(rows: list[dict[str, Any]]) -> list[Product]:
    return [read_product(flatten(row), PLAN)[0] for row in rows]


def read_back(path: Path) -> list[Product]:
    read = list(read_rows(path))
    assert [row for row in read if not isinstance(row, CatalogueRow)] == []
    outcomes = [read_product(row.values, PLAN) for row in read if isinstance(row, CatalogueRow)]
    assert [dropped for _, dropped in outcomes] == [[] for _ in outcomes]
    return [product for product, _ in outcomes]


@st.composite
def dialects(draw: st.DrawFn) -> dict[str, Any]:
    """Settings of csv.writer that lose nothing."""
    escaped = draw(st.booleans())
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    some = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    return {
        "delimiter": draw(st.sampled_from(",;\t|")),
        "lineterminator": end,
        # csv.writer leaves a line feed inside a cell without quotes where rows end in a carriage return alone
        "quoting": csv.QUOTE_ALL if escaped or end == "\r" else some,
        **({"doublequote": False, "escapechar": "\\"} if escaped else {}),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round_trip")


@EXAMPLES
@given(tables(), dialects(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_csv_of_any_dialect_gives_the_same_products(
    folder: Path, rows: list[dict[str, Any]], dialect: dict[str, Any], encoding: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(rows[0]), **dialect)
    writer.writeheader()
    writer.writerows(map(cells_of, rows))
    path = folder / "table.csv"
    path.write_bytes(file.getvalue().encode(encoding))
    assert read_back(path) == products(list(map(cells_of, rows)))


@EXAMPLES
@given(
    tables(ANY_TEXT),
    st.sampled_from(["lines", "array", "object"]),
    st.booleans(),
    st.sampled_from([None, 1, "\t"]),
)
def test_json_of_any_layout_gives_the_same_products(
    folder: Path, rows: list[dict[str, Any]], layout: str, ascii_only: bool, indent: int | str | None
) -> None:
    nested = [{**row, "maker": {"name": row["name"], "tags": row["tags"]}} for row in rows]
    if layout == "lines":
        text = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in nested)
    else:
        value = nested if layout == "array" else {"count": len(nested), "products": nested}
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    path = folder / "table.json"
    path.write_bytes(text.encode())
    assert read_back(path) == products(nested)
    read = [row.values for row in read_rows(path) if isinstance(row, CatalogueRow)]
    assert [row["maker.tags"] for row in read] == [row["tags"] for row in rows]


@EXAMPLES
@given(
    tables(ANY_TEXT),
    st.sampled_from(["none", "snappy", "zstd"]),
    st.booleans(),
    st.sampled_from([1, 3, 1000]),
)
def test_parquet_of_any_layout_gives_the_same_products(
    folder: Path, rows: list[dict[str, Any]], compression: str, dictionary: bool, group: int
) -> None:
    nested = [{**row, "maker": {"name": row["name"]}, "sizes": [{"eu": 42}, {"eu": 43}]} for row in rows]
    path = folder / "table.parquet"
    table = pa.Table.from_pylist(nested)
    pq.write_table(table, path, compression=compression, use_dictionary=dictionary, row_group_size=group)
    assert read_back(path) == products(nested)
    read = [row.values for row in read_rows(path) if isinstance(row, CatalogueRow)]
    assert [row["sizes.eu"] for row in read] == [[42, 43] for _ in rows]
