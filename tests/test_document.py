"""Documents: the contract of the index, the round trip, and hashes that change when they must and only then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.catalogue.product import Product
from indexer.load.document import (
    IndexedPicture,
    document,
    embedding_text,
    fields_of,
    product_of,
    search_text,
    text_hash,
)

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


def test_what_is_embedded_says_nothing_twice() -> None:
    assert embedding_text(SHOE) == "Nord shoe R7. For running. "
    assert embedding_text(Product("1", texts={"about": "For running"})) == "For running"
    assert embedding_text(Product("1")) == ""
    assert len(embedding_text(Product("1", title="x" * 1_000_000))) == 8000


def test_what_is_searched_holds_title_texts_and_keywords() -> None:
    assert search_text(SHOE) == "Nord shoe R7\nFor running. \nR7\nred\nnew\nsale\nrubber"


def test_a_document_has_the_fields_of_the_contract() -> None:
    vector = np.array([0.6, 0.8], dtype=np.float32)
    made = document(
        fields_of(SHOE), vector, [IndexedPicture("a.jpg", "h", vector), IndexedPicture("b.jpg", "i")]
    )
    hashes = made.pop("hashes")
    assert set(hashes) == {"text", "row"}
    assert made == {
        "id": "1",
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
    assert "text_vec" not in document(fields_of(SHOE), None, [])


@pytest.mark.parametrize(("language", "field"), [("en", "en"), ("zh", "zh"), ("de", "any")])
def test_a_row_fills_the_search_field_of_its_language(language: str, field: str) -> None:
    assert list(fields_of(replace(SHOE, language=language))["search"]) == [field]


def test_the_hashes_tell_what_changed() -> None:
    before = fields_of(SHOE)["hashes"]
    price = fields_of(replace(SHOE, numbers={"price": 13.0}))["hashes"]
    assert price["text"] == before["text"]
    assert price["row"] != before["row"]
    title = fields_of(replace(SHOE, title="Nord boot"))["hashes"]
    assert title["text"] != before["text"]
    assert text_hash(replace(SHOE, language="de")) != before["text"]
    reordered = replace(SHOE, keywords=dict(reversed(SHOE.keywords.items())))
    assert fields_of(reordered)["hashes"]["text"] == before["text"]
    assert fields_of(replace(SHOE, images=()))["hashes"] == before


_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_MAYBE = st.none() | _WORDS


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
        group=_MAYBE,
        available=st.none() | st.booleans(),
        created=_MAYBE,
    )
)
def test_a_product_comes_back_out_of_its_document(product: Product) -> None:
    pictures = [IndexedPicture(str(source)) for source in product.images]
    assert product_of(document(fields_of(product), None, pictures)) == product
