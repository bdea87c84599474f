"""Query encoders, and the decoding of a query's image."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image
from support.rerank_index import DIMENSION, image_encoder, text_encoder
from support.stub_encoders import StubImage

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from rerank import query_encoders
from rerank.arrays import FloatArray
from rerank.query_image import decode_query_image, read_query_image
from vitrine.errors import ArtifactError, QueryError
from vitrine.store import Store

ENGLISH = VectorField("minilm-1", "minilm-1", 384, ("en",))


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def test_an_index_without_vectors_gives_none_and_refuses_images(tmp_path: Path) -> None:
    encoders = query_encoders.QueryEncoders(IndexSchema(FieldPlan()), Store(str(tmp_path)))
    assert encoders.vectors("red shoes") == {}
    with pytest.raises(QueryError, match="the index has no image vectors"):
        encoders.vectors("", Image.new("RGB", (4, 4)))


class WordCounter:
    """A query encoder of two dimensions: one, and the number of words."""

    name, dimension = "counter-1", 2

    def encode(self, queries: Sequence[str]) -> list[FloatArray]:
        return [np.array([1, len(query.split())], dtype=np.float32) for query in queries]


def test_words_have_a_vector_in_every_space_of_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_encoders, "open_onnx_text", lambda store, name: WordCounter())
    spaces = {
        "text": VectorField("counter-1", "counter-1", 2),
        "audio": VectorField("sound-1", "counter-1", 2, ("en",)),
    }
    encoders = query_encoders.QueryEncoders(IndexSchema(FieldPlan(), spaces), Store(str(tmp_path)))
    english, chinese, empty = encoders.batch(["red shoes", "红色跑鞋", ""], [None, None, None])
    assert {space: vector.tolist() for space, vector in english.items()} == {"text": [1, 2], "audio": [1, 2]}
    assert list(chinese) == ["text"]  # the encoder of the other space knows English alone
    assert empty == {}


def test_other_encoders_are_refused_by_both_names() -> None:
    index = IndexSchema(FieldPlan(), {"text": ENGLISH})
    with pytest.raises(ArtifactError, match=r"are by minilm-1, model m-1 was made for those of clip-2"):
        query_encoders.require_same_encoders(index, {"text": "clip-2"}, "model m-1")
    with pytest.raises(ArtifactError, match=r"image vectors of the index are by no encoder"):
        query_encoders.require_same_encoders(index, {"text": "minilm-1", "image": "tower-3"}, "model m-1")
    query_encoders.require_same_encoders(index, {"text": "minilm-1", "image": None}, "model m-1")


def test_transparency_is_white() -> None:
    image = decode_query_image(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0))))
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_a_float_image_of_middle_grey_is_middle_grey() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32)).save(buffer, "TIFF")
    assert decode_query_image(buffer.getvalue()).getpixel((0, 0)) == (128, 128, 128)


def test_sixteen_bits_keep_their_brightness() -> None:
    half = Image.fromarray(np.full((2, 2), 32896, dtype=np.uint16))  # 128 * 257
    assert decode_query_image(encoded(half)).getpixel((0, 0)) == (128, 128, 128)


def test_a_photo_is_turned_upright() -> None:
    image = Image.new("RGB", (8, 4))
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert decode_query_image(buffer.getvalue()).size == (4, 8)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cannot be used: the file"),
        (b"<html>", "cannot be used: the file"),
        (encoded(Image.effect_noise((64, 64), 50))[:900], "is damaged"),
    ],
)
def test_bytes_that_are_not_an_image_are_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(QueryError, match=sentence):
        decode_query_image(data)


def test_a_missing_image_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="cannot be read"):
        read_query_image(tmp_path / "none.png")


def test_a_photo_is_decoded_at_the_size_of_the_encoder_on_both_sides(tmp_path: Path) -> None:
    from encoders.protocol import ImageEncoder
    from indexer.load.image_loader import ImageLoader

    store = Store(str(tmp_path))
    words = text_encoder(store)
    fields = {"image": VectorField(image_encoder(store, words), words, DIMENSION)}
    encoders = query_encoders.QueryEncoders(IndexSchema(FieldPlan(), fields), store)
    photo = encoded(Image.effect_noise((640, 480), 60).convert("RGB"), "JPEG")
    side = encoders.image_side
    decoded = decode_query_image(photo, side=side)
    assert side == 8
    assert decoded.size == (80, 60)  # an eighth, the smallest that a JPEG is decoded at

    stub = StubImage(size=side)
    loader = ImageLoader(cast(ImageEncoder, stub), None, None, None)  # type: ignore[arg-type]
    np.testing.assert_array_equal(loader._pixels(photo), stub.prepare(decoded))
    loader.close()
