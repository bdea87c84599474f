"""Catalogue files of every kind: recognized by content, read as rows, or refused with a sentence that says what to do."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from indexer.catalogue.formats.json_files.json_text import JsonText
from indexer.catalogue.reader import (
    BadRow,
    CatalogueRow,
    Remark,
    SkippedRow,
    count_rows,
    declared_columns,
    read_rows,
)
from vitrine.errors import CatalogueError

CUPS = [{"id": "1", "title": "red cup"}, {"id": "2", "title": "blue cup, small"}]
CSV = 'id,title\n1,red cup\n2,"blue cup, small"\n'


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(path: Path, encoding: str | None = None) -> list[dict[str, Any]]:
    """The rows of a file that must have no other item than rows and remarks."""
    items = list(read_rows(path, encoding))
    assert [item for item in items if not isinstance(item, (CatalogueRow, Remark))] == []
    return [item.values for item in items if isinstance(item, CatalogueRow)]


def skipped(path: Path) -> list[tuple[int, str]]:
    return [(item.line, item.reason) for item in read_rows(path) if isinstance(item, SkippedRow)]


def bad(path: Path) -> list[BadRow]:
    return [item for item in read_rows(path) if isinstance(item, BadRow)]


# CSV


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_ends_at_every_kind_of_line_end(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "c.csv", CSV.replace("\n", end))
    assert rows(path) == CUPS
    assert [item.line for item in read_rows(path) if isinstance(item, CatalogueRow)] == [2, 3]


def test_mixed_line_ends_are_read_and_a_line_separator_is_part_of_a_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "id,title\r\n1,a\u2028b\n2,c\x0bd\x85e\r3,f\r\n")
    assert [row["title"] for row in rows(path)] == ["a\u2028b", "c\x0bd\x85e", "f"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sep.csv", "sep=;\r\nid;title\r\n1;red cup\r\n2;blue cup, small\r\n"),
        ("tabs.txt", "id\ttitle\n1\tred cup\n2\tblue cup, small\n"),
        ("pipes.csv", "id|title\n1|red cup\n2|blue cup, small\n"),
        ("carets.dat", "id^title\n1^red cup\n2^blue cup, small\n"),
        ("spaces.csv", 'id, title\n1, red cup\n2, "blue cup, small"\n'),
        ("single.csv", "'id','title'\n'1','red cup'\n'2','blue cup, small'\n"),
        ("commas.tsv", CSV),
        ("tabs_with_commas.csv", "id\ttitle\n1\tred cup\n2\tblue cup, small\n"),
        ("json_name.jsonl", CSV),
        ("no_suffix", CSV),
    ],
)
def test_the_delimiter_and_the_quotes_are_those_of_the_content(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path / name, text)
    assert rows(path) == CUPS
    assert declared_columns(path) == ("id", "title")


def test_lines_before_the_header_are_counted_and_no_product(tmp_path: Path) -> None:
    text = f"# exported 2026-01-01, by the shop\n\nAll products\n{CSV}"
    path = write(tmp_path / "c.csv", text)
    assert skipped(path) == [(1, "a line before the header"), (3, "a line before the header")]
    assert [item.values for item in read_rows(path) if isinstance(item, CatalogueRow)] == CUPS
    assert rows(write(tmp_path / "marked.csv", f"#{CSV}")) == CUPS


def test_a_header_in_the_middle_is_skipped(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.csv", CSV + "\ufeff" + CSV
    )  # two files with byte order marks, one after the other
    assert skipped(path) == [(4, "the header once more")]


def test_columns_of_one_name_become_a_list_and_a_column_without_a_name_is_called_by_its_position(
    tmp_path: Path,
) -> None:
    text = "id,title,picture,picture,picture,,title\n1,cup,a.jpg,b.jpg,a.jpg,extra,other\n2,pot,c.jpg,,,,\n"
    assert rows(write(tmp_path / "c.csv", text)) == [
        {"id": "1", "title": "cup", "picture": ["a.jpg", "b.jpg"], "column 6": "extra"},
        {"id": "2", "title": "pot", "picture": "c.jpg"},
    ]


def test_missing_cells_are_empty_and_further_cells_must_be(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "id,title,price\n1,cup\n2,pot,3,,\n3,jug,4,5\n")
    assert [item.values for item in read_rows(path) if isinstance(item, CatalogueRow)] == [
        {"id": "1", "title": "cup"},
        {"id": "2", "title": "pot", "price": "3"},
    ]
    (remark,) = [item.text for item in read_rows(path) if isinstance(item, Remark)]
    assert "fewer cells than the header" in remark
    assert "1 (the first in line 2)" in remark
    (row,) = bad(path)
    assert (row.line, row.reason) == (4, "the row has 4 cells and the header 3 columns")


@pytest.mark.parametrize(
    ("cells", "title"),
    [
        (r'1,"a \"big\" cup",5', 'a "big" cup'),
        (r'1,"an inch \"",5', 'an inch "'),
        (r'1,"one\ntwo \"x\"",5', 'one\ntwo "x"'),
        ('1,"24" pan",5', '24 pan"'),
        ('1,"say ""hi"", you",5', 'say "hi", you'),
        ('1,="00123",5', "00123"),
        ('1,"=""00123""",5', "00123"),
    ],
)
def test_escapes_of_other_programs_are_read_as_a_spreadsheet_does(
    tmp_path: Path, cells: str, title: str
) -> None:
    path = write(tmp_path / "c.csv", f"id,title,price\n{cells}\n2,plain,6\n")
    assert [row["title"] for row in rows(path)] == [title, "plain"]


