"""Exports of shop systems: each is recognized by its columns, and its rows become products with variants."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from indexer.catalogue.plan import check_columns, plan_from_rows
from indexer.catalogue.product import read_product
from indexer.catalogue.reader import BadRow, CatalogueItem, CatalogueRow, Remark, SkippedRow, read_rows
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    """A CSV file with the columns of all rows."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def products(items: list[CatalogueItem]) -> list[dict[str, Any]]:
    return [item.values for item in items if isinstance(item, CatalogueRow)]


def column(items: list[CatalogueItem], name: str) -> list[Any]:
    return [values.get(name) for values in products(items)]


def shape(items: list[CatalogueItem]) -> str:
    return next((item.text for item in items if isinstance(item, Remark)), "")


def skipped(items: list[CatalogueItem]) -> list[tuple[int, str]]:
    return [(item.line, item.reason) for item in items if isinstance(item, SkippedRow)]


SHOPIFY = [
    {"Handle": "coat", "Title": "Rain Coat", "Body (HTML)": "<p>Keeps you dry</p>", "Vendor": "Nord", "Tags": "rain, new",
     "Option1 Name": "Size", "Option1 Value": "S", "Option2 Name": "Type", "Option2 Value": "Long", "Type": "Coats",
     "Variant SKU": "C-S", "Variant Price": "129.00", "Variant Barcode": "'4006381333901",
     "Image Src": "http://x/1.jpg", "Image Position": "2", "Variant Image": ""},
    {"Handle": "coat", "Option1 Value": "M", "Option2 Value": "Long", "Variant SKU": "", "Variant Price": "139.00",
     "Image Src": "http://x/2.jpg", "Image Position": "1", "Variant Image": "http://x/m.jpg"},
    {"Handle": "coat", "Image Src": "http://x/back.jpg", "Image Position": "3"},
    {"Handle": "mug", "Title": "Mug", "Option1 Name": "Title", "Option1 Value": "Default Title", "Variant SKU": "C-S",
     "Variant Price": "18.50", "Image Src": "http://x/mug.jpg", "Image Position": "1"},
]  # fmt: skip


def test_shopifys_rows_become_variants_with_the_cells_and_pictures_of_their_product(tmp_path: Path) -> None:
    items = list(read_rows(table(tmp_path / "c.csv", SHOPIFY)))
    assert shape(items) == "shape: Shopify CSV"
    assert skipped(items) == [(4, "brings only a picture, which its product has")]
    # the second coat has no SKU, and the mug's SKU is that of the first coat
    assert column(items, "id") == ["C-S", "coat-M-Long", "mug"]
    assert column(items, "Title") == ["Rain Coat", "Rain Coat", "Mug"]
    assert column(items, "Body (HTML)") == ["<p>Keeps you dry</p>", "<p>Keeps you dry</p>", None]
    assert column(items, "Variant Price") == ["129.00", "139.00", "18.50"]
    assert column(items, "Size") == ["S", "M", None]
    assert column(items, "Type") == ["Coats", "Coats", None]
    assert column(items, "Type (option)") == ["Long", "Long", None]
    assert column(items, "Tags") == [["rain", "new"], ["rain", "new"], None]
    assert column(items, "Variant Barcode") == ["4006381333901", None, None]
    assert column(items, "Image Src") == [
        ["http://x/2.jpg", "http://x/1.jpg", "http://x/back.jpg"],
        ["http://x/m.jpg", "http://x/2.jpg", "http://x/1.jpg", "http://x/back.jpg"],
        ["http://x/mug.jpg"],
    ]
    assert not any("Option1 Value" in values for values in products(items))


