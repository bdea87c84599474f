"""Catalogue cells of every type: their values, and the errors of cells that do not fit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from indexer.catalogue.notation.cells import (
    CellError,
    read_available,
    read_date,
    read_images,
    read_keywords,
    read_language,
    read_number,
    read_text,
)


@pytest.mark.parametrize(
    "value", ["nan", "-Infinity", float("nan"), float("inf"), 10**400, "1,299", "1_0", "5 kg", []]
)
def test_a_cell_that_is_not_a_finite_number_is_an_error(value: Any) -> None:
    with pytest.raises(CellError):
        read_number(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [("5", 5), (" -1.5e3 ", -1500), (".5", 0.5), (Decimal("2.5"), 2.5), (True, 1), (0, 0)],
)
def test_numbers_are_read_from_text_and_other_types(value: Any, number: float) -> None:
    assert read_number(value) == number


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2024-02-29", "2024-02-29"),
        ("2024-02-29T12:00:00+02:00", "2024-02-29T10:00:00.000Z"),
        ("2009-12-10T00:00:00Z", "2009-12-10T00:00:00.000Z"),
        (2011, "2011-01-01"),
        ("1999", "1999-01-01"),
        (date(2020, 1, 2), "2020-01-02"),
        (datetime(2020, 1, 2, 3, tzinfo=UTC), "2020-01-02T03:00:00.000Z"),
    ],
)
def test_dates_become_iso_dates_in_utc(value: Any, iso: str) -> None:
    assert read_date(value) == iso


@pytest.mark.parametrize(
    "value", ["soon", "31.12.2020", 1.5, True, "2023-02-29", [], "0001-01-01T00:00:00+01:00"]
)
def test_a_cell_that_is_not_a_date_is_an_error(value: Any) -> None:
    with pytest.raises(CellError, match="not a"):
        read_date(value)


def test_a_cell_may_hold_a_list() -> None:
    assert read_keywords('["a", "b", "a"]') == ["a", "b"]
    assert read_keywords("a|b") == ["a", "b"]
    assert read_keywords("[new") == "[new"
    assert read_keywords(["a"]) == ["a"]
    assert read_keywords(["", None]) is None
    assert read_images('["x.jpg"]') == ["x.jpg"]
    assert read_images({"bytes": b"\xff", "path": "x.jpg"}) == [b"\xff"]
    assert read_images("data:image/png;base64,a|b") == ["data:image/png;base64,a|b"]
    with pytest.raises(CellError, match="65 images"):
        read_images([f"{n}.jpg" for n in range(65)])
    with pytest.raises(CellError):
        read_images([5])


def test_text_is_joined_and_cleaned() -> None:
    assert read_text(["a", "b"]) == "a, b"
    assert read_text("a\0b") == "a b"
    assert read_text(5) == "5"
    with pytest.raises(CellError):
        read_text({"a": 1})


@pytest.mark.parametrize(
    ("value", "available"),
    [
        ("Yes", True),
        ("out of stock", False),
        (0, False),
        ("3", True),
        ("https://schema.org/InStock", True),
        (False, False),
        ("Ja", True),
        ("ausverkauft", False),
        ("épuisé", False),
        ("En stock", True),
        ("agotado", False),
        ("有货", True),
        ("否", False),
        ("12 in stock", True),
        ("0 in stock", False),
        ("preorder", True),
        ("In stock (0)", False),
        ("10+", True),
        ("Lieferbar in 2-3 Tagen", True),
        ("sold out, back in May", False),
        ("https://schema.org/OutOfStock", False),
    ],
)
def test_availability_is_read_from_words_and_stock(value: Any, available: bool) -> None:
    assert read_available(value) is available


def test_a_language_code_loses_its_region() -> None:
    assert [read_language(value) for value in ("zh-CN", "EN", "pt_BR")] == ["zh", "en", "pt"]
