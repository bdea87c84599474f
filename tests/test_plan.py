"""Field plans: read, checked with all problems at once, inferred from rows, printed and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.catalogue.inference.infer import infer_plan
from indexer.catalogue.plan import check_columns, load_plan, plan_from_rows, plan_toml
from indexer.catalogue.product import read_product
from indexer.catalogue.reader import read_rows
from opensearch.index.fields import ColumnFormat, FieldPlan
from vitrine.errors import CatalogueError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_read_and_a_single_name_is_a_list(tmp_path: Path) -> None:
    path = write(
        tmp_path / "catalogue.toml",
        '[fields]\nid = "sku"\ntitle = "name"\ntext = "about"\nnumbers = ["price", "price"]\nlanguage = "zh"\n',
    )
    assert load_plan(path) == FieldPlan(
        id="sku", title="name", text=("about",), numbers=("price",), language="zh"
    )


def test_all_problems_of_a_plan_are_reported_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path / "p.toml",
        '[field]\n[fields]\ntitel = "name"\nnumbers = [1]\nid = ["a"]\nlanguage = ""\n',
    )
    with pytest.raises(CatalogueError) as caught:
        load_plan(path)
    message = str(caught.value)
    assert "no table 'field' (close: fields)" in message
    assert "no entry 'titel' (close: title)" in message
    assert "numbers is [1]" in message
    assert "id is ['a']; expected one column name" in message
    assert "language is ''; expected a language code" in message


def test_the_notation_of_columns_is_read_and_its_problems_are_reported(tmp_path: Path) -> None:
    path = write(
        tmp_path / "p.toml",
        '[fields]\nnull = "n/a"\n[fields.columns]\nprice = {decimal = ",", currency = "EUR"}\n'
        'since = {date_format = "%d.%m.%Y"}\n',
    )
    plan = load_plan(path)
    assert plan.null == ("n/a",)
    assert plan.columns == {
        "price": ColumnFormat(decimal=",", currency="EUR"),
        "since": ColumnFormat(date_format=("%d.%m.%Y",)),
    }
    write(
        path,
        '[fields.columns]\na = {decimal = ";", currency = "EURO", date_format = "dd.MM.yyyy", sign = 1}\nb = 5\n',
    )
    with pytest.raises(CatalogueError) as caught:
        load_plan(path)
    for problem in (
        "a.decimal is ';'",
        "a.currency is 'EURO'",
        "a.date_format is 'dd.MM",
        "entry 'sign'",
        "columns.b is 5",
    ):
        assert problem in str(caught.value)


@pytest.mark.parametrize(("text", "reason"), [("[fields", "not TOML"), ('id = "a"', "no table")])
def test_a_file_that_is_not_a_plan_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(CatalogueError, match=reason):
        load_plan(write(tmp_path / "p.toml", text))
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_plan(tmp_path / "none.toml")


def test_columns_that_no_row_has_are_named_with_close_matches(tmp_path: Path) -> None:
    rows = [{"id": n, "title": "a"} for n in range(1500)] + [{"id": "x", "title": "b", "colour": "red"}]
    path = write(tmp_path / "c.jsonl", "\n".join(map(json.dumps, rows)))
    check_columns(FieldPlan(keywords=("colour",)), path)  # one late row has it
    with pytest.raises(CatalogueError) as caught:
        check_columns(FieldPlan(text=("titel",), keywords=("color", "size"), group="size"), path)
    message = str(caught.value)
    assert "'titel' for text (close: title)" in message
    assert "'color' for keywords (close: colour)" in message
    assert "'size' for group and keywords" in message


def test_csv_columns_are_known_from_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "id,title,colour\n1,a,\n")
    check_columns(FieldPlan(keywords=("colour",)), path)
    with pytest.raises(CatalogueError, match=r"'price' for numbers \(there are: id, title, colour\)"):
        check_columns(FieldPlan(numbers=("price",)), path)


def shop(n: int) -> dict[str, Any]:
    """A row of a shop with a column of each kind."""
    return {
        "ean": f"{4_000_000_000_000 + n * 7}",
        "sku": f"A-{n}",
        "name": f"{('red', 'blue', 'green')[n % 3]} shoe number {n}",
        "description": f"A shoe that was made {n} days ago for people who walk a lot in rain and snow",
        "brand": ("Nord", "Sund", "Vest")[n % 3],
        "tags": ["new", "sale"] if n % 2 else [],
        "price": f"{n}.95",
        "stock": n % 5,
        "year": 2010 + n % 9,
        "weight": float("nan") if n % 10 == 0 else n / 2,
        "vegan": n % 2 == 0,
        "released": f"2024-01-{n % 28 + 1:02d}",
        "created_at": f"2024-02-{n % 28 + 1:02d}T10:00:00Z",
        "lang": "en" if n % 4 else "zh",
        "style_id": f"S{n // 4}",
        "image_thumb": f"http://img.shop/t/{n}.jpg",
        "image_500x500": f"http://img.shop/m/{n}.jpg",
        "image_1200x1200": f"http://img.shop/l/{n}.jpg",
        "url": f"http://shop/p/{n}",
        **({"rare": "x"} if n == 7 else {}),
    }


def test_each_field_is_inferred_from_names_and_values() -> None:
    plan = infer_plan([shop(n) for n in range(200)])
    assert plan == FieldPlan(
        id="sku",
        title="name",
        text=("description",),
        search=("rare",),
        images=("image_500x500",),
        numbers=("price", "stock", "year", "weight"),
        keywords=("ean", "brand", "vegan", "tags"),
        codes=("ean",),
        dates=("released", "created_at"),
        language="en",
        language_field="lang",
        group="style_id",
        available="stock",
        created="created_at",
        price="price",
        null=(),
    )


def test_attributes_too_rare_for_columns_of_their_own_are_searched_by_a_pattern() -> None:
    rows = [
        {
            "id": str(n),
            "title": f"a {n}",
            f"attr_t_{n % 40}": f"word {n}",
            f"attr_n_{n % 40}": n,
            "note": f"code{n}",
        }
        for n in range(1000)
    ]
    plan = infer_plan(rows)
    assert plan.search == ("attr_t_*", "note")
    product, _ = read_product(
        {"id": "1", "title": "a", "attr_t_zz": "rare", "attr_n_1": 5, "note": "n1"}, plan
    )
    assert product.extra == {"attr_t_zz": "rare", "note": "n1"}
    assert product.texts == {}


def test_all_views_of_a_product_are_images() -> None:
    rows = [
        {"id": n, "title": f"a {n}", **{f"image{v}": f"{n}-{v}.png" for v in (1, 2, 3)}} for n in range(9)
    ]
    assert infer_plan(rows).images == ("image1", "image2", "image3")


def test_chinese_titles_make_a_chinese_catalogue() -> None:
    rows = [{"id": str(n), "title": f"红色连衣裙 {n}"} for n in range(9)]
    assert infer_plan(rows).language == "zh"


def test_a_sample_without_a_possible_id_is_an_error_that_lists_the_columns() -> None:
    with pytest.raises(CatalogueError, match=r"columns: title, colour"):
        infer_plan([{"title": "a b c", "colour": "red"}] * 5)


def test_a_catalogue_without_a_readable_row_is_an_error(tmp_path: Path) -> None:
    broken = write(tmp_path / "c.jsonl", '{"id": "1"\n' * 5)
    with pytest.raises(
        CatalogueError, match=r"no row of c.jsonl can be read; line 1: the object is not JSON"
    ):
        plan_from_rows(read_rows(broken), broken.name)
    with pytest.raises(CatalogueError, match="has no rows"):
        plan_from_rows(read_rows(write(tmp_path / "c.csv", "id,title\n")), "c.csv")


_NAMES = st.text(min_size=1, max_size=20)
_FORMATS = st.builds(
    ColumnFormat,
    decimal=st.sampled_from([None, ".", ","]),
    currency=st.sampled_from([None, "EUR", "CNY"]),
    unit=st.none() | _NAMES,
    separator=st.none() | _NAMES,
    date_format=st.lists(st.sampled_from(["%d.%m.%Y", "epoch_second"]), unique=True).map(tuple),
    null=st.lists(_NAMES, unique=True, max_size=2).map(tuple),
)


@given(
    st.builds(
        FieldPlan,
        id=_NAMES,
        title=_NAMES,
        text=st.lists(_NAMES, unique=True, max_size=3).map(tuple),
        numbers=st.lists(_NAMES, unique=True, max_size=3).map(tuple),
        language_field=st.none() | _NAMES,
        created=st.none() | _NAMES,
        null=st.lists(_NAMES, unique=True, max_size=3).map(tuple),
        columns=st.dictionaries(_NAMES, _FORMATS, max_size=3),
    )
)
def test_a_printed_plan_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, plan: FieldPlan) -> None:
    path = tmp_path_factory.mktemp("plan") / "p.toml"
    path.write_bytes(plan_toml(plan).encode())
    assert load_plan(path) == plan


def test_a_category_is_a_keyword_though_a_handful_of_rows_repeat_none() -> None:
    rows = [
        {"id": str(n), "title": f"thing {n}", "category": category, "fabric": category}
        for n, category in enumerate(("dresses", "jackets", "shoes"))
    ]
    plan = infer_plan(rows)
    assert plan.keywords == ("category",)
    assert "fabric" in plan.search