def test_shopifys_newer_template_is_read_alike(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", [
        {"Title": "Cap", "URL handle": "cap", "Description": "A cap", "SKU": "", "Option1 name": "Colour",
         "Option1 value": "Red", "Price": "10", "Inventory quantity": "4", "Product image URL": "http://x/1.jpg",
         "Image position": "1", "Image alt text": "front", "Variant image URL": "http://x/red.jpg"},
        {"URL handle": "cap", "SKU": "CAP-B", "Option1 value": "Blue", "Price": "11", "Inventory quantity": ""},
        {"URL handle": "cap", "Product image URL": "http://x/2.jpg", "Image position": "2", "Image alt text": "back"},
        {"URL handle": "Note: the red columns are required"},
    ])  # fmt: skip
    items = list(read_rows(path))
    assert shape(items) == "shape: Shopify CSV"
    assert skipped(items) == [
        (4, "brings only a picture, which its product has"),
        (5, "has nothing but a handle"),
    ]
    assert column(items, "id") == ["cap-Red", "CAP-B"]
    assert column(items, "Colour") == ["Red", "Blue"]
    assert column(items, "Description") == ["A cap", "A cap"]
    assert column(items, "Inventory quantity") == ["4", None]
    assert column(items, "Image alt text") == [["front", "back"], ["front", "back"]]
    assert column(items, "Product image URL") == [
        ["http://x/red.jpg", "http://x/1.jpg", "http://x/2.jpg"],
        ["http://x/1.jpg", "http://x/2.jpg"],
    ]


def test_a_plan_is_inferred_from_shopifys_rows_and_groups_the_variants(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", SHOPIFY)
    plan = plan_from_rows(read_rows(path), path.name)
    assert (plan.id, plan.title, plan.group, plan.price) == ("id", "Title", "Handle", "Variant Price")
    assert plan.text == ("Body (HTML)",)
    assert plan.images[0] == "Image Src"
    check_columns(plan, path)


def test_a_plan_may_name_the_columns_of_the_file_and_its_product_as_the_id(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", SHOPIFY)
    plan = FieldPlan(
        id="Handle", title="Title", keywords=("Option1 Value", "Size"), numbers=("Variant Price",)
    )
    check_columns(plan, path)
    coat, mug = products(list(read_rows(path, plan=plan)))
    assert coat["Handle"] == "coat"
    assert coat["Option1 Value"] == coat["Size"] == ["S", "M"]
    assert coat["Variant Price"] == ["129.00", "139.00"]
    product, dropped = read_product(coat, plan)
    assert (product.id, product.numbers, dropped) == ("coat", {"Variant Price": [129, 139]}, [])
    assert mug["Variant Price"] == "18.50"


def test_a_row_of_a_product_that_stands_apart_is_unreadable_and_names_the_first_row(tmp_path: Path) -> None:
    items = list(read_rows(table(tmp_path / "c.csv", [*SHOPIFY, SHOPIFY[1]])))
    (bad,) = [item for item in items if isinstance(item, BadRow)]
    assert bad.line == 6
    assert "'coat', whose first row is line 2" in bad.reason


def test_the_shape_can_be_named_and_switched_off(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", SHOPIFY)
    plain = list(read_rows(path, shape="none"))
    assert shape(plain) == ""
    assert column(plain, "Option1 Value") == ["S", "M", None, "Default Title"]
    assert shape(list(read_rows(path, shape="shopify"))) == "shape: Shopify CSV"
    with pytest.raises(CatalogueError, match="no shape 'shopfy'; expected shopify, "):
        list(read_rows(path, shape="shopfy"))
    with pytest.raises(CatalogueError, match=r"read as Shopify CSV .`--shape none`"):
        check_columns(FieldPlan(id="Handle", title="Titel"), path)


def test_products_of_shopifys_json_become_variants(tmp_path: Path) -> None:
    dress = {
        "id": 6329000, "title": "Red dress", "handle": "red-dress", "body_html": "<p>Cotton</p>", "tags": "a, b",
        "created_at": "2024-02-15T15:12:21-05:00", "options": [{"name": "Size", "values": ["S", "M"]}],
        "images": [{"id": 9, "src": "http://x/1.jpg"}, {"id": 10, "src": "http://x/2.jpg"}],
        "variants": [
            {"id": 1, "title": "S", "sku": "D-S", "price": "49.00", "option1": "S", "created_at": "2025-01-01"},
            {"id": 2, "title": "M", "sku": None, "price": "51.00", "option1": "M", "image_id": 10},
        ],
    }  # fmt: skip
    path = tmp_path / "products.json"
    path.write_text(json.dumps({"products": [dress]}))
    items = list(read_rows(path))
    assert shape(items) == "shape: Shopify JSON"
    small, medium = products(items)
    assert small == {
        "id": "D-S", "title": "Red dress", "handle": "red-dress", "body_html": "<p>Cotton</p>", "tags": ["a", "b"],
        "created_at": "2024-02-15T15:12:21-05:00", "variant_created_at": "2025-01-01", "product_id": "6329000",
        "variant_id": "1", "sku": "D-S", "price": "49.00", "images": ["http://x/1.jpg", "http://x/2.jpg"], "Size": "S",
    }  # fmt: skip
    assert (medium["id"], medium["price"], medium["Size"]) == ("2", "51.00", "M")
    assert medium["images"] == ["http://x/2.jpg", "http://x/1.jpg"]
    (joined,) = products(list(read_rows(path, plan=FieldPlan(id="product_id", title="title"))))
    assert (joined["product_id"], joined["price"]) == ("6329000", ["49.00", "51.00"])


def test_graphql_connections_of_shopify_are_read_too(tmp_path: Path) -> None:
    node = {
        "id": "gid://shopify/Product/1", "title": "Mug", "handle": "mug", "options": [{"name": "Colour"}],
        "images": {"edges": [{"node": {"url": "http://x/1.jpg"}}]},
        "variants": {"nodes": [{"sku": "M1", "selectedOptions": [{"name": "Colour", "value": "Grey"}]}]},
    }  # fmt: skip
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"data": {"products": {"edges": [{"node": node}]}}}))
    (mug,) = products(list(read_rows(path)))
    assert (mug["id"], mug["Colour"], mug["images"]) == ("M1", "Grey", ["http://x/1.jpg"])


