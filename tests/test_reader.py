"""Catalogue files: every format and encoding is read, and a broken row is reported and costs nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.catalogue.plan import check_columns, plan_from_rows
from indexer.catalogue.reader import (
    READERS,
    BadRow,
    CatalogueItem,
    CatalogueRow,
    CatalogueRows,
    Reader,
    count_rows,
    declared_columns,
    read_rows,
)
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError

PRODUCTS = [{"id": "1", "title": "red shoe"}, {"id": "2", "title": "红色连衣裙"}]


def lines(path: Path, *texts: str | bytes) -> Path:
    path.write_bytes(b"\n".join(t.encode() if isinstance(t, str) else t for t in texts))
    return path


def read(path: Path, encoding: str | None = None) -> list[CatalogueItem]:
    return list(read_rows(path, encoding))


def bad(rows: list[CatalogueItem]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


def good(rows: list[CatalogueItem]) -> list[dict[str, Any]]:
    return [row.values for row in rows if isinstance(row, CatalogueRow)]


@pytest.mark.parametrize("packed", [False, True])
def test_jsonl_gives_rows_with_their_line_numbers(tmp_path: Path, packed: bool) -> None:
    text = "\n".join(json.dumps(product) for product in PRODUCTS).replace("\n", "\n\n").encode()
    path = tmp_path / ("c.jsonl.gz" if packed else "c.jsonl")
    path.write_bytes(gzip.compress(text) if packed else text)
    assert read(path) == [CatalogueRow(1, PRODUCTS[0]), CatalogueRow(3, PRODUCTS[1])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_encoding_with_a_byte_order_mark_is_recognized(tmp_path: Path, encoding: str, kind: str) -> None:
    text = "".join(json.dumps(product, ensure_ascii=False) + "\n" for product in PRODUCTS)
    if kind == "csv":
        text = "id,title\n1,red shoe\n2,红色连衣裙\n"
    path = tmp_path / f"c.{kind}"
    path.write_bytes(text.encode(encoding))
    assert good(read(path)) == PRODUCTS


def test_a_byte_of_another_encoding_is_an_error_with_its_place(tmp_path: Path) -> None:
    broken = '{"id": "2", "title": "café"}'.encode("latin-1")
    path = lines(tmp_path / "c.jsonl", '{"id": "1"}', broken, '{"title": "ééééééééééé"}')
    ((line, reason),) = bad(read(path))
    assert line == 2
    assert "byte 0xe9 at offset 37 " in reason  # 12 bytes of line 1, then 25 before the é
    assert "--encoding" in reason
    assert good(read(path, "latin-1"))[1]["title"] == "café"
    with pytest.raises(CatalogueError, match="klingon"):
        read(path, "klingon")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "1"', "not JSON"),
        ('["1", "shoe"]', "a list"),
        ("null", "null"),
        ('{"id": "\\ud800"}', "not JSON"),
        ("[" * 200_000, "not JSON"),
        ("id;title", "not JSON"),
    ],
)
def test_a_broken_line_costs_itself_only(tmp_path: Path, line: str, reason: str) -> None:
    rows = read(lines(tmp_path / "c.jsonl", '{"id": "1"}', line, '{"id": "3"}'))
    assert good(rows) == [{"id": "1"}, {"id": "3"}]
    assert [number for number, _ in bad(rows)] == [2]
    assert reason in bad(rows)[0][1]


def test_nan_is_read_and_left_to_the_cell_parsers(tmp_path: Path) -> None:
    (row,) = read(lines(tmp_path / "c.jsonl", '{"id": "1", "price": NaN, "stock": -Infinity}'))
    assert isinstance(row, CatalogueRow)
    assert row.values["price"] != row.values["price"]


def test_a_csv_cell_may_contain_quotes_line_ends_and_a_megabyte(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    path = lines(tmp_path / "c.csv", "id,title", '1,"a ""big"" one', 'in two lines"', f"2,{long}", "", "3,")
    assert read(path) == [
        CatalogueRow(2, {"id": "1", "title": 'a "big" one\nin two lines'}),
        CatalogueRow(4, {"id": "2", "title": long}),
        CatalogueRow(6, {"id": "3"}),
    ]


def test_csv_rows_of_another_length_and_stray_quotes_are_rejected_alone(tmp_path: Path) -> None:
    path = lines(tmp_path / "c.csv", "id,title", "1,a,b", '2,"never closed', "3,c", "4", "5,e")
    rows = read(path)
    assert good(rows) == [{"id": "3", "title": "c"}, {"id": "4"}, {"id": "5", "title": "e"}]
    assert [line for line, _ in bad(rows)] == [2, 3]
    assert "3 cells and the header 2 columns" in bad(rows)[0][1]


@pytest.mark.parametrize(
    ("name", "delimiter"), [("c.csv", ";"), ("c.csv", "\t"), ("c.csv", "|"), ("c.tsv", "\t")]
)
def test_the_delimiter_is_read_from_the_header(tmp_path: Path, name: str, delimiter: str) -> None:
    path = lines(tmp_path / name, f"id{delimiter}title", f"1{delimiter}red, green")
    assert good(read(path)) == [{"id": "1", "title": "red, green"}]
    assert declared_columns(path) == ("id", "title")


def test_the_rows_before_the_end_of_a_truncated_gzip_are_read(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"id": "%d", "t": "%x"}\n' % (n, n * 7919**9) for n in range(5000)))
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    rows = read(path)
    assert len(good(rows)) > 1000
    assert "cut off" in bad(rows)[-1][1]
    assert len(bad(rows)) <= 2


def test_parquet_gives_rows_with_types_and_no_nulls(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "c.parquet"
    table = pa.table({"id": [1, 2], "price": [1.5, None], "tags": [["a"], []], "photo": [b"\xff\xd8", None]})
    pq.write_table(table, path)
    first = {"id": 1, "price": 1.5, "tags": ["a"], "photo": b"\xff\xd8"}
    assert read(path) == [CatalogueRow(1, first), CatalogueRow(2, {"id": 2, "tags": []})]
    assert count_rows(path) == 2
    assert declared_columns(path) == ("id", "price", "tags", "photo")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CatalogueError, match="not a complete Parquet file"):
        read(path)


def test_a_file_that_is_not_a_catalogue_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "c.xlsx").write_bytes(b"PK")
    lines(tmp_path / "blank.csv", "", "  ")
    (tmp_path / "c.csv.gz").write_bytes(b"\x1f\x8b\x08broken")
    messages = {}
    for name in ("none.jsonl", "empty.jsonl", "c.xlsx", "blank.csv", "c.csv.gz", "."):
        with pytest.raises(CatalogueError) as caught:
            read(tmp_path / name)
        messages[name] = str(caught.value)
    assert "there is no file" in messages["none.jsonl"]
    assert "is empty" in messages["empty.jsonl"]
    assert "not a complete workbook" in messages["c.xlsx"]
    for suffix in READERS:
        assert suffix in messages["none.jsonl"]
    assert "only blank lines" in messages["blank.csv"]
    assert "cannot be unpacked" in messages["c.csv.gz"]
    assert "is a folder" in messages["."]


def toy_rows(path: Path, encoding: str | None) -> CatalogueRows:
    """Yield one product per blank-separated word, as a format that the project does not have."""
    for line, word in enumerate(path.read_text(encoding or "utf-8").split(), start=1):
        yield CatalogueRow(line, {"id": word, "title": f"the {word}"}) if word != "?" else BadRow(line, "?")


def test_a_new_format_is_one_entry_in_the_table_of_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.toy"
    path.write_text("tea ? cup")
    with pytest.raises(CatalogueError, match="known catalogue format"):
        read(path)
    monkeypatch.setitem(READERS, ".toy", Reader(toy_rows))
    rows = read(path)
    assert good(rows) == [{"id": "tea", "title": "the tea"}, {"id": "cup", "title": "the cup"}]
    assert bad(rows) == [(2, "?")]
    assert declared_columns(path) is None
    assert plan_from_rows(rows, path.name).title == "title"
    check_columns(FieldPlan(), path)
    (tmp_path / "c.other").write_text("tea")
    with pytest.raises(CatalogueError, match=r"\.toy"):
        read(tmp_path / "c.other")


def test_rows_are_counted_for_the_progress_bar(tmp_path: Path) -> None:
    path = lines(tmp_path / "c.jsonl", '{"id": "1"}', '{"id": "2"}', "")
    assert count_rows(path) == 2
    packed = tmp_path / "c.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert count_rows(packed) == 2
    packed.write_bytes(packed.read_bytes()[:-4])
    assert count_rows(packed) is None


_CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1).filter(
    lambda text: text.strip() == text
)


@given(st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=5))
def test_csv_written_by_the_standard_library_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "c.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "title"), *pairs])
    assert good(read(path)) == [{"id": first, "title": second} for first, second in pairs]
