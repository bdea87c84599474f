"""The pictures of a catalogue and the words beside them: what a tower is taught from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from encoders.image_io import decode_image
from indexer.catalogue.product import ImageSource, Product, read_product
from indexer.catalogue.reader import BadRow, read_rows
from indexer.images.fetch import Fetcher
from indexer.images.source import read_image
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError, EncoderError, ImageError

from .captions import ProductText
from .pixel_file import PixelFile, pixel_file

PICTURES_A_PRODUCT = 64
LEAST_PRODUCTS = 50


@dataclass(frozen=True)
class Samples:
    """Pictures that could be read, and the product that each belongs to."""

    ids: list[str]  # of products
    described: list[ProductText]  # by product
    pixels: PixelFile  # by picture
    product: NDArray[np.int64]  # (pictures,) row of the product
    unreadable: int

    def rows(self, validation: bool) -> NDArray[np.int64]:
        """The readable pictures of the products that training (or validation) may use."""
        held = np.array([is_validation(identity) for identity in self.ids])
        return np.flatnonzero(self.pixels.readable & (held[self.product] == validation))


def is_validation(identity: str) -> bool:
    """Whether a product is kept for validation: one in sixteen, by a hash of its id."""
    return int(hashlib.sha256(f"validation:{identity}".encode()).hexdigest(), 16) % 16 == 0


def read_samples(
    catalogue: Path,
    plan: FieldPlan,
    languages: tuple[str, ...],
    cache: tuple[Path, int],
    done: Callable[[int], Callable[[], None]],
) -> Samples:
    """Every product with a picture; pictures are decoded once into the file and size that `cache` names.

    `done(total)` gives what is called after each picture. Raises EncoderError when too few products have one.
    """
    ids: list[str] = []
    described: list[ProductText] = []
    sources: list[ImageSource] = []
    product: list[int] = []
    for item in _products(catalogue, plan):
        if not item.images or not (item.title or item.keywords):
            continue
        sources += item.images[:PICTURES_A_PRODUCT]
        product += [len(ids)] * len(item.images[:PICTURES_A_PRODUCT])
        ids.append(item.id)
        described.append(_described(item, languages))
    if len(ids) < LEAST_PRODUCTS:
        raise EncoderError(
            f"{len(ids)} products of {catalogue.name} have a picture and words; at least {LEAST_PRODUCTS} are needed"
            " to train an image tower (check `images` in the field plan)"
        )
    fetch = Fetcher()

    def load(row: int) -> Image.Image | None:
        try:
            return decode_image(read_image(sources[row], catalogue.parent, fetch).data, side=cache[1])
        except ImageError:
            return None

    keys = [f"{ids[row]}\0{_key(source)}" for row, source in zip(product, sources, strict=True)]
    pixels = pixel_file(cache[0], keys, cache[1], load, done(len(keys)))
    if pixels.readable.sum() < LEAST_PRODUCTS:
        raise EncoderError(
            f"{int(pixels.readable.sum())} of {len(keys)} pictures of {catalogue.name} could be read; paths are taken"
            f" from {catalogue.parent}"
        )
    return Samples(ids, described, pixels, np.array(product, dtype=np.int64), int((~pixels.readable).sum()))


def _products(catalogue: Path, plan: FieldPlan) -> Iterator[Product]:
    for row in read_rows(catalogue):
        if isinstance(row, BadRow):
            continue
        try:
            yield read_product(row.values, plan)[0]
        except CatalogueError:  # `vitrine index` reports such rows; nothing can be learned from them
            continue


def _described(item: Product, languages: tuple[str, ...]) -> ProductText:
    keywords = {
        name: (value,) if isinstance(value, str) else tuple(value) for name, value in item.keywords.items()
    }
    if languages and item.language not in languages:
        return ProductText("", (), keywords)
    return ProductText(item.title, tuple(item.texts.values()), keywords)


def _key(source: ImageSource) -> str:
    return source if isinstance(source, str) else hashlib.sha256(source).hexdigest()