def test_woocommerces_variations_inherit_from_their_variable_product(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", [
        {"ID": "11", "Type": "variation", "SKU": "T-R", "Name": "Shirt - Red", "Parent": "T", "Regular price": "20",
         "Images": "", "Attribute 1 name": "Colour", "Attribute 1 value(s)": "Red", "Description": ""},
        {"ID": "10", "Type": "variable", "SKU": "T", "Name": "Shirt", "Description": "Cotton shirt",
         "Categories": "Clothes > Shirts, Sale, Hats\\, caps", "Images": "http://x/1.jpg, http://x/2.jpg",
         "Attribute 1 name": "Colour", "Attribute 1 value(s)": "Red, Blue",
         "Attribute 2 name": "Material", "Attribute 2 value(s)": "Cotton"},
        {"ID": "12", "Type": "variation", "SKU": "T-B", "Name": "Shirt - Blue", "Parent": "id:10",
         "Regular price": "18", "Images": "http://x/b.jpg", "Attribute 1 name": "Colour",
         "Attribute 1 value(s)": "Blue"},
        {"ID": "13", "Type": "simple", "SKU": "H", "Name": "Hat", "Regular price": "9", "Categories": "Hats"},
    ])  # fmt: skip
    items = list(read_rows(path))
    assert shape(items) == "shape: WooCommerce CSV"
    assert skipped(items) == []
    assert column(items, "id") == ["11", "10", "12", "13"]
    assert column(items, "group") == ["T", "T", "T", None]
    assert column(items, "Description") == ["Cotton shirt", "Cotton shirt", "Cotton shirt", None]
    assert column(items, "Colour") == ["Red", ["Red", "Blue"], "Blue", None]
    assert column(items, "Material") == ["Cotton", "Cotton", "Cotton", None]
    assert column(items, "Regular price") == ["20", "18", "18", "9"]  # the lowest of the variations
    assert column(items, "Categories")[0] == ["Clothes > Shirts", "Sale", "Hats, caps"]
    assert column(items, "Images") == [
        ["http://x/1.jpg", "http://x/2.jpg"], ["http://x/1.jpg", "http://x/2.jpg"], ["http://x/b.jpg"], None,
    ]  # fmt: skip