@pytest.mark.parametrize("header", ["1,2,3", "7,https://e.com/1.jpg,cup", "1,cup,19.99"])
def test_a_header_that_looks_like_a_product_is_told(tmp_path: Path, header: str) -> None:
    (remark,) = (
        item
        for item in read_rows(write(tmp_path / "c.csv", f"{header}\n2,a,5\n"))
        if isinstance(item, Remark)
    )
    assert "if the file has no header, write a line of column names above it" in remark.text


def test_dots_that_no_field_can_have_leave_the_names_of_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", '"Art.-Nr.","Tags (x,y,z...)"\n1,"a,b"\n')
    assert rows(path) == [{"Art.-Nr": "1", "Tags (x,y,z…)": "a,b"}]


def test_a_whole_file_with_backslash_escapes_keeps_backslashes_before_other_letters(tmp_path: Path) -> None:
    lines = [r'"1","the \"red\" cup, C:\\cups","\N"', r'"2","two \"blue\" cups, 5\x3","7"']
    path = write(tmp_path / "c.csv", '"id","title","price"\n' + "\n".join(lines))
    assert rows(path) == [
        {"id": "1", "title": r'the "red" cup, C:\cups', "price": r"\N"},
        {"id": "2", "title": r'two "blue" cups, 5\x3', "price": "7"},
    ]


