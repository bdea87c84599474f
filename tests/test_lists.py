"""Lists in one cell: the separator of a column, and the parts of a cell."""

from __future__ import annotations

import pytest

from indexer.catalogue.notation.cells import CellError, read_images, read_keywords
from indexer.catalogue.notation.lists import list_separator
from opensearch.index.fields import ColumnFormat

COMMA = ColumnFormat(separator=",")


@pytest.mark.parametrize(
    ("values", "separator"),
    [
        (["wool, warm", "warm, soft", "soft, wool"], ","),
        (["wool;warm", "warm;wool"], ";"),
        (["Shoes;Men", "Hats;Kids"], ";"),
        (["A lamp of oak; it glows at night", "A chair; it is made of beech"], None),
        (["棉，红", "红，棉"], "，"),
        (["Home > Garden, Home > Sale", "Home > Garden"], ","),
        (["Acme, Inc.", "Acme, Inc.", "Smith, Jones & Co"], None),
        (["Food, Drink & Tobacco > Tea", "Food, Drink & Tobacco > Coffee"], None),
        (["Berlin, Mitte", "Paris, Marais"], None),
        (["A lamp of oak, with a linen shade that glows at night", "A chair"], None),
        (["red", "blue"], None),
    ],
)
def test_a_sign_cuts_where_cells_share_parts(values: list[str], separator: str | None) -> None:
    assert list_separator("properties", values) == separator


def test_a_column_named_like_a_list_is_cut_though_no_part_repeats() -> None:
    assert list_separator("Tags", ["wool, warm"]) == ","
    assert list_separator("Schlagwörter", ["Wolle, warm"]) == ","


def test_keywords_are_cut_by_the_columns_separator() -> None:
    assert read_keywords("a, b,, a", COMMA) == ["a", "b"]
    assert read_keywords(r"red\, dark, blue", COMMA) == ["red, dark", "blue"]
    assert read_keywords("a, b") == "a, b"
    assert read_keywords("['a', \"b's\"]") == ["a", "b's"]
    assert read_keywords("['a' 'b']") == ["a", "b"]
    assert read_keywords([["Home", "Garden"]]) == ["Home > Garden"]
    assert read_keywords("H&amp;M") == "H&M"


@pytest.mark.parametrize(
    ("cell", "images"),
    [
        ("http://x/1.jpg, http://x/2.jpg", ["http://x/1.jpg", "http://x/2.jpg"]),
        ("http://x/1.jpg,http://x/a,b.jpg", ["http://x/1.jpg", "http://x/a,b.jpg"]),
        ("/m/1.jpg,/m/2.jpg", ["/m/1.jpg", "/m/2.jpg"]),
        ("a.jpg, b.png", ["a.jpg", "b.png"]),
        ("a.jpg|b.jpg", ["a.jpg", "b.jpg"]),
        ("red, blue.jpg", ["red, blue.jpg"]),
        ("https://e.com/a, b.jpg", ["https://e.com/a, b.jpg"]),
        ("https://e.com/a, b.jpg, https://e.com/c.jpg", ["https://e.com/a, b.jpg", "https://e.com/c.jpg"]),
        ("cdn.example/1, cdn.example/2", ["cdn.example/1", "cdn.example/2"]),
        ("cdn.example/w_3,h_4/1", ["cdn.example/w_3,h_4/1"]),
        ("[{'src': 'http://x/1'}]", ["http://x/1"]),
        ('{"src": "http://x/1"}', ["http://x/1"]),
        ("[http://x/1, http://x/2]", ["http://x/1", "http://x/2"]),
        (
            "data:image/png;base64,AA,data:image/png;base64,BB",
            ["data:image/png;base64,AA", "data:image/png;base64,BB"],
        ),
        ("<img src='http://x/1.jpg'>", ["http://x/1.jpg"]),
        ("['http://x/1', 'http://x/2']", ["http://x/1", "http://x/2"]),
        ("http://x/1 http://x/2", ["http://x/1", "http://x/2"]),
        ("data:image/png;base64,AAAA", ["data:image/png;base64,AAAA"]),
    ],
)
def test_a_cell_may_hold_several_image_addresses(cell: str, images: list[str]) -> None:
    assert read_images(cell) == images


def test_images_may_be_objects_and_one_without_an_address_is_an_error() -> None:
    assert read_images([{"id": 1, "src": "http://x/1.jpg"}, {"hi_res": None, "large": "b.jpg"}]) == [
        "http://x/1.jpg",
        "b.jpg",
    ]
    with pytest.raises(CellError, match="is not an image"):
        read_images([{"alt": "a lamp"}])
