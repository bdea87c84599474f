"""Plans inferred from catalogues in several languages, with null words, dots in names, lists and measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexer.catalogue.inference.column_formats import complete_plan
from indexer.catalogue.inference.infer import infer_plan
from indexer.catalogue.inference.remarks import plan_remarks
from indexer.catalogue.notation.languages import DetectedLanguage, catalogue_language
from indexer.catalogue.plan import load_plan
from indexer.catalogue.product import read_product
from indexer.catalogue.unused_columns import UnusedColumns
from opensearch.index.fields import ColumnFormat, FieldPlan, IndexSchema
from opensearch.index.schema import mappings

ROLES = ("id", "title", "text", "price", "category", "available", "created")
SHOPS: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
    "de": (
        ("Artikelnummer", "Bezeichnung", "Beschreibung", "Preis", "Kategorie", "Lieferbar", "Erscheinungsdatum"),
        [
            ("T-01", "Teekanne aus Glas", "Eine Kanne für den Tee am Nachmittag", "24,90", "Küche", "ja", "24.12.2024"),
            ("T-02", "Holzlöffel", "Der Löffel ist aus Buche und liegt gut", "1.024,00", "Küche", "nein", "02.01.2025"),
        ],
    ),
    "fr": (
        ("Référence", "Titre", "Description", "Prix", "Catégorie", "Disponible", "Date de création"),
        [
            ("T-01", "Théière en verre", "Une théière pour le thé du soir", "24,90 €", "Cuisine", "oui", "24/12/2024"),
            ("T-02", "Cuillère en bois", "La cuillère est en hêtre", "1 024,00 €", "Cuisine", "non", "02/01/2025"),
        ],
    ),
    "es": (
        ("Referencia", "Nombre", "Descripción", "Precio", "Categoría", "Disponible", "Fecha de alta"),
        [
            ("T-01", "Tetera de vidrio", "Una tetera para el té de la tarde", "24,90", "Cocina", "sí", "24/12/2024"),
            ("T-02", "Cuchara de madera", "La cuchara es de haya y dura mucho", "1.024,00", "Cocina", "no", "02/01/2025"),
        ],
    ),
    "da": (
        ("Varenummer", "Navn", "Beskrivelse", "Pris", "Kategori", "På lager", "Oprettet"),
        [
            ("T-01", "Tekande af glas", "En kande til te om eftermiddagen", "24,90 kr.", "Køkken", "ja", "24.12.2024"),
            ("T-02", "Træske", "Skeen er lavet af bøg og ligger godt", "1.024,00 kr.", "Køkken", "nej", "02.01.2025"),
        ],
    ),
    "zh": (
        ("商品编号", "标题", "描述", "价格", "分类", "是否有货", "上架时间"),
        [
            ("T-01", "玻璃茶壶", "适合下午茶的茶壶", "¥24.90", "厨房", "是", "2024年12月24日"),
            ("T-02", "木勺子", "这把勺子是榉木做的", "¥1,024.00", "厨房", "否", "2025年1月2日"),
        ],
    ),
    "en": (
        ("SKU", "Name", "Description", "Price", "Category", "In stock", "Release date"),
        [
            ("T-01", "Glass teapot", "A teapot for the tea in the afternoon", "$24.90", "Kitchen", "yes", "12/24/2024"),
            ("T-02", "Wooden spoon", "The spoon is made of beech", "$1,024.00", "Kitchen", "no", "01/02/2025"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", SHOPS)
def test_roles_and_language_are_found_in_the_shops_own_language(language: str) -> None:
    names, cells = SHOPS[language]
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    plan = infer_plan(rows)
    column = dict(zip(ROLES, names, strict=True))
    assert (plan.id, plan.title, plan.text) == (column["id"], column["title"], (column["text"],))
    assert plan.numbers == (column["price"],)
    assert column["category"] in plan.keywords
    assert (plan.available, plan.created, plan.language) == (column["available"], column["created"], language)
    products = [read_product(row, plan) for row in rows]
    assert [dropped for _, dropped in products] == [[], []]
    assert [p.numbers[column["price"]] for p, _ in products] == [24.9, 1024]
    assert [p.available for p, _ in products] == [True, False]
    assert [p.created for p, _ in products] == ["2024-12-24", "2025-01-02"]


def test_short_names_that_are_no_sentence_make_an_english_catalogue() -> None:
    assert catalogue_language(["p1", "p2"]) == DetectedLanguage("en", sure=False)
    assert catalogue_language([]) == DetectedLanguage("en", sure=False)


def test_null_words_are_empty_in_every_column_and_counted() -> None:
    rows: list[dict[str, Any]] = [
        {
            "id": n,
            "title": f"cup {n}",
            "price": "N/A" if n % 4 == 0 else f"{n}",
            "colour": "NULL" if n % 3 else "red",
        }
        for n in range(1, 40)
    ]
    plan = infer_plan(rows)
    assert set(plan.null or ()) == {"N/A", "NULL"}
    assert plan.numbers == ("price",)
    product, dropped = read_product({"id": 1, "title": "cup", "price": "n/a", "colour": "red"}, plan)
    assert product.numbers == {}
    assert [(cell.column, cell.is_null) for cell in dropped] == [("price", True)]


def test_a_repeated_word_in_place_of_a_price_is_null_in_that_column_only() -> None:
    prices = ["on request", "12.00", "13.00", "on request", "14.50", "9.00"]
    plan = infer_plan([{"id": n, "title": f"cup {n}", "price": price} for n, price in enumerate(prices)])
    assert plan.numbers == ("price",)
    assert plan.columns["price"].null == ("on request",)
    assert plan.null == ()


def test_a_number_with_a_unit_is_searched_too() -> None:
    rows = [{"id": n, "title": f"bottle {n}", "volume": f"{n}50 ml"} for n in range(1, 9)]
    plan = infer_plan(rows)
    assert (plan.numbers, plan.search) == (("volume",), ("volume",))
    assert plan.columns == {"volume": ColumnFormat(decimal=".", unit="ml")}
    product, _ = read_product(rows[0], plan)
    assert (product.numbers, product.extra) == ({"volume": 150}, {"volume": "150 ml"})


def test_paths_and_lists_in_cells_are_keywords() -> None:
    rows = [
        {
            "id": n,
            "title": f"cup {n}",
            "tags": f"new, {('red', 'blue')[n % 2]}",
            "place": f"Home > Room {n} > Shelf",
        }
        for n in range(4)
    ]
    plan = infer_plan(rows)
    assert set(plan.keywords) == {"tags", "place"}
    assert plan.columns == {"tags": ColumnFormat(separator=",")}


def test_an_inferred_plan_has_no_field_that_the_index_refuses() -> None:
    odd = {"Width.": "half", ".inner": "half", "a..b": "half", "size": "S", "size.unit": "EU", " ": "half"}
    rows = [{"id": str(n), "title": f"cup {n}", "cost": 2.5, "cost.net": 2, **odd} for n in range(6)]
    plan = infer_plan(rows)
    assert {"Width.", ".inner", "a..b", "size.unit"} <= set(plan.search)
    assert plan.numbers == ("cost",)
    assert mappings_of(plan)


def mappings_of(plan: FieldPlan) -> dict[str, Any]:
    return mappings(IndexSchema(plan))


def test_a_plan_without_notation_is_completed_and_what_it_states_stays() -> None:
    rows = [
        {"id": n, "title": f"cup {n}", "price": f"{n},50 €", "tags": "a, b", "since": "1.2.2025"}
        for n in range(5)
    ]
    plan = FieldPlan(
        numbers=("price",),
        keywords=("tags",),
        dates=("since",),
        columns={"tags": ColumnFormat(separator="|")},
    )
    completed = complete_plan(plan, rows)
    assert completed.columns == {
        "price": ColumnFormat(decimal=",", currency="EUR"),
        "since": ColumnFormat(date_format=("%d.%m.%Y",)),
        "tags": ColumnFormat(separator="|"),
    }
    assert complete_plan(completed, rows) == completed


def test_a_plan_may_say_that_no_word_stands_for_an_empty_cell(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        '[fields]\nid = "id"\ntitle = "title"\nkeywords = ["brand"]\nnull = []\n', encoding="utf-8"
    )
    completed = complete_plan(load_plan(path), [{"id": n, "title": "N/A", "brand": "None"} for n in range(3)])
    assert completed.null == ()
    product, dropped = read_product({"id": 1, "title": "N/A", "brand": "None"}, completed)
    assert (product.title, product.keywords, dropped) == ("N/A", {"brand": "None"}, [])


def test_the_language_that_a_plan_does_not_state_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[fields]\nid = "Artikelnummer"\ntitle = "Bezeichnung"\n', encoding="utf-8")
    names, cells = SHOPS["de"]
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    assert complete_plan(load_plan(path), rows).language == "de"
    assert complete_plan(FieldPlan(language="nl"), rows).language == "nl"


@pytest.mark.parametrize(
    ("titles", "names", "language"),
    [
        (["Lampe", "Stuhl", "Tisch"], ["Artikelnummer", "Bezeichnung", "Preis"], DetectedLanguage("de", sure=False)),
        (["木製机", "陶器皿"], ["商品番号", "タイトル"], DetectedLanguage("ja", sure=False)),
        (["玻璃茶壶", "木勺子"], ["id", "title"], DetectedLanguage("zh", sure=True)),
    ],
)  # fmt: skip
def test_a_language_that_few_words_show_is_a_guess_from_the_names_of_the_columns_too(
    titles: list[str], names: list[str], language: DetectedLanguage
) -> None:
    assert catalogue_language(titles, names) == language


def test_a_plan_decided_from_few_words_says_that_its_language_is_a_guess() -> None:
    rows = [{"id": n, "title": f"cup {n}"} for n in range(3)]
    (remark,) = plan_remarks(infer_plan(rows), rows, is_guess=True)
    assert 'English is a guess: write language = "en"' in remark
    assert plan_remarks(infer_plan(rows), rows, is_guess=False) == []


def test_money_that_is_not_read_as_numbers_is_told_with_the_reason() -> None:
    rows = [{"id": n, "title": f"cup {n}", "price": f"{n + 1}.50 {('EUR', 'USD')[n % 2]}"} for n in range(10)]
    plan = infer_plan(rows)
    (remark,) = plan_remarks(plan, rows, is_guess=False)
    assert plan.numbers == ()
    assert (
        "column price looks like money and is not read as numbers: its cells are in several currencies"
        in remark
    )
    assert "(EUR 5, USD 5)" in remark
    stated = complete_plan(FieldPlan(numbers=("price",)), rows)
    assert stated.columns == {"price": ColumnFormat(decimal=".", currency="EUR")}
    assert plan_remarks(stated, rows, is_guess=False) == []
    readable = [{"id": 1, "title": "cup", "price": "5 EUR"}]
    assert (
        plan_remarks(FieldPlan(), readable, is_guess=False) == []
    )  # told among the columns that are not used


def test_a_price_column_stays_one_beside_words_and_is_told_when_too_many_cells_are_none() -> None:
    prices = ["19.99", "5.00", "free", "on request"]
    rows = [{"id": n, "title": f"cup {n}", "price": price} for n, price in enumerate(prices)]
    plan = infer_plan(rows)
    assert [read_product(row, plan)[0].numbers.get("price") for row in rows] == [19.99, 5, 0, None]
    rows += [{"id": n, "title": f"cup {n}", "price": f"tier {n} of 9"} for n in range(4, 6)]
    (remark,) = plan_remarks(infer_plan(rows), rows, is_guess=False)
    assert "too many of its cells (such as 'on request') are not numbers" in remark


@pytest.mark.parametrize(
    ("prices", "language", "currency", "others"),
    [
        (["1 299 kr", "499 kr"], "en", "SEK", "NOK, DKK, ISK"),
        (["1.299 kr", "499 kr"], "da", "DKK", None),
        (["kr 1 299,-", "kr 499,-"], "no", "NOK", None),
        (["1 299 kr", "499 NOK", "99 kr"], "en", "NOK", None),
        (["¥1,980", "¥2,500"], "en", "JPY", "CNY"),
        (["$5", "$6"], "en", "USD", None),
    ],
)
def test_a_currency_that_is_one_of_several_is_told_unless_language_or_cells_decide_it(
    prices: list[str], language: str, currency: str, others: str | None
) -> None:
    rows = [{"id": n, "title": f"cup {n}", "price": price} for n, price in enumerate(prices)]
    plan = complete_plan(FieldPlan(numbers=("price",), language=language), rows)
    assert plan.columns["price"].currency == currency
    remarks = plan_remarks(plan, rows, is_guess=False)
    assert [f"may also be {others}: if so, write price = {{currency" in remark for remark in remarks] == [
        True
    ] * bool(others)


@pytest.mark.parametrize(
    ("cells", "form", "dates"),
    [
        (["2024-01-15", "2024-02-31", "0000-00-00"], "%Y-%m-%d", ["2024-01-15", None, None]),
        (
            ["31.12.2024", "31.02.2024", "soon", "1.2.2024"],
            "%d.%m.%Y",
            ["2024-12-31", None, None, "2024-02-01"],
        ),
        (
            [1735689600, 0, 1704067200],
            "epoch_second",
            ["2025-01-01T00:00:00.000Z", None, "2024-01-01T00:00:00.000Z"],
        ),
        (["/Date(1735689600000)/"], "epoch_millis", ["2025-01-01T00:00:00.000Z"]),
    ],
)
def test_an_impossible_date_is_left_out_and_the_column_stays_one_of_dates(
    cells: list[Any], form: str, dates: list[str | None]
) -> None:
    rows = [{"id": f"p{n}", "title": f"cup {n}", "released": cell} for n, cell in enumerate(cells)]
    plan = infer_plan(rows)
    assert plan.columns["released"].date_format == (form,)
    products = [read_product(row, plan) for row in rows]
    assert [product.dates.get("released") for product, _ in products] == dates
    assert [len(dropped) for _, dropped in products] == [date is None for date in dates]


def test_a_column_called_like_a_date_that_is_none_is_told() -> None:
    cells = ["2024-01-15", "spring", "autumn 2", "2024-03-01", "winter, 1"]
    rows = [{"id": f"p{n}", "title": f"cup {n}", "released": cell} for n, cell in enumerate(cells)]
    (remark,) = plan_remarks(infer_plan(rows), rows, is_guess=False)
    assert (
        "column released looks like dates and is not read as such: too many of its cells (such as 'spring')"
        in remark
    )


def test_a_date_that_a_spreadsheet_wrote_as_a_number_of_days_is_read() -> None:
    rows = [{"id": n, "title": f"cup {n}", "date added": 45658 + n} for n in range(5)]
    plan = infer_plan(rows)
    assert (plan.dates, plan.created) == (("date added",), "date added")
    assert plan.columns == {"date added": ColumnFormat(date_format=("spreadsheet_days",))}
    assert read_product(rows[0], plan)[0].created == "2025-01-01"
    assert read_product({**rows[0], "date added": "45658.5"}, plan)[0].created == "2025-01-01T12:00:00.000Z"


def test_an_entity_is_no_separator_and_a_measure_is_no_text() -> None:
    rows = [
        {"id": n, "title": f"cup {n}", "tags": "salt &amp; pepper; red", "box": f"{n} x 20 x 5 cm", "": "x"}
        for n in range(6)
    ]
    plan = infer_plan(rows)
    assert (plan.text, plan.search) == ((), ("box",))
    assert read_product(rows[0], plan)[0].keywords == {"tags": ["salt & pepper", "red"]}
    unused = UnusedColumns()
    unused.add(rows[0], plan)
    assert unused.to_dict() == {"": {"cells": 1, "reason": "no name"}}


def test_columns_that_no_part_of_the_plan_takes_are_counted_with_a_reason() -> None:
    unused = UnusedColumns()
    plan = FieldPlan(search=("attr_*",), numbers=("price",))
    for n in range(3):
        row = {
            "id": n,
            "title": "a",
            "price": 1,
            "attr_x": "b",
            "link": f"http://x/{n}",
            "box": {"w": 1},
            "new": "",
        }
        unused.add(row, plan)
    assert unused.to_dict() == {
        "link": {"cells": 3, "reason": "web addresses"},
        "box": {"cells": 3, "reason": "objects in objects"},
    }