def test_quotes_are_plain_text_in_a_file_with_tabs_that_does_not_use_them(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", 'id\ttitle\tprice\n1\t"Best" mug\t5\n2\t"never closed\t6\n3\tcup\t7\n')
    assert [row["title"] for row in rows(path)] == ['"Best" mug', '"never closed', "cup"]


@pytest.mark.parametrize(("end", "inner"), [("\r\n", "\n"), ("\r", "\n"), ("\n", "\r")])
def test_line_ends_of_another_kind_than_the_headers_may_stand_in_cells_without_quotes(
    tmp_path: Path, end: str, inner: str
) -> None:
    lines = ["id,title,price", f"1,two{inner}lines,5", "2,cup,6", f'3,"and ""these""{inner}two",7']
    path = write(tmp_path / "c.csv", end.join([*lines, ""]))
    assert [row["title"] for row in rows(path)] == [f"two{inner}lines", "cup", f'and "these"{inner}two']


# encodings


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_without_a_byte_order_mark(tmp_path: Path, codec: str) -> None:
    assert rows(write(tmp_path / "c.csv", (CSV * 1).encode(codec))) == CUPS


GERMAN = "Größe L für das Büro, 12,50 €"
POLISH = "Żółta łódź i krzesło ogrodowe, książka dla dzieci"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (GERMAN, "cp1252"),
        (GERMAN, "iso8859_15"),
        (GERMAN, "mac_roman"),
        ("Müller", "cp850"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859_2"),
        ("Kırmızı sandalye ve güneş gözlüğü", "cp1254"),
        ("Красная куртка для мужчин", "cp1251"),
        ("Красная куртка для мужчин", "koi8_r"),
        ("红色羊毛衫", "gb18030"),
        ("赤いセーター", "cp932"),
        ("赤いセーター", "euc_jp"),
        ("빨간 스웨터", "cp949"),
    ],
)
def test_the_encoding_of_a_file_that_is_not_utf_8_is_taken_from_its_letters_and_told(
    tmp_path: Path, text: str, codec: str
) -> None:
    path = write(
        tmp_path / "c.json", json.dumps([{"id": 1, "title": text}], ensure_ascii=False).encode(codec)
    )
    remark, row = read_rows(path)
    assert row == CatalogueRow(1, {"id": 1, "title": text})
    assert isinstance(remark, Remark)
    assert f"is read as {codec}, by its letters" in remark.text


def test_a_stray_byte_in_utf_8_costs_its_row_only(tmp_path: Path) -> None:
    text = "".join(f"{n},Größe für Mädchen\n" for n in range(20))
    path = write(tmp_path / "c.csv", f"id,title\n{text}".encode() + b"20,T\xfcr\n21,cup\n")
    (row,) = bad(path)
    assert row.line == 22
    assert "byte 0xfc at offset" in row.reason
    assert len([item for item in read_rows(path) if isinstance(item, CatalogueRow)]) == 21


# packed files