def test_magentos_store_views_media_paths_and_attributes_are_read(tmp_path: Path) -> None:
    common = {"attribute_set_code": "Default", "product_websites": "base"}
    path = table(tmp_path / "c.csv", [
        {"sku": "J-S", "store_view_code": "", "product_type": "simple", "name": "Jacket-S", "price": "80",
         "visibility": "Not Visible Individually", "additional_attributes": "size=S,care=wash, then dry,material=Wool|Silk",
         "base_image": "no_selection", **common},
        {"sku": "J", "store_view_code": "", "product_type": "configurable", "name": "Jacket",
         "description": "Warm", "categories": "All/Women,All/Women/Jackets", "visibility": "Catalog, Search",
         "base_image": "/j/a/j.jpg", "additional_images": "/j/a/j.jpg,/j/a/k.jpg",
         "configurable_variations": "sku=J-S,size=S|sku=J-M,size=M", **common},
        {"sku": "J", "store_view_code": "de", "name": "Jacke", "description": "Hält warm"},
        {"sku": "J-M", "store_view_code": "", "product_type": "simple", "name": "Jacket-M", "price": "77",
         "visibility": "Not Visible Individually", "additional_attributes": "size=M", **common},
        {"sku": "B", "store_view_code": "default", "product_type": "simple", "name": "Bag", "price": "34", **common},
    ])  # fmt: skip
    items = list(read_rows(path))
    assert shape(items) == "shape: Magento CSV"
    assert skipped(items) == [(4, "of the store view 'de', not of the default one")]
    assert column(items, "sku") == ["J-S", "J", "J-M", "B"]
    assert column(items, "group") == ["J", "J", "J", None]
    assert column(items, "price") == ["80", "77", "77", "34"]
    assert column(items, "description") == ["Warm", "Warm", "Warm", None]
    assert column(items, "categories")[0] == ["All/Women", "All/Women/Jackets"]
    assert column(items, "base_image") == [None, "j/a/j.jpg", None, None]
    assert column(items, "additional_images")[1] == ["j/a/j.jpg", "j/a/k.jpg"]
    first = products(items)[0]
    assert (first["size"], first["care"], first["material"]) == ("S", "wash, then dry", ["Wool", "Silk"])
    plan = FieldPlan(
        id="sku",
        title="name",
        keywords=("additional_attributes",),
        images=("base_image", "additional_images"),
    )
    kept = products(list(read_rows(path, plan=plan)))
    assert kept[0]["additional_attributes"] == ["size=S", "care=wash, then dry", "material=Wool|Silk"]
    assert read_product(kept[1], plan)[0].images == ("j/a/j.jpg", "j/a/k.jpg")


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_google_merchants_table_is_read_with_repeated_and_listed_pictures(
    tmp_path: Path, delimiter: str
) -> None:
    header = [
        "ID",
        "title",
        "image link",
        "additional_image_link",
        "additional_image_link",
        "price",
        "link",
        "item_group_id",
    ]
    rows = [
        ["1", "Oak lamp", "http://x/1.jpg", "http://x/2.jpg,http://x/3.jpg?a=1,2", "http://x/4.jpg", "5 EUR", "", "L"],
        ["2", "Elm lamp", "http://x/5.jpg", "", "", "6 EUR", "http://x", "L"],
    ]  # fmt: skip
    path = tmp_path / "feed.txt"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    items = list(read_rows(path))
    assert shape(items) == "shape: Google Merchant"
    assert column(items, "id") == ["1", "2"]
    assert column(items, "image_link") == ["http://x/1.jpg", "http://x/5.jpg"]
    assert column(items, "additional_image_link")[0] == [
        "http://x/2.jpg",
        "http://x/3.jpg?a=1,2",
        "http://x/4.jpg",
    ]
    plan = plan_from_rows(read_rows(path), path.name)
    assert (plan.group, plan.images) == ("item_group_id", ("image_link", "additional_image_link"))


