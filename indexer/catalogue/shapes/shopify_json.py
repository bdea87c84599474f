"""Products as Shopify's Admin API, its GraphQL API and its `products.json` give them: an object with its variants."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from indexer.catalogue.rows import CatalogueRow, CatalogueRows

from .shape_type import RowSource, Shape, UniqueIds, add_column, listed, text_of

_PRODUCT_LISTS = ("variants", "images", "options", "media")
_OPTIONS = ("option1", "option2", "option3")
_DEFAULT_OPTION = "Title"


def _recognizes(columns: frozenset[str]) -> bool:
    return {"variants", "title"} <= columns and bool(columns & {"handle", "options", "body_html", "bodyHtml"})


def _confirms(source: RowSource) -> bool:
    """Return whether the variants of the first row that has some are objects."""
    with closing(source()) as rows:
        for item in rows:
            if isinstance(item, CatalogueRow) and (variants := _nodes(item.values.get("variants"))):
                return all(isinstance(variant, Mapping) for variant in variants)
    return False


def _rows(source: RowSource) -> CatalogueRows:
    ids = UniqueIds()
    for item in source():
        if not isinstance(item, CatalogueRow):
            yield item
            continue
        product = item.values
        variants = [v for v in _nodes(product.get("variants")) if isinstance(v, Mapping)]
        for variant in variants or [{}]:
            yield CatalogueRow(item.line, _variant_row(product, variant, ids))


def _variant_row(product: Mapping[str, Any], variant: Mapping[str, Any], ids: UniqueIds) -> dict[str, Any]:
    """Return the cells of a product and of one of its variants, which count where both have a cell."""
    shared = {name: cell for name, cell in product.items() if name not in _PRODUCT_LISTS}
    if isinstance(shared.get("tags"), str):
        shared["tags"] = listed(shared["tags"])
    product_id = text_of(shared.pop("id", None))
    if product_id:
        shared["product_id"] = product_id
    options = _options(product, variant)
    own = {name: cell for name, cell in variant.items() if name not in (*_OPTIONS, "selectedOptions")}
    variant_id = text_of(own.pop("id", None))
    if variant_id:
        own["variant_id"] = variant_id
    for name in set(own) & set(shared):
        if name in ("title", "created_at", "updated_at", "createdAt", "updatedAt", "metafields"):
            own[f"variant_{name}"] = own.pop(name)
    own.pop("variant_title", None)  # its options, which have columns of their own
    id = ids.first_free(
        [
            text_of(own.get("sku")),
            variant_id,
            "-".join([text_of(shared.get("handle")) or product_id, *options.values()]),
        ]
    )
    values: dict[str, Any] = {"id": id, **shared, **own}
    if pictures := _pictures(product, variant):
        values["images"] = pictures
        values.pop("image", None)
        values.pop("featured_image", None)
    for name, value in options.items():
        add_column(values, name, value)
    return values


def _options(product: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, str]:
    selected = variant.get("selectedOptions")
    if isinstance(selected, list):
        pairs = [(text_of(option.get("name")), text_of(option.get("value"))) for option in selected]
    else:
        names = [
            text_of(option.get("name") if isinstance(option, Mapping) else option)
            for option in _nodes(product.get("options"))
        ]
        names += [f"option {n}" for n in range(len(names) + 1, len(_OPTIONS) + 1)]
        pairs = [(name, text_of(variant.get(key))) for name, key in zip(names, _OPTIONS, strict=False)]
    return {name: value for name, value in pairs if value and name != _DEFAULT_OPTION}


def _pictures(product: Mapping[str, Any], variant: Mapping[str, Any]) -> list[str]:
    """Return the addresses of the pictures, the variant's own first."""
    pictures = [picture for picture in _nodes(product.get("images")) if picture]
    own = [variant.get("featured_image"), variant.get("image")]
    if image_id := variant.get("image_id"):
        own += [
            picture for picture in pictures if isinstance(picture, Mapping) and picture.get("id") == image_id
        ]
    addresses = [
        _address(picture) for picture in [*own, *pictures, product.get("image"), product.get("featuredImage")]
    ]
    return list(dict.fromkeys(address for address in addresses if address))


def _address(picture: Any) -> str:
    if isinstance(picture, Mapping):
        return next((text_of(picture[key]) for key in ("src", "url", "originalSrc") if picture.get(key)), "")
    return text_of(picture)


def _nodes(value: Any) -> list[Any]:
    """Return a list as it is, and the nodes of GraphQL's connections."""
    if isinstance(value, Mapping):
        edges = value.get("edges")
        if isinstance(edges, list):
            return [edge.get("node") for edge in edges if isinstance(edge, Mapping)]
        nodes = value.get("nodes")
        return nodes if isinstance(nodes, list) else []
    return value if isinstance(value, list) else []


SHOPIFY_JSON = Shape(
    "shopify-json", "Shopify JSON", _recognizes, _rows, groups=("product_id", "handle"), confirms=_confirms
)
