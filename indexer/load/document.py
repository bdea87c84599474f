"""From a product and its vectors to the document of the index, and back; the hashes that tell a change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from encoders.protocol import FloatArray
from indexer.catalogue.product import Product

FORM = 2  # part of the row hash: raise it when `fields_of` changes, and a second run rewrites every row
EMBEDDED_CHARACTERS = 8_000  # encoders read about a fifth of that
OPTIONAL = ("group", "available", "created")  # left out of the document where the product has none


@dataclass(frozen=True)
class IndexedPicture:
    """One picture in the index; no vector: it keeps the one it has, or no encoder looks at pictures."""

    ref: str
    hash: str | None = None
    vec: FloatArray | None = None  # (d,)

    def to_dict(self) -> dict[str, Any]:
        values = {"ref": self.ref, "hash": self.hash, "vec": self.vec}
        return {key: value for key, value in values.items() if value is not None}


def embedding_text(product: Product) -> str:
    """What the text encoder reads: the title, then each text that does not repeat what stands before it."""
    text = product.title[:EMBEDDED_CHARACTERS]
    for part in product.texts.values():
        if part.lower() not in text.lower():
            text = f"{text.rstrip('.')}. {part[:EMBEDDED_CHARACTERS]}" if text else part
    return text[:EMBEDDED_CHARACTERS]


def search_text(product: Product) -> str:
    """What the words of a query are matched against: title, texts, extra and keywords, a line each."""
    words = (word for value in product.keywords.values() for word in _listed(value))
    spoken = (word for word in words if word not in ("true", "false"))
    return "\n".join(
        dict.fromkeys(
            part
            for part in (product.title, *product.texts.values(), *spoken, *product.extra.values())
            if part
        )
    )


def search_field(language: str) -> str:
    """The part of `search` whose analyzer reads the language."""
    return language if language in ("en", "zh") else "any"


def content_hash(value: bytes | str) -> str:
    """32 hex digits of the SHA-256."""
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()[:32]


def text_hash(product: Product) -> str:
    """Changes when the text vector has to; the language counts, for an encoder may not know it."""
    return content_hash(f"{product.language}\n{embedding_text(product)}")


def fields_of(product: Product) -> dict[str, Any]:
    """All of the document but vectors and pictures; the hash of just this is in it as `hashes.row`."""
    fields: dict[str, Any] = {
        "id": product.id,
        "title": product.title,
        "texts": product.texts,
        "extra": product.extra,
        "search": {search_field(product.language): search_text(product)},
        "numbers": product.numbers,
        "keywords": product.keywords,
        "dates": product.dates,
        "language": product.language,
    }
    fields |= {name: getattr(product, name) for name in OPTIONAL if getattr(product, name) is not None}
    row = content_hash(orjson.dumps([FORM, fields], option=orjson.OPT_SORT_KEYS))
    return {**fields, "hashes": {"text": text_hash(product), "row": row}}


def document(
    fields: Mapping[str, Any], text_vec: FloatArray | None, pictures: Sequence[IndexedPicture]
) -> dict[str, Any]:
    """The document of `fields_of` a product; `text_vec` (d,) or None where there is no text to find it by."""
    whole = {**fields, "images": [picture.to_dict() for picture in pictures]}
    return whole if text_vec is None else {**whole, "text_vec": text_vec}


def product_of(document: Mapping[str, Any]) -> Product:
    """The product that a document was made of; its pictures as the index names them."""
    names = ("id", "title", "texts", "extra", "numbers", "keywords", "dates", "language", *OPTIONAL)
    values = {name: document[name] for name in names if name in document}
    return Product(**values, images=tuple(image["ref"] for image in document.get("images", ())))


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