def zipped(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
    ],
)
@pytest.mark.parametrize("name", ["c.csv", "c.csv.packed", "c.csv.gz"])
def test_a_packed_file_is_recognized_by_content(
    tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    path = write(tmp_path / name, pack(CSV.encode()))
    assert rows(path) == CUPS
    assert count_rows(path) == 3


@pytest.mark.parametrize("name", ["c.zip", "c.csv"])
def test_a_zip_with_one_file_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / name, {"products.csv": CSV, "__MACOSX/._products.csv": "x", ".DS_Store": "x"})
    assert rows(path) == CUPS


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an old Excel workbook .* save it as CSV"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF; export"),
        (b"<!DOCTYPE html>\n<html><body>502</body></html>", "a page of HTML"),
        (b"-- MySQL dump 10.13\nINSERT INTO p VALUES (1);\n", "a dump of a database in SQL"),
        (bytes(range(256)) * 20, "not a text file"),
        (b"PK\x05\x06" + b"\0" * 18, "no file in it"),
        (b"PK\x03\x04broken", "damaged"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_its_content(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = write(tmp_path / "c.csv", data)
    with pytest.raises(CatalogueError, match=sentence):
        rows(path)


def test_a_zip_of_several_files_is_refused_with_their_names(tmp_path: Path) -> None:
    path = zipped(tmp_path / "c.zip", {"products.csv": CSV, "prices.csv": CSV})
    with pytest.raises(CatalogueError, match=r"2 files \(products.csv, prices.csv\); unpack it"):
        rows(path)


# JSON


@pytest.mark.parametrize("name", ["c.json", "c.jsonl", "c.csv"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CUPS),
        json.dumps(CUPS, indent=2),
        "\n".join(json.dumps(cup) for cup in CUPS),
        ",\n".join(json.dumps(cup) for cup in CUPS),
        "\r".join(json.dumps(cup) for cup in CUPS),
        "\n".join(json.dumps(cup, indent=2) for cup in CUPS),
        json.dumps({"products": CUPS}),
        json.dumps({"data": {"items": CUPS}, "page": 1}, indent=1),
        "\n".join(json.dumps({"products": [cup]}) for cup in CUPS),
        json.dumps({"took": 1, "hits": {"total": 2, "hits": [{"_id": c["id"], "_source": c} for c in CUPS]}}),
        json.dumps({"data": {"products": {"edges": [{"node": cup, "cursor": "x"} for cup in CUPS]}}}),
        "\n".join(json.dumps({"_index": "x", "_id": cup["id"], "_source": cup}) for cup in CUPS),
        "\n".join(f'{{"index": {{"_index": "x", "_id": "{cup["id"]}"}}}}\n{json.dumps(cup)}' for cup in CUPS),
        "\n".join(json.dumps({"product": cup}) for cup in CUPS),
        json.dumps({cup["id"]: {"title": cup["title"]} for cup in CUPS}),
        "\n".join(repr(cup) for cup in CUPS),
    ],
    ids=[
        "array", "pretty array", "lines", "lines with commas", "lines with CR", "pretty objects", "object around",
        "two objects around", "pages", "search answer", "graphql", "elasticdump", "bulk", "wrapped lines", "by id",
        "python",
    ],
)  # fmt: skip
def test_json_of_every_layout_gives_the_same_rows(tmp_path: Path, text: str, name: str) -> None:
    assert rows(write(tmp_path / name, text)) == CUPS


def test_the_document_id_of_a_dump_is_a_column_where_the_source_has_none(tmp_path: Path) -> None:
    lines = ['{"create": {"_id": "7"}}', '{"title": "cup"}', '{"delete": {"_id": "8"}}',
             '{"update": {"_id": "9"}}', '{"doc": {"title": "pot"}}']  # fmt: skip
    path = write(tmp_path / "c.jsonl", "\n".join(lines))
    items = list(read_rows(path))
    assert items == [
        CatalogueRow(2, {"title": "cup", "_id": "7"}),
        SkippedRow(3, "a delete action of a bulk dump"),
        CatalogueRow(5, {"title": "pot", "_id": "9"}),
    ]


def test_a_broken_object_in_an_array_costs_itself_only(tmp_path: Path) -> None:
    text = '[\n{"id": "1", "price": NaN},\n{"id": "2" "title": "a ] } in text"},\n"cup",\n{"id": "3"}\n]'
    items = list(read_rows(write(tmp_path / "c.json", text)))
    assert [item.values["id"] for item in items if isinstance(item, CatalogueRow)] == ["1", "3"]
    assert [item.line for item in items if isinstance(item, BadRow)] == [3, 4]


def test_an_array_that_is_cut_off_gives_the_rows_before(tmp_path: Path) -> None:
    whole = json.dumps([{"id": str(n), "title": "cup"} for n in range(50_000)])
    items = list(read_rows(write(tmp_path / "c.json", whole[: len(whole) // 2])))
    assert sum(isinstance(item, CatalogueRow) for item in items) > 20_000
    assert isinstance(items[-1], BadRow)


def test_lists_that_are_not_read_are_named(tmp_path: Path) -> None:
    text = json.dumps({"shop": "x", "products": CUPS, "collections": [{"id": 1}]})
    (remark,) = [item for item in read_rows(write(tmp_path / "c.json", text)) if isinstance(item, Remark)]
    assert remark.text == "the products are those of 'products'; left out: collections"


def test_a_product_with_lists_of_its_own_is_one_row(tmp_path: Path) -> None:
    text = json.dumps({"sku": "1", "items": [{"name": "part"}], "variants": [{"size": "S"}, {"size": "M"}]})
    assert rows(write(tmp_path / "c.json", text)) == [
        {"sku": "1", "items.name": ["part"], "variants.size": ["S", "M"]}
    ]


def test_no_total_is_counted_where_it_would_cost_a_parse(tmp_path: Path) -> None:
    assert count_rows(write(tmp_path / "a.json", json.dumps(CUPS))) is None
    assert count_rows(write(tmp_path / "l.json", "\n".join(json.dumps(cup) for cup in CUPS) + "\n")) == 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=5), st.integers(1, 7), st.sampled_from([None, 1]))
def test_json_values_are_read_whatever_the_blocks_of_the_text_are(
    values: list[Any], block: int, indent: int | None
) -> None:
    text = "\n".join(json.dumps(value, indent=indent) for value in values)
    blocks = iter([*(text[start : start + block] for start in range(0, len(text), block)), ""])
    reader = JsonText(lambda: next(blocks, ""))
    read = []
    while reader.peek():
        value = reader.value()
        assert value.problem is None
        read.append(value.value)
    assert read == values


# XML

RSS = """
<?xml version="1.0" encoding="{encoding}"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Shop</title>
<item><title>Cup &amp; saucer</title><g:title>Cup &amp; saucer</g:title><g:id>1</g:id><description>Café cup</description>
  <g:additional_image_link>http://x/a.jpg</g:additional_image_link>
  <g:additional_image_link>http://x/b.jpg</g:additional_image_link>
  <g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping></item>
<item><g:id>2</g:id><title>Pot</title><description><![CDATA[<b>Steel</b> pot]]></description></item>
</channel></rss>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "gb18030"])
def test_google_merchants_rss_is_read_in_the_encoding_that_it_declares(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "feed.xml", RSS.format(encoding=encoding).encode(encoding))
    cup, pot = rows(path)
    assert cup == {
        "title": "Cup & saucer",
        "id": "1",
        "description": "Café cup",
        "additional_image_link": ["http://x/a.jpg", "http://x/b.jpg"],
        "shipping.country": "DE",
        "shipping.price": "4.90 EUR",
    }
    assert pot == {"id": "2", "title": "Pot", "description": "<b>Steel</b> pot"}
    assert count_rows(path) is None


def test_repeated_elements_of_any_xml_are_rows_with_attributes_and_named_parameters(tmp_path: Path) -> None:
    text = """<!DOCTYPE yml_catalog SYSTEM "shops.dtd"><yml_catalog date="2026-01-01"><shop><name>Shop</name>
    <categories><category id="1">Cups</category><category id="2">Pots</category></categories>
    <offers><offer id="7" available="true"><price currency="EUR">5</price><param name="Colour">Red</param>
    <picture>http://x/a.jpg</picture><picture>http://x/b.jpg</picture><text>A <b>red</b> cup</text></offer>
    <offer id="8" available="false"><price currency="EUR">6</price><image src="http://x/c.jpg"/></offer>
    </offers></shop></yml_catalog>"""
    assert rows(write(tmp_path / "c.xml", text)) == [
        {
            "id": "7", "available": "true", "price": "5", "price.currency": "EUR", "Colour": "Red",
            "picture": ["http://x/a.jpg", "http://x/b.jpg"], "text": "A red cup",
        },
        {"id": "8", "available": "false", "price": "6", "price.currency": "EUR", "image": "http://x/c.jpg"},
    ]  # fmt: skip


def test_an_atom_feed_is_read_by_its_entries(tmp_path: Path) -> None:
    text = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
    <link rel="self" href="http://x/feed"/><entry><g:id>1</g:id><title>cup</title><link href="http://x/1"/></entry>
    </feed>"""
    assert rows(write(tmp_path / "c.atom", text)) == [{"id": "1", "title": "cup", "link": "http://x/1"}]


def test_xml_with_entities_of_its_own_is_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbb"><!ENTITY c "&b;&b;">]><rows><row><id>&c;</id></row></rows>'
    outside = '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><rows><row><id>&f;</id></row></rows>'
    for text in (bomb, outside):
        with pytest.raises(CatalogueError, match="declares entities"):
            rows(write(tmp_path / "c.xml", text))


def test_the_rows_before_a_fault_of_xml_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "c.xml", "<r><row><id>1</id></row><row><id>2</id></row><row><id>3</row></r>")
    items = list(read_rows(path))
    assert [item.values["id"] for item in items if isinstance(item, CatalogueRow)] == ["1", "2"]
    (fault,) = [item for item in items if isinstance(item, BadRow)]
    assert "the XML is broken here" in fault.reason


# workbooks


def test_the_first_sheet_with_rows_of_a_workbook_is_read(tmp_path: Path) -> None:
    book = Workbook()
    book.create_sheet("Notes")
    sheet = book.create_sheet("Products")
    moment = datetime(2026, 1, 31, 9, 30)
    for cells in (["All products"], ["id", "title", "price", "added", "tag", "tag"],
                  [7, "cup", 5.5, moment, "a", "b"], [], ["id", "title", "price", "added", "tag", "tag"],
                  [8, "pot", 6.0, None, None, None]):  # fmt: skip
        sheet.append(cells)
    book.create_sheet("Old").append(["x", "y"])
    path = tmp_path / "book.csv"  # the content counts, not the name
    book.save(path)
    assert list(read_rows(path)) == [
        Remark("the products are those of the sheet 'Products'; left out: Sheet, Notes, Old"),
        SkippedRow(1, "a line before the header"),
        CatalogueRow(3, {"id": 7, "title": "cup", "price": 5.5, "added": moment, "tag": ["a", "b"]}),
        SkippedRow(5, "the header once more"),
        CatalogueRow(6, {"id": 8, "title": "pot", "price": 6}),
    ]
    assert declared_columns(path) == ("id", "title", "price", "added", "tag")


def test_a_formula_whose_value_a_workbook_does_not_hold_is_told(tmp_path: Path) -> None:
    book = Workbook()
    for cells in (["id", "title", "price"], [1, "cup", "=2*3"], [2, "pot", 5]):
        book.active.append(cells)
    book.save(tmp_path / "c.xlsx")
    remark, first, second = read_rows(tmp_path / "c.xlsx")
    assert isinstance(remark, Remark)
    assert "whose value the workbook does not hold, read as empty: 1;" in remark.text
    assert first == CatalogueRow(2, {"id": 1, "title": "cup"})
    assert second == CatalogueRow(3, {"id": 2, "title": "pot", "price": 5})


def test_a_workbook_that_is_damaged_or_empty_is_refused(tmp_path: Path) -> None:
    shell = zipped(
        tmp_path / "shell.xlsx", {"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"}
    )
    with pytest.raises(CatalogueError, match=r"not a complete workbook .* save it as CSV"):
        rows(shell)
    Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(CatalogueError, match="no filled sheet"):
        rows(tmp_path / "empty.xlsx")


def test_a_sheet_that_is_damaged_after_its_beginning_costs_the_rows_from_there_on(tmp_path: Path) -> None:
    book = Workbook()
    for number in range(100):
        book.active.append(["id", "title"] if number == 0 else [number, "cup"])
    book.save(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    path = zipped(tmp_path / "cut.xlsx", {**files, sheet: files[sheet].partition(b'<row r="51"')[0]})
    *read, last = read_rows(path)
    assert [row.line for row in read if isinstance(row, CatalogueRow)] == list(range(2, 51))
    assert isinstance(last, BadRow)
    assert last.line == 51
    assert last.reason.startswith("the sheet is damaged here")


def test_parquet_is_read_from_a_zip_and_a_column_of_the_same_name_twice_is_a_list(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = pa.Table.from_arrays(
        [pa.array(["1"]), pa.array(["a"]), pa.array(["b"])], names=["id", "tag", "tag"]
    )
    pq.write_table(table, tmp_path / "c.parquet")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(tmp_path / "c.parquet", "c.parquet")
    for name in ("c.parquet", "c.zip"):
        assert rows(tmp_path / name) == [{"id": "1", "tag": ["a", "b"]}]
