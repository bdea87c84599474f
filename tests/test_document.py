"""Documents: their fields, the round trip from a product and back, and hashes that change only when they must."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.catalogue.product import Product
from indexer.load.document import (
    OPTIONAL,
    IndexedImage,
    content,
    content_hash,
    document,
    embedding_text,
    fields_of,
    search_text,
)
from opensearch.index.fields import IMAGES


def product_of(document: Mapping[str, Any]) -> Product:
    """Return the product that a document was made of, with its images as the index names them.

    Contents of further spaces are not in the document.
    """
    names = ("id", "title", "texts", "extra", "numbers", "keywords", "dates", "language", *OPTIONAL)
    values = {name: document[name] for name in names if name in document}
    return Product(**values, images=tuple(image["ref"] for image in document.get(IMAGES, ())))


SHOE = Product(
    id="1",
    title="Nord shoe R7",
    texts={"about": "For running. ", "model": "R7"},
    extra={"attr_sole": "rubber", "attr_colour": "red"},
    images=("a.jpg",),
    numbers={"price": 12.5},
    keywords={"colour": "red", "tags": ["new", "sale"], "vegan": "true"},
    dates={"since": "2024-01-02"},
    group="g",
    available=False,
)


def test_the_embedded_text_repeats_nothing() -> None:
    assert embedding_text(SHOE) == "Nord shoe R7. For running. "
    assert embedding_text(Product("1", texts={"about": "For running"})) == "For running"
    assert embedding_text(Product("1")) == ""
    assert len(embedding_text(Product("1", title="x" * 1_000_000))) == 8000


def test_the_searched_text_holds_title_texts_keywords_and_extra() -> None:
    assert search_text(SHOE) == "Nord shoe R7\nFor running. \nR7\nred\nnew\nsale\nrubber"


def test_a_document_has_the_fields_of_the_contract() -> None:
    vector = np.array([0.6, 0.8], dtype=np.float32)
    images = [IndexedImage("a.jpg", "h", vector), IndexedImage("b.jpg", "i")]
    shoe = document(fields_of(SHOE), {"text": vector}, images)
    hashes = shoe.pop("hashes")
    assert set(hashes) == {"text", "row"}
    assert shoe == {
        "id": "1",
        "codes": ["1"],
        "title": "Nord shoe R7",
        "texts": SHOE.texts,
        "extra": SHOE.extra,
        "search": {"en": search_text(SHOE)},
        "text_vec": vector,
        "images": [{"ref": "a.jpg", "hash": "h", "vec": vector}, {"ref": "b.jpg", "hash": "i"}],
        "numbers": {"price": 12.5},
        "keywords": SHOE.keywords,
        "dates": {"since": "2024-01-02"},
        "language": "en",
        "group": "g",
        "available": False,
    }
    assert "text_vec" not in document(fields_of(SHOE), {}, [])


@pytest.mark.parametrize(("language", "field"), [("en", "en"), ("zh", "zh"), ("de", "any")])
def test_a_row_fills_the_search_field_of_its_language(language: str, field: str) -> None:
    assert list(fields_of(replace(SHOE, language=language))["search"]) == [field]


def test_each_hash_changes_with_its_content_only() -> None:
    before = fields_of(SHOE)["hashes"]
    price = fields_of(replace(SHOE, numbers={"price": 13.0}))["hashes"]
    assert price["text"] == before["text"]
    assert price["row"] != before["row"]
    title = fields_of(replace(SHOE, title="Nord boot"))["hashes"]
    assert title["text"] != before["text"]
    assert content_hash(replace(SHOE, language="de"), "text") != before["text"]
    reordered = replace(SHOE, keywords=dict(reversed(SHOE.keywords.items())))
    assert fields_of(reordered)["hashes"]["text"] == before["text"]
    assert fields_of(replace(SHOE, images=()))["hashes"] == before


def test_a_further_space_has_the_content_and_the_hash_of_its_columns() -> None:
    song = replace(SHOE, contents={"sound": "la"})
    assert content(song, "sound") == "la"
    assert content(SHOE, "sound") == ""
    assert set(fields_of(song, ["sound"])["hashes"]) == {"text", "sound", "row"}
    assert set(fields_of(SHOE, ["sound"])["hashes"]) == {"text", "row"}
    other = fields_of(replace(SHOE, contents={"sound": "lu"}), ["sound"])["hashes"]
    changed = {key for key, value in fields_of(song, ["sound"])["hashes"].items() if other[key] != value}
    assert changed == {"sound"}


_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_OPTIONAL = st.none() | _WORDS


@given(
    st.builds(
        Product,
        id=_WORDS,
        title=_WORDS,
        texts=st.dictionaries(_WORDS, _WORDS, max_size=3),
        images=st.lists(_WORDS, max_size=3).map(tuple),
        numbers=st.dictionaries(_WORDS, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
        keywords=st.dictionaries(_WORDS, _WORDS | st.lists(_WORDS, max_size=2), max_size=3),
        dates=st.dictionaries(_WORDS, st.dates().map(str), max_size=2),
        language=st.sampled_from(["en", "zh", "de"]),
        group=_OPTIONAL,
        available=st.none() | st.booleans(),
        created=_OPTIONAL,
    )
)
def test_a_product_comes_back_out_of_its_document(product: Product) -> None:
    images = [IndexedImage(str(source)) for source in product.images]
    assert product_of(document(fields_of(product), {}, images)) == product
