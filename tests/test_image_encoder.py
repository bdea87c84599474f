"""Image encoders: preparation, artifacts, open_clip models, and the ONNX form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from encoders.card import ImageCard
from encoders.image import open_image_encoder, write_tower
from encoders.onnx.image import open_onnx_image
from encoders.onnx.text import open_onnx_text
from encoders.preprocess import prepare
from encoders.training.tower import TowerShape, build_tower
from vitrine.errors import EncoderError
from vitrine.store import Store

SHAPE = TowerShape("test_resnet", False, 24, 64)
TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    directory = tmp_path_factory.mktemp("tower")
    torch.manual_seed(5)
    SHAPE.write(directory)
    card = ImageCard(
        name="tower", dimension=24, languages=("en",), size=64, fit="pad", query_encoder="words-1"
    )
    write_tower(directory, build_tower(SHAPE).eval(), "tower", card)
    return directory


@pytest.fixture(scope="module")
def clip_spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CLIP model of random weights: `model/file`, as open_clip takes a file for a pretrained tag."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-clip.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(folder / "tiny-clip.json")
    torch.manual_seed(6)
    weights = folder / "tiny.safetensors"
    save_file(
        {key: value.contiguous() for key, value in open_clip.create_model("tiny-clip").state_dict().items()},
        weights,
    )
    return f"tiny-clip/{weights}"


def pictures(count: int) -> list[Image.Image]:
    random = np.random.default_rng(8)
    return [
        Image.fromarray(random.integers(0, 256, (side, 90, 3), dtype=np.uint8)).resize((70 + side, 80))
        for side in range(20, 20 + count)
    ]


def test_trained_tower_opens_by_directory_and_by_name(store: Store, tower: Path) -> None:
    encoder = open_image_encoder(str(tower), store)
    again = open_image_encoder(encoder.name, store)
    assert (again.name, again.dimension, again.query_encoder, again.languages) == (
        encoder.name, 24, "words-1", ("en",),
    )  # fmt: skip
    pixels = np.stack([encoder.prepare(image) for image in pictures(3)])
    np.testing.assert_array_equal(encoder.encode(pixels), again.encode(pixels))


def test_vectors_have_unit_length_and_do_not_depend_on_the_batch(store: Store, tower: Path) -> None:
    encoder = open_image_encoder(str(tower), store)
    pixels = np.stack([encoder.prepare(image) for image in pictures(40)])
    vectors = encoder.encode(pixels)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    np.testing.assert_allclose(vectors[37], encoder.encode(pixels[37:38])[0], atol=2e-2)
    assert encoder.encode(pixels[:0]).shape == (0, 24)


def test_onnx_and_torch_give_equal_image_vectors(store: Store, tower: Path) -> None:
    encoder = open_image_encoder(str(tower), store)
    served = open_onnx_image(store, encoder.name)
    indexed = encoder.encode(np.stack([encoder.prepare(image) for image in pictures(8)]))
    assert (served.encode(pictures(8)) * indexed).sum(axis=1).min() > 1 - 1e-3
    np.testing.assert_allclose(served(pictures(1)[0]), served.encode(pictures(3))[0], atol=1e-5)


def test_an_image_encoder_does_not_serve_words(store: Store, tower: Path) -> None:
    name = open_image_encoder(str(tower), store).name
    with pytest.raises(EncoderError, match="is an encoder of kind image; one of kind text is needed"):
        open_onnx_text(store, name)


@given(
    st.integers(1, 300), st.integers(1, 300), st.sampled_from(("pad", "crop", "squash")), st.integers(8, 64)
)
def test_every_image_becomes_a_square_of_bytes(width: int, height: int, fit: str, size: int) -> None:
    image = Image.frombytes("RGB", (width, height), np.random.default_rng(width).bytes(width * height * 3))
    pixels = prepare(image, size, fit, (9, 8, 7))
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8


def test_padding_keeps_all_of_a_wide_image_in_the_middle() -> None:
    pixels = prepare(Image.new("RGB", (40, 20), (200, 0, 0)), 8, "pad", (255, 255, 255))
    assert pixels[:2].min() == pixels[6:].min() == 255
    assert (pixels[2:6] == (200, 0, 0)).all()


def test_cropping_keeps_the_middle() -> None:
    image = Image.new("RGB", (40, 20), (0, 0, 255))
    image.paste((200, 0, 0), (10, 0, 30, 20))
    middle = prepare(image, 10, "crop")[:, 2:-2].astype(int)
    assert np.abs(middle - (200, 0, 0)).max() <= 3


def test_an_open_clip_model_brings_its_own_words(store: Store, clip_spec: str) -> None:
    import open_clip
    import torch

    encoder = open_image_encoder(clip_spec, store)
    assert store.has("encoders", encoder.query_encoder)
    model = open_clip.create_model("tiny-clip", pretrained=clip_spec.partition("/")[2]).eval()
    queries = ["red shoes", "it's a BLUE dress, isn't it?  100% 棉", "é" * 90, ""]
    served = open_onnx_text(store, encoder.query_encoder)
    with torch.inference_mode():
        words = model.encode_text(open_clip.get_tokenizer("tiny-clip")(queries), normalize=True).numpy()
    np.testing.assert_allclose(np.stack(served.encode(queries)), words, atol=1e-4)
    pixels = np.stack([encoder.prepare(image) for image in pictures(3)])
    seen = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(open_clip.OPENAI_DATASET_MEAN), torch.tensor(open_clip.OPENAI_DATASET_STD))
    with torch.inference_mode():
        expected = model.encode_image((seen - mean.view(3, 1, 1)) / std.view(3, 1, 1), normalize=True).numpy()
    assert (encoder.encode(pixels) * expected).sum(axis=1).min() > 1 - 1e-3


@pytest.mark.parametrize("spec", ["nothing", "no-such-model/none"])
def test_an_unknown_image_encoder_is_one_sentence(store: Store, spec: str) -> None:
    with pytest.raises(EncoderError, match=r"(vitrine encoder train|list_pretrained)") as raised:
        open_image_encoder(spec, store)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_not_an_encoder_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"has no encoder\.json"):
        open_image_encoder(str(tmp_path), store)
