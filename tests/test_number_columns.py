"""Number columns: decimal sign, currency and unit are decided by the whole column."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.catalogue.notation.cells import CellError, read_number, read_numbers
from indexer.catalogue.notation.number_columns import NotationHints, number_format
from opensearch.index.fields import ColumnFormat

ENGLISH = NotationHints()
GERMAN = NotationHints(language="de")


def decide(values: list[Any], name: str = "price", hints: NotationHints = ENGLISH) -> ColumnFormat | None:
    return number_format(name, values, hints)


@pytest.mark.parametrize(
    ("values", "notation", "numbers"),
    [
        (["12,50", "1.299,00", "7"], {"decimal": ","}, [12.5, 1299, 7]),
        (["1,299.00", "7.25"], {"decimal": "."}, [1299, 7.25]),
        (["1,299", "2,450"], {"decimal": "."}, [1299, 2450]),
        (["1.299", "2.450", "80"], {"decimal": ","}, [1299, 2450, 80]),
        (["12.50 EUR", "7.00 EUR"], {"decimal": ".", "currency": "EUR"}, [12.5, 7]),
        (["$12.50", "$1,200"], {"decimal": ".", "currency": "USD"}, [12.5, 1200]),
        (["1 299,00 €", "15,90\u00a0€"], {"decimal": ",", "currency": "EUR"}, [1299, 15.9]),
        (["CHF 1'299.00", "CHF 15.50"], {"decimal": ".", "currency": "CHF"}, [1299, 15.5]),
        (["₹1,24,999.00", "₹999.50"], {"decimal": ".", "currency": "INR"}, [124999, 999.5]),
        (["59,-", "1.200,50"], {"decimal": ","}, [59, 1200.5]),
        (["-3,50", "(4,25)", "+2,5"], {"decimal": ","}, [-3.5, -4.25, 2.5]),
        (["￥128.00", "￥99.50"], {"decimal": ".", "currency": "JPY"}, [128, 99.5]),
        (["$12.50 USD", "$1,200.00 USD"], {"decimal": ".", "currency": "USD"}, [12.5, 1200]),
        (["Rs. 1,299", "Rs. 999/-"], {"decimal": ".", "currency": "INR"}, [1299, 999]),
        (["1.99 € TTC", "0.50 € TTC"], {"decimal": ".", "currency": "EUR"}, [1.99, 0.5]),
        (["12,90 €/kg", "1,29 € / 100 g"], {"decimal": ",", "currency": "EUR", "unit": "kg"}, [12.9, 12.9]),
        (["US $12.50", "US $1,200"], {"decimal": ".", "currency": "USD"}, [12.5, 1200]),
        (["12€50", "9€00"], {"decimal": ",", "currency": "EUR"}, [12.5, 9]),
        (["2,980円(税込)", "1,500円〜"], {"decimal": ".", "currency": "JPY"}, [2980, 1500]),
        (["$12.50", "free", "$3.00 + VAT"], {"decimal": ".", "currency": "USD"}, [12.5, 0, 3]),
        (["¥12.50", "3元"], {"decimal": ".", "currency": "CNY"}, [12.5, 3]),
        (["4.5 out of 5 stars", "3.0 out of 5 stars"], {"decimal": "."}, [4.5, 3]),
        (["ab 19,90 €*", "25,00 €"], {"decimal": ",", "currency": "EUR"}, [19.9, 25]),
    ],
)
def test_a_column_of_money_has_one_notation(
    values: list[str], notation: dict[str, Any], numbers: list[float]
) -> None:
    chosen = decide(values)
    assert chosen == ColumnFormat(**notation)
    assert [read_number(value, chosen) for value in values] == numbers


def test_an_ambiguous_column_that_is_no_money_follows_the_other_columns_and_then_the_language() -> None:
    values = ["1.250", "2.500"]
    assert decide(values, "length") == ColumnFormat()
    assert decide(values, "length", GERMAN) == ColumnFormat(decimal=",")
    assert decide(values, "length", NotationHints(decimal=",")) == ColumnFormat(decimal=",")
    assert decide(["1,250", "2,500"], "length", GERMAN) == ColumnFormat(decimal=",")


def test_the_unit_of_a_column_is_that_of_most_cells_and_others_are_converted() -> None:
    chosen = decide(["500 ml", "250ml", "1 l", "330 ML"], "volume")
    assert chosen == ColumnFormat(decimal=".", unit="ml")
    assert [read_number(value, chosen) for value in ("500 ml", "1 l", 750)] == [500, 1000, 750]
    assert decide(["32GB", "64GB", "1TB"], "memory") == ColumnFormat(decimal=".", unit="GB")


@pytest.mark.parametrize(
    "values",
    [
        ["500 ml", "5", "6"],
        ["S", "M", "38"],
        ["10 EUR", "10 USD"],
        ["1.2.3", "1.2.4"],
        ["00123", "00124"],
        ["140 x 245 cm", "10 x 20 cm"],
        ["10-20", "30-40"],
        ["1/2", "3/4"],
    ],
)
def test_a_column_without_one_notation_is_no_number(values: list[str]) -> None:
    assert decide(values, "measure") is None


def test_a_range_of_prices_gives_both_ends() -> None:
    values = ["$10 - $20", "$15.50", "12 to 14 USD"]
    chosen = decide(values)
    assert chosen == ColumnFormat(decimal=".", currency="USD")
    assert [read_numbers(value, chosen) for value in values] == [[10, 20], 15.5, [12, 14]]
    with pytest.raises(CellError, match="from low to high"):
        read_numbers("$20 - $10", chosen)


def test_a_column_of_money_has_the_currency_of_most_cells_and_the_others_are_errors_that_name_theirs() -> (
    None
):
    chosen = decide(["10 EUR", "12 EUR", "15 USD"])
    assert chosen == ColumnFormat(decimal=".", currency="EUR")
    with pytest.raises(CellError, match="'15 USD' is in USD, and the column holds EUR"):
        read_number("15 USD", chosen)


def test_a_cell_in_another_notation_or_currency_is_an_error() -> None:
    euros = ColumnFormat(decimal=",", currency="EUR")
    for cell in ("12.50", "12,50 USD", "5 kg", "soon"):
        with pytest.raises(CellError, match=r"in the column|the column holds EUR"):
            read_number(cell, euros)
    assert read_number("$5.00", ColumnFormat(decimal=".", currency="CAD")) == 5
    with pytest.raises(CellError, match="is not a number in the column"):
        read_number("1,29 EUR / 0 kg", ColumnFormat(decimal=",", currency="EUR", unit="kg"))


@st.composite
def written_columns(draw: st.DrawFn) -> tuple[list[str], list[float]]:
    """A column of prices in one dialect, and the same numbers."""
    decimal = draw(st.sampled_from(".,"))
    group = draw(
        st.sampled_from([",", "'", " ", "\u00a0", ""] if decimal == "." else [".", " ", "\u202f", ""])
    )
    pattern = draw(st.sampled_from(["{}", "{} EUR", "€{}", "{} €", "EUR {}", "{}\u00a0€"]))
    cents = draw(st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
    whole = draw(st.booleans())  # a column that writes no decimals at all
    texts = []
    for amount in cents:
        units, rest = divmod(amount, 100)
        digits = f"{units:,}".replace(",", group)
        texts.append(pattern.format(digits if whole else f"{digits}{decimal}{rest:02d}"))
    return texts, [float(amount // 100) if whole else amount / 100 for amount in cents]


@given(written_columns())
def test_prices_in_any_dialect_are_read_back(column: tuple[list[str], list[float]]) -> None:
    texts, numbers = column
    chosen = decide(texts)
    assert chosen is not None
    assert [read_number(text, chosen) for text in texts] == numbers
