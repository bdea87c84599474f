"""Pictures to vectors: a tower trained on a catalogue, or any open_clip model with its own words."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from vitrine.errors import EncoderError
from vitrine.store import Store

from .card import KIND, EncoderCard, put, read_card, slug
from .preprocess import WHITE, prepare
from .protocol import ByteArray, FloatArray, ImageEncoder

PICTURES_A_BATCH = {"cpu": 32, "cuda": 512}


class TorchTower:
    """An image encoder artifact computed by torch."""

    def __init__(self, directory: Path, name: str) -> None:
        import torch

        from encoders.training.tower import load_tower

        from .device import pick_device
        from .workers import Workers

        card = read_card(directory)
        if card.kind != "image" or card.size is None or card.fit is None or card.query_encoder is None:
            raise EncoderError(
                f"encoder {name} ({card.kind}) is not for pictures; name a trained image tower"
            )
        self.name, self.dimension, self.languages = name, card.dimension, card.languages
        self.query_encoder = card.query_encoder
        self.size = card.size
        self._fit, self._background = card.fit, card.background or WHITE
        self._device = pick_device()
        self._tower = load_tower(directory).to(self._device).to(memory_format=torch.channels_last)
        self._workers = Workers(self._device)
        self._torch = torch

    def prepare(self, image: Image.Image) -> ByteArray:
        """The pixels (size, size, 3) that `encode` takes, of an RGB picture; safe in any thread."""
        return prepare(image, self.size, self._fit, self._background)

    def encode(self, pixels: ByteArray) -> FloatArray:
        """Vectors (n, d) of unit length of prepared pictures (n, size, size, 3)."""

        def compute(batch: ByteArray) -> FloatArray:
            seen = self._torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
            found: FloatArray = self._tower(seen).float().cpu().numpy()
            return found

        rows = PICTURES_A_BATCH[self._device.type]
        batches = [pixels[start : start + rows] for start in range(0, len(pixels), rows)]
        made = list(self._workers.map(compute, batches))
        return np.concatenate(made) if made else np.zeros((0, self.dimension), dtype=np.float32)


def open_image_encoder(spec: str, store: Store) -> ImageEncoder:
    """The image encoder that `spec` names: an artifact, a trained tower's directory, or open_clip's `model/pretrained`.

    Whatever it is, it is in the store afterwards, under the name that the encoder carries; so is its query encoder.
    """
    if store.has(KIND, spec):
        return TorchTower(store.get(KIND, spec), spec)
    directory = Path(spec)
    if directory.is_dir():
        name = put(store, directory)
        return TorchTower(store.get(KIND, name), name)
    model, slash, pretrained = spec.partition("/")
    if not slash or not pretrained:
        raise EncoderError(
            f"image encoder {spec!r} is no artifact of the store {store.url}, no directory, and no open_clip name"
            " of the form model/pretrained; train one with `vitrine encoder train`"
        )
    name = _adopt_clip(store, model, pretrained)
    return TorchTower(store.get(KIND, name), name)


def write_tower(directory: Path, tower: object, name: str, card: EncoderCard) -> None:
    """Write the files of an image encoder artifact, except tower.json, into `directory`."""
    from torch import nn

    from encoders.training.tower import save_weights

    from .export import export_image_onnx

    if not isinstance(tower, nn.Module) or card.size is None:
        raise EncoderError(f"encoder {name} has no tower or no size, so it cannot be written")
    save_weights(tower, directory / "weights.safetensors")
    export_image_onnx(tower, directory / "model.onnx", card.size)
    card.write(directory)


def _adopt_clip(store: Store, model: str, pretrained: str) -> str:
    """Put both towers of an open_clip model into the store; the name of the image tower."""
    from encoders.training.tower import clip_tower

    from .clip import export_clip_text

    prefix = slug(f"{model}-{pretrained}")
    tower, shape, whole = clip_tower(model, pretrained, None)
    with tempfile.TemporaryDirectory() as scratch:
        words, pictures = Path(scratch) / "words", Path(scratch) / "pictures"
        words.mkdir()
        pictures.mkdir()
        query_encoder = export_clip_text(store, whole, model, words)
        shape.write(pictures)
        card = EncoderCard(
            prefix, "image", shape.dimension, ("en",), None, None, shape.size, shape.fit, WHITE, query_encoder
        )
        write_tower(pictures, tower.eval(), prefix, card)
        return put(store, pictures)
