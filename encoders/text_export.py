"""A sentence-transformers model as an encoder artifact, whose graph is checked against the model itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from encoders.onnx.text import OnnxCatalogueEncoder
from vitrine.errors import EncoderError
from vitrine.store import Store, content_name

from .card import MODEL_FILE, TOKENIZER_FILE, TORCH_FOLDER, TextCard, export_once
from .prompts import Prompts, configured_prompts, family_prompts
from .protocol import FloatArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_DISTANCE = 1e-3  # cosine distance between two forms of one encoder
DEFAULT_MAX_TOKENS = 512  # of a model that names no limit
_NO_LIMIT = 1_000_000  # tokenizers without a limit name a huge number
# Files beside a model that are not part of it: other formats of the same weights, git's files.
_OTHER_FILES = shutil.ignore_patterns(
    "onnx", "openvino", "*.onnx", "*.h5", "*.ot", "*.msgpack", ".git*", "data_config.json"
)
# Texts of several lengths and scripts, by which two forms of an encoder are compared.
_SAMPLE = (
    "a",
    "red shoes for men",
    "Women's waterproof trail running shoe, size 42",
    "红色跑鞋",
    "Kabellose Kopfhörer, 30 h " * 8,
)


def export_directory(
    store: Store, origin: Path, prefix: str, languages: tuple[str, ...], trust_remote_code: bool = False
) -> str:
    """Return the name of the artifact of a sentence-transformers directory, exported when the store and the cache lack it.

    Raises EncoderError for a model that cannot be loaded, or whose graph gives other vectors.
    """
    source = content_name(prefix, origin)

    def export(target: Path) -> None:
        from .torch_text import load_sentence_transformer

        model = load_sentence_transformer(str(origin), trust_remote_code)
        shutil.copytree(origin, target / TORCH_FOLDER, ignore=_OTHER_FILES)
        card = _model_card(model, origin, prefix, languages, source)
        card.write(target)
        _write_tokenizer(model, card.max_tokens, target / TOKENIZER_FILE)
        _write_graph(model, card, target)
        _check(model, card, target)

    return export_once(store, prefix, source, export)


def sample_distance(
    left: Callable[[Sequence[str]], FloatArray], right: Callable[[Sequence[str]], FloatArray]
) -> float:
    """Return the largest cosine distance between the unit vectors that two encoders give for the sample texts."""
    distances = 1 - np.sum(left(_SAMPLE) * right(_SAMPLE), axis=1)
    return float(np.nan_to_num(distances, nan=np.inf).max())


def model_languages(card: str | Path) -> tuple[str, ...]:
    """Return the ISO 639-1 codes of a model's card, by path or hub name; none means any language."""
    from huggingface_hub import ModelCard

    try:
        named = ModelCard.load(card).data.get("language") or []
    except (OSError, ValueError):  # no card, or an unreadable one: the languages are unknown
        return ()
    codes = [named] if isinstance(named, str) else [str(code) for code in named]
    return tuple(sorted({code for code in codes if len(code) == 2}))


def _model_card(
    model: SentenceTransformer, origin: Path, prefix: str, languages: tuple[str, ...], source: str
) -> TextCard:
    dimension = model.get_embedding_dimension()
    if dimension is None:
        raise EncoderError(f"text encoder {prefix} has no dimension in its configuration; name another")
    prompts = (
        configured_prompts(model.prompts, model.default_prompt_name)
        or family_prompts([str(origin), _base_model(origin)])
        or Prompts()
    )
    return TextCard(
        name=prefix,
        dimension=dimension,
        languages=languages,
        source=source,
        max_tokens=_max_tokens(model),
        query_prompt=prompts.query,
        document_prompt=prompts.document,
        prompt_pooled=all(getattr(module, "include_prompt", True) for module in model),
        custom_code=any(origin.rglob("*.py")),
    )


def _base_model(origin: Path) -> str:
    """Return the name of the model that this one was saved from, as its config.json has it; empty: unknown."""
    try:
        return str(json.loads((origin / "config.json").read_text()).get("_name_or_path") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _max_tokens(model: SentenceTransformer) -> int:
    """Return the number of tokens at which the model itself cuts a text."""
    limit = model.max_seq_length
    return int(limit) if limit and limit < _NO_LIMIT else DEFAULT_MAX_TOKENS


def _write_tokenizer(model: SentenceTransformer, max_tokens: int, path: Path) -> None:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EncoderError(
            f"this text encoder has no fast tokenizer, which serving needs; name one with a {TOKENIZER_FILE}"
        )
    backend.no_padding()
    backend.enable_truncation(max_tokens, direction=getattr(model.tokenizer, "truncation_side", "right"))
    backend.save(str(path))


def _write_graph(model: SentenceTransformer, card: TextCard, directory: Path) -> None:
    from encoders.onnx.export import export_text_onnx

    try:
        export_text_onnx(model, directory / MODEL_FILE, card.max_tokens, card.prompt_pooled)
    except Exception as error:  # torch's exporter raises nearly anything on modules that it does not know
        modules = ", ".join(type(module).__name__ for module in model)
        raise EncoderError(
            f"text encoder {card.name} ({modules}) cannot be written as an ONNX graph, which serving needs"
            f" ({str(error).strip().splitlines()[0][:200]}); name another"
        ) from error


def _check(model: SentenceTransformer, card: TextCard, directory: Path) -> None:
    """Compare the written form with the model itself, for both prompts. Raises EncoderError."""
    written = OnnxCatalogueEncoder(directory, card.name, threads=1)
    sides = ((card.query_prompt, written.encode_queries), (card.document_prompt, written.encode))
    for prompt, encode in sides:
        distance = sample_distance(encode, partial(_own_vectors, model, prompt))
        if distance > MAX_DISTANCE:
            raise EncoderError(
                f"text encoder {card.name}: its ONNX graph gives other vectors than the model itself (cosine distance "
                f"{distance:.1g}, at most {MAX_DISTANCE:g}), so it cannot be served; name another"
            )


def _own_vectors(model: SentenceTransformer, prompt: str, texts: Sequence[str]) -> FloatArray:
    vectors: FloatArray = model.encode(
        list(texts), prompt=prompt, normalize_embeddings=True, show_progress_bar=False
    )
    return vectors
