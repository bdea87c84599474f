"""The training samples of an image tower, read from a catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from encoders.image_io import decode_image
from encoders.images.fetch import Fetcher
from encoders.images.source import ImagePlaces, ImageSource, read_image
from encoders.training.captions import ProductText
from encoders.training.pixel_file import pixel_file
from encoders.training.samples import Samples
from indexer.catalogue.product import Product, read_product
from indexer.catalogue.reader import CatalogueRow, read_rows
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError, EncoderError, ImageError

MAX_IMAGES = 64  # of one product
MIN_PRODUCTS = 50


def read_samples(
    catalogue: Path,
    plan: FieldPlan,
    languages: tuple[str, ...],
    cache: tuple[Path, int],
    on_images: Callable[[int], Callable[[], None]],
    image_base: str | None = None,
) -> Samples:
    """Return the products with an image; images are decoded once into the file and size that `cache` names.

    `on_images(total)` returns the function that is called after each image, and `image_base` is the base of `ImagePlaces`.
    Raises EncoderError when too few products have an image.
    """
    ids: list[str] = []
    texts: list[ProductText] = []
    sources: list[ImageSource] = []
    product: list[int] = []
    for item in _products(catalogue, plan):
        if not item.images or not (item.title or item.keywords):
            continue
        sources += item.images[:MAX_IMAGES]
        product += [len(ids)] * len(item.images[:MAX_IMAGES])
        ids.append(item.id)
        texts.append(_product_text(item, languages))
    if len(ids) < MIN_PRODUCTS:
        raise EncoderError(
            f"{len(ids)} products of {catalogue.name} have an image and text; at least {MIN_PRODUCTS} are needed"
            " to train an image tower (check `images` in the field plan)"
        )
    fetch, places = Fetcher(), ImagePlaces(catalogue.parent, image_base)

    def load(row: int) -> Image.Image | None:
        try:
            return decode_image(read_image(sources[row], places, fetch).data, side=cache[1])
        except ImageError:
            return None

    keys = [f"{ids[row]}\0{_key(source)}" for row, source in zip(product, sources, strict=True)]
    pixels = pixel_file(cache[0], keys, cache[1], load, on_images(len(keys)))
    if pixels.readable.sum() < MIN_PRODUCTS:
        raise EncoderError(
            f"{int(pixels.readable.sum())} of {len(keys)} images of {catalogue.name} could be read; paths are relative"
            f" to {catalogue.parent}"
        )
    return Samples(ids, texts, pixels, np.array(product, dtype=np.int64), int((~pixels.readable).sum()))


def _products(catalogue: Path, plan: FieldPlan) -> Iterator[Product]:
    for row in read_rows(catalogue, plan=plan):
        if not isinstance(row, CatalogueRow):
            continue
        try:
            yield read_product(row.values, plan)[0]
        except CatalogueError:  # `vitrine index` reports such rows
            continue


def _product_text(item: Product, languages: tuple[str, ...]) -> ProductText:
    keywords = {
        name: (value,) if isinstance(value, str) else tuple(value) for name, value in item.keywords.items()
    }
    if languages and item.language not in languages:
        return ProductText("", (), keywords)
    return ProductText(item.title, tuple(item.texts.values()), keywords)


def _key(source: ImageSource) -> str:
    return source if isinstance(source, str) else hashlib.sha256(source).hexdigest()
