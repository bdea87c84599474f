"""Titles and small images of the products that a report shows, as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from encoders.image_io import decode_image
from encoders.images.source import Fetch, ImagePlaces, read_image
from vitrine.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from opensearch.client import OpenSearch

SIDE = 120  # pixels of the longer side
_QUALITY = 80
_DOCUMENTS = 500  # read at once
_THREADS = 8


@dataclass(frozen=True)
class ProductCard:
    """What is shown of a product: its title, and its first image as a data URI; None where there is none to read."""

    title: str = ""
    image: str | None = None


def product_cards(
    client: OpenSearch, index: str, ids: Collection[str], places: ImagePlaces, fetch: Fetch
) -> dict[str, ProductCard]:
    """Return the cards of the products that the index holds, by id; an image that cannot be read is left out."""
    documents = {str(hit["_id"]): hit.get("_source") or {} for hit in _documents(client, index, sorted(ids))}
    with ThreadPoolExecutor(_THREADS) as threads:
        images = threads.map(lambda source: _first_image(source, places, fetch), documents.values())
        return {
            product: ProductCard(str(source.get("title") or ""), image)
            for (product, source), image in zip(documents.items(), images, strict=True)
        }


def data_uri(image: Image) -> str:
    """Return an image, made small, as the data URI of a JPEG."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def _documents(client: OpenSearch, index: str, ids: list[str]) -> Iterable[Mapping[str, Any]]:
    for start in range(0, len(ids), _DOCUMENTS):
        part = ids[start : start + _DOCUMENTS]
        body = {"size": len(part), "_source": ["title", "images.ref"], "query": {"ids": {"values": part}}}
        yield from client.search(index=index, body=body, params={"search_pipeline": "_none"})["hits"]["hits"]


def _first_image(source: Mapping[str, Any], places: ImagePlaces, fetch: Fetch) -> str | None:
    """Return the first image of a document that can be read; the index holds where images lie, not their pixels."""
    for image in source.get("images") or ():
        try:
            return data_uri(decode_image(read_image(str(image.get("ref", "")), places, fetch).data, SIDE))
        except ImageError:
            continue
    return None