def test_variants_that_name_their_product_inherit_its_texts_and_pictures(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", [
        {"item_sku": "S-1", "parent_sku": "S", "item_name": "", "description": "", "image": "", "price": "5",
         "size": "38", "stock": ""},
        {"item_sku": "S", "parent_sku": "", "item_name": "Sandal", "description": "Cork sandal", "image": "http://x/1.jpg",
         "price": "9", "size": "", "stock": "3"},
        {"item_sku": "S-2", "parent_sku": "S", "item_name": "Sandal 39", "price": "6", "size": "39"},
        {"item_sku": "B", "item_name": "Boot", "price": "50"},
    ])  # fmt: skip
    items = list(read_rows(path))
    assert shape(items) == "shape: variants that name their product"
    assert column(items, "group") == ["S", "S", "S", None]
    assert column(items, "item_name") == ["Sandal", "Sandal", "Sandal 39", "Boot"]
    assert column(items, "description") == ["Cork sandal", "Cork sandal", "Cork sandal", None]
    assert column(items, "price") == ["5", "9", "6", "50"]
    assert column(items, "stock") == [None, "3", None, None]  # the product's stock is not that of a variant
    plan = plan_from_rows(read_rows(path), path.name)
    assert (plan.id, plan.group) == ("item_sku", "group")
    unrelated = table(
        tmp_path / "u.csv", [{"id": "1", "title": "cup", "parent": "Kitchen"}, {"id": "2", "title": "pot"}]
    )
    assert shape(list(read_rows(unrelated))) == ""


def test_bigcommerces_variants_inherit_from_their_product_and_other_rows_are_counted(tmp_path: Path) -> None:
    older = table(tmp_path / "older.csv", [
        {"Item Type": "Product", "Product ID": "77", "Product Name": "Towel", "Product Code/SKU": "T", "Price": "49",
         "Product Description": "A towel of linen", "Current Stock Level": "3", "Product Visible?": "Y"},
        {"Item Type": "  SKU", "Product ID": "77", "Product Name": "[S]Color=Silver,[RB]Size=M", "Product Code/SKU": "T-S"},
        {"Item Type": "  Rule", "Product ID": "77", "Product Code/SKU": "T-S", "Price": "[ADD]10"},
        {"Item Type": "Product", "Product ID": "78", "Product Name": "Mug", "Product Code/SKU": "M", "Price": "9"},
    ])  # fmt: skip
    items = list(read_rows(older))
    assert shape(items) == "shape: BigCommerce CSV"
    assert column(items, "id") == ["T", "T-S", "M"]
    assert column(items, "Product Name") == ["Towel", "Towel", "Mug"]
    assert column(items, "Price") == ["49", "49", "9"]
    assert column(items, "Current Stock Level") == ["3", None, None]
    assert (column(items, "Color"), column(items, "Size")) == ([None, "Silver", None], [None, "M", None])
    assert column(items, "group") == ["77", "77", None]
    assert skipped(items) == [(4, "of the kind Rule, which belongs to the product above it")]
    newer = table(tmp_path / "newer.csv", [
        {"Item": "Product", "ID": "77", "Name": "Towel", "SKU": "", "Price": "49", "Inventory Tracking": "none"},
        {"Item": "Variant", "ID": "78", "SKU": "T-S", "Options": "Type=Swatch|Name=Color|Value=Silver"},
        {"Item": "Image", "ID": "5", "Image URL (Import)": "http://x/1.jpg"},
    ])  # fmt: skip
    items = list(read_rows(newer))
    assert column(items, "id") == ["77", "T-S"]
    assert (column(items, "Color"), column(items, "images")) == ([None, "Silver"], [["http://x/1.jpg"]] * 2)


def test_amazons_flat_file_is_read_from_its_row_of_attribute_names(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text(
        "TemplateType=shoes\tVersion=2021.1\tThe top 3 rows are for Amazon.com use only.\t\n"
        "Seller SKU\tProduct Name\tParent SKU\tKey Product Features\n"
        "item_sku\titem_name\tparent_sku\tbullet_point1\n"
        "S\tSandal\t\tCork\nS-38\tSandal 38\tS\t\n"
    )
    items = list(read_rows(path))
    assert column(items, "item_sku") == ["S", "S-38"]
    assert column(items, "bullet_point1") == ["Cork", "Cork"]
    assert [line for line, _ in skipped(items)] == [1, 2]


def test_a_plain_catalogue_has_no_shape(tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", [{"id": "1", "title": "cup", "handle": "x", "price": "5", "type": "a"}])
    assert shape(list(read_rows(path))) == ""
