"""Images to vectors by torch: a tower trained on a catalogue, or any open_clip model with its own text tower."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from vitrine.errors import EncoderError
from vitrine.store import Store

from .card import KIND, MODEL_FILE, WEIGHTS_FILE, ImageCard, require_card, slug, store_encoder
from .preprocess import prepare
from .protocol import ByteArray, FloatArray, ImageEncoder

IMAGES_PER_BATCH = {"cpu": 32, "cuda": 512}


class TorchImageEncoder:
    """An image encoder artifact computed by torch."""

    def __init__(self, directory: Path, name: str) -> None:
        import torch

        from encoders.training.tower import load_tower

        from .device import choose_device
        from .workers import Workers

        card = require_card(directory, name, ImageCard)
        self.name, self.dimension, self.languages = name, card.dimension, card.languages
        self.query_encoder = card.query_encoder
        self.size = card.size
        self._fit, self._background = card.fit, card.background
        self._device = choose_device()
        self._tower = load_tower(directory).to(self._device).to(memory_format=torch.channels_last)
        self._workers = Workers(self._device)
        self._torch = torch

    def prepare(self, image: Image.Image) -> ByteArray:
        """Return the pixels (size, size, 3) that `encode` takes, of an RGB image; safe in any thread."""
        return prepare(image, self.size, self._fit, self._background)

    def encode(self, pixels: ByteArray) -> FloatArray:
        """Return vectors (n, d) of unit length of prepared images (n, size, size, 3)."""

        def compute(batch: ByteArray) -> FloatArray:
            on_device = self._torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
            vectors: FloatArray = self._tower(on_device).float().cpu().numpy()
            return vectors

        rows = IMAGES_PER_BATCH[self._device.type]
        batches = [pixels[start : start + rows] for start in range(0, len(pixels), rows)]
        parts = list(self._workers.map(compute, batches))
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), dtype=np.float32)


def open_image_encoder(spec: str, store: Store) -> ImageEncoder:
    """Return the image encoder that `spec` names: an artifact, a tower's directory, or open_clip's `model/pretrained`.

    The encoder is in the store afterwards, under its `name`, and so is its query encoder. Raises EncoderError.
    """
    if store.has(KIND, spec):
        return TorchImageEncoder(store.get(KIND, spec), spec)
    directory = Path(spec)
    if directory.is_dir():
        name = store_encoder(store, directory)
        return TorchImageEncoder(store.get(KIND, name), name)
    model, slash, pretrained = spec.partition("/")
    if not slash or not pretrained:
        raise EncoderError(
            f"image encoder {spec!r} is neither an artifact of the store {store.url}, nor a directory, nor an"
            " open_clip name of the form model/pretrained; train one with `vitrine encoder train`"
        )
    name = _adopt_clip(store, model, pretrained)
    return TorchImageEncoder(store.get(KIND, name), name)


def write_tower(directory: Path, tower: object, name: str, card: ImageCard) -> None:
    """Write the files of an image encoder artifact, except tower.json, into `directory`."""
    from torch import nn

    from encoders.onnx.export import export_image_onnx
    from encoders.training.tower import save_weights

    if not isinstance(tower, nn.Module):
        raise EncoderError(f"encoder {name} has no torch tower, so it cannot be written")
    save_weights(tower, directory / WEIGHTS_FILE)
    export_image_onnx(tower, directory / MODEL_FILE, card.size)
    card.write(directory)


def _adopt_clip(store: Store, model: str, pretrained: str) -> str:
    """Put both towers of an open_clip model into the store and return the name of the image tower."""
    from encoders.training.tower import clip_tower

    from .clip import export_clip_text

    prefix = slug(f"{model}-{pretrained}")
    tower, shape, whole = clip_tower(model, pretrained, None)
    with tempfile.TemporaryDirectory() as scratch:
        words, images = Path(scratch) / "words", Path(scratch) / "images"
        words.mkdir()
        images.mkdir()
        query_encoder = export_clip_text(store, whole, model, words)
        shape.write(images)
        card = ImageCard(
            name=prefix,
            dimension=shape.dimension,
            languages=("en",),
            size=shape.size,
            fit=shape.fit,
            query_encoder=query_encoder,
        )
        write_tower(images, tower.eval(), prefix, card)
        return store_encoder(store, images)
