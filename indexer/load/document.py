"""From a product and its vectors to the document of the index, and back; hashes for change detection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from encoders.protocol import FloatArray
from indexer.catalogue.product import Product
from opensearch.analysis.codes import CODES, indexed_codes
from opensearch.analysis.languages import ALWAYS, field_language
from opensearch.index.fields import HASHES, IMAGES, ROW_HASH, SEARCH, FieldPlan
from opensearch.index.spaces import SPACES, TEXT

FORM = 3  # part of the row hash: raise it when `fields_of` changes, and a second run rewrites every row
EMBEDDED_CHARACTERS = 8_000  # encoders read about a fifth of that
OPTIONAL = ("group", "available", "created")  # left out of the document where the product has none


@dataclass(frozen=True)
class IndexedImage:
    """One image of a document. Without `vec` the index keeps the vector of that hash, or there is no image encoder."""

    ref: str
    hash: str | None = None
    vec: FloatArray | None = None  # (d,)

    def to_dict(self) -> dict[str, Any]:
        """Return the image as the index stores it."""
        values = {"ref": self.ref, "hash": self.hash, "vec": self.vec}
        return {key: value for key, value in values.items() if value is not None}


def embedding_text(product: Product) -> str:
    """Return the content of the text space: the title, then each text that the content does not contain yet."""
    text = product.title[:EMBEDDED_CHARACTERS]
    for part in product.texts.values():
        if part.lower() not in text.lower():
            text = f"{text.rstrip('.')}. {part[:EMBEDDED_CHARACTERS]}" if text else part
    return text[:EMBEDDED_CHARACTERS]


# How the content of a space is read from a product; a space that is not here has the columns that the plan names.
CONTENTS: dict[str, Callable[[Product], str]] = {TEXT: embedding_text}


def content(product: Product, space: str) -> str:
    """Return what the encoder of a space reads of a product; empty: the product has no vector there."""
    read = CONTENTS.get(space)
    return read(product) if read else product.contents.get(space, "")


def search_text(product: Product) -> str:
    """Return what the lexical sub-query matches: title, texts, extra and keywords, one per line."""
    words = (word for value in product.keywords.values() for word in _as_list(value))
    keywords = (word for word in words if word not in ("true", "false"))
    parts = (product.title, *product.texts.values(), *keywords, *product.extra.values())
    return "\n".join(dict.fromkeys(part for part in parts if part))


def digest(value: bytes | str) -> str:
    """Return the first 32 hex digits of the SHA-256."""
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()[:32]


def content_hash(product: Product, space: str) -> str:
    """Return a hash that changes when the product's vector in the space has to.

    That of the text space includes the language, because an encoder may not support it.
    """
    text = content(product, space)
    return digest(f"{product.language}\n{text}" if space == TEXT else text)


def fields_of(
    product: Product, spaces: Iterable[str] = (), languages: Collection[str] = ALWAYS
) -> dict[str, Any]:
    """Return the document without vectors and images. Its `hashes` hold `row`, of these fields, and one per space.

    `spaces` are the spaces with an encoder; the text hash is always present. `languages` have a field of their own.
    """
    fields: dict[str, Any] = {
        "id": product.id,
        "title": product.title,
        "texts": product.texts,
        "extra": product.extra,
        SEARCH: {field_language(product.language, languages): search_text(product)},
        CODES: indexed_codes([product.id, *product.codes]),
        "numbers": product.numbers,
        "keywords": product.keywords,
        "dates": product.dates,
        "language": product.language,
    }
    fields |= {name: getattr(product, name) for name in OPTIONAL if getattr(product, name) is not None}
    contents = [space for space in spaces if space != TEXT and content(product, space)]
    hashes = {space: content_hash(product, space) for space in (TEXT, *contents)}
    hashes[ROW_HASH] = digest(orjson.dumps([FORM, fields], option=orjson.OPT_SORT_KEYS))
    return {**fields, HASHES: hashes}


def stored_product(source: Mapping[str, Any]) -> Product:
    """Return the product of a document, as far as `source` has its fields; images and further contents are left out."""
    names = ("title", "texts", "extra", "numbers", "keywords", "dates", "language", *OPTIONAL)
    codes = tuple(source.get(CODES, ()))
    return Product(
        str(source.get("id", "")), codes=codes, **{name: source[name] for name in names if name in source}
    )


def with_columns(product: Product, other: Product, columns: Collection[str], plan: FieldPlan) -> Product:
    """Return the product with the values that `other` has of the columns, and without those that it lacks."""
    ordered = {"texts": plan.text, "numbers": plan.numbers, "keywords": plan.keywords, "dates": plan.dates}
    values: dict[str, Any] = {}
    for name in ("extra", *ordered):
        merged, taken = dict(getattr(product, name)), getattr(other, name)
        for column in columns:
            if column in taken:
                merged[column] = taken[column]
            else:
                merged.pop(column, None)
        values[name] = {c: merged[c] for c in ordered[name] if c in merged} if name in ordered else merged
    for name in ("title", *OPTIONAL):
        if getattr(plan, name) in columns:
            values[name] = getattr(other, name)
    codes = (values["keywords"].get(column) for column in plan.codes if column in columns)
    added = (code for value in codes if value is not None for code in _as_list(value))
    values["codes"] = tuple(dict.fromkeys([*product.codes, *other.codes, *added]))
    if any(column in columns for column in (plan.title, *plan.text)):
        values["language"] = other.language
    return replace(product, **values)


def document(
    fields: Mapping[str, Any], vectors: Mapping[str, FloatArray], images: Sequence[IndexedImage]
) -> dict[str, Any]:
    """Return the document of `fields_of` a product; `vectors` (d,) by space, without those of images."""
    paths = {SPACES[space].path: vector for space, vector in vectors.items()}
    return {**fields, IMAGES: [image.to_dict() for image in images], **paths}


def _as_list(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
