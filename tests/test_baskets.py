"""The benchmark of next purchases on drawn households, and bad input in a sentence."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from scripts.bench.real_shoppers.baskets import main

HOUSEHOLDS, PRODUCTS = 60, 90
HEADER = ["household_id", "store_id", "product_id", "transaction_timestamp"]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Households that buy in one of three departments, each with 30 products that are equally popular."""
    rng = np.random.default_rng(3)
    transactions, products = tmp_path / "transactions.csv", tmp_path / "products.csv"
    with products.open("w", newline="") as file:
        write = csv.writer(file).writerow
        write(["product_id", "department", "product_category", "product_type", "manufacturer_id"])
        for n in range(PRODUCTS):
            write([f"p{n}", f"d{n % 3}", f"c{n % 3}", "", "1"])
    with transactions.open("w", newline="") as file:
        write = csv.writer(file).writerow
        write(HEADER)
        for n in range(2400):
            household = int(rng.integers(HOUSEHOLDS))
            product = household % 3 + 3 * int(rng.integers(PRODUCTS // 3))
            at = datetime(2017, 1, 1) + timedelta(hours=n)
            write([household, household % 2, f"p{product}", at.isoformat(sep=" ")])
    return transactions, products


def run(files: tuple[Path, Path], *options: str) -> Result:
    return CliRunner().invoke(main, [*map(str, files), *options])


def test_methods_that_see_the_household_find_its_department(files: tuple[Path, Path]) -> None:
    result = run(files, "--test-from", "1801", "--neighbours", "user-hybrid", "--neighbours", "item-cosine")
    assert result.exit_code == 0, result.output
    lines = {line[:32].strip(): line[32:].split() for line in result.output.splitlines()[1:]}
    assert list(lines) == [
        "popularity",
        "own purchases, then popularity",
        "user-hybrid",
        "item-cosine",
        "blend",
    ]
    recall = {name: float(values[0]) for name, values in lines.items()}
    assert recall["popularity"] < 0.35  # 20 of 90
    assert recall["user-hybrid"] > 0.5  # 20 of 30
    assert recall["item-cosine"] > 0.5
    assert recall["blend"] > 0.5
    assert "look for a leak" in result.output


def test_what_comes_after_the_row_changes_no_score(files: tuple[Path, Path]) -> None:
    """The recall of a household's next purchases depends on later rows through the answer alone."""
    rows = files[0].read_text().splitlines()
    first = run(files, "--test-from", "1801", "--neighbours", "als").output
    files[0].write_text("\n".join([*rows[:1801], *(line for line in rows[1801:] for _ in range(2))]) + "\n")
    assert (
        first.splitlines()[1:]
        == run(files, "--test-from", "1801", "--neighbours", "als").output.splitlines()[1:]
    )


def test_bad_input_is_refused_in_a_sentence(files: tuple[Path, Path]) -> None:
    assert "--test-from 2401 is after the last of the 2,400 rows" in run(files, "--test-from", "2401").output
    transactions, products = files
    rows = transactions.read_text().splitlines()
    wrong = {
        "\n".join(
            [rows[0], rows[2], rows[1]]
        ): "line 3: transaction_timestamp is before that of the line above",
        "\n".join([rows[0], "1,1,p1,yesterday"]): "transaction_timestamp is no ISO date and time",
        rows[0]: "has no rows",
        "household_id,product_id\n1,p1": "has no column store_id, transaction_timestamp; it has household_id",
    }
    for text, message in wrong.items():
        transactions.write_text(text + "\n")
        result = run(files, "--test-from", "2")
        assert result.exit_code == 1
        assert message in result.output
    transactions.write_text("\n".join(rows) + "\n")
    products.write_text(products.read_text() + "p1,d,c,t,1\n")
    assert "has a product_id twice" in run(files, "--test-from", "1801").output
