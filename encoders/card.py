"""An encoder as a directory: the facts in `encoder.json`, and how the directory gets into the store under its name.

A text encoder has `tokenizer.json` and `model.onnx` (input_ids, attention_mask (n, t) int64 -> vector (n, d) float32, and
pooling_mask like attention_mask where the prompt is left out of the vector); an image encoder has `model.onnx` (pixels
(n, size, size, 3) uint8 -> vector (n, d) float32). Vectors have unit length.
Weights for torch lie beside them; serving reads only these files.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import platformdirs

from vitrine.errors import EncoderError
from vitrine.store import Store, content_name

KIND = "encoders"  # of the artifact store
CARD_FILE = "encoder.json"
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
WEIGHTS_FILE = "weights.safetensors"
TORCH_FOLDER = "torch"
EXPORT_VERSION = 2  # part of the key of exported encoders: raise it when the export itself changes

_Card = TypeVar("_Card", bound="EncoderCard")


@dataclass(frozen=True, kw_only=True)
class EncoderCard:
    """The facts that encoders of every kind have. `languages`: those that the text side knows; empty: any.

    `name` is the readable first part of the artifact's name, `source` the content name of the weights that the encoder
    was exported from.
    """

    kind: ClassVar[str]
    name: str
    dimension: int
    languages: tuple[str, ...] = ()
    source: str | None = None

    def write(self, directory: Path) -> None:
        """Write the card into the encoder's directory."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        text = json.dumps({"kind": self.kind, **values}, indent=1, sort_keys=True)
        (directory / CARD_FILE).write_text(text + "\n")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the card of these JSON values; lists become tuples."""
        names = {field.name for field in fields(cls)}
        arguments: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values.items()
            if key in names
        }
        return cls(**arguments)


@dataclass(frozen=True, kw_only=True)
class TextCard(EncoderCard):
    """The facts of a text encoder; longer texts are cut at `max_tokens`, prompt included.

    `query_prompt` and `document_prompt` are put before every text of that side; `prompt_pooled` tells whether the tokens of
    a prompt enter the vector. A graph with more values than `dimension` is cut to the first `dimension` (Matryoshka
    representation) and brought to unit length again. `custom_code`: torch needs code that the model brings.
    """

    kind: ClassVar[str] = "text"
    max_tokens: int
    query_prompt: str = ""
    document_prompt: str = ""
    prompt_pooled: bool = True
    custom_code: bool = False


@dataclass(frozen=True, kw_only=True)
class ImageCard(EncoderCard):
    """The facts of an image encoder.

    `size` is the side of its square input in pixels, `fit` how an image gets there (see `preprocess.prepare`),
    `query_encoder` the text encoder whose vectors of words search the image vectors.
    """

    kind: ClassVar[str] = "image"
    size: int
    fit: str
    query_encoder: str
    background: tuple[int, int, int] = (255, 255, 255)


CARDS: dict[str, type[EncoderCard]] = {card.kind: card for card in (TextCard, ImageCard)}


def read_card(directory: Path) -> EncoderCard:
    """Return the card of an encoder's directory. Raises EncoderError when there is none, or of no known kind."""
    path = directory / CARD_FILE
    if not path.is_file():
        raise EncoderError(
            f"{directory} is not an encoder: it has no {CARD_FILE}; name an artifact or its directory"
        )
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        return CARDS[values["kind"]].from_dict(values)
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"{path} is not the card of an encoder that this release knows ({error}); "
            f"expected one of kind {' or '.join(CARDS)}"
        ) from error


def require_card(directory: Path, name: str, card_type: type[_Card]) -> _Card:
    """Return the card of the encoder `name`. Raises EncoderError for an encoder of another kind."""
    card = read_card(directory)
    if not isinstance(card, card_type):
        raise EncoderError(
            f"encoder {name} is an encoder of kind {card.kind}; one of kind {card_type.kind} is needed here"
        )
    return card


def slug(text: str) -> str:
    """Return a readable, path-safe prefix: `BAAI/bge-small-en` becomes `bge-small-en`."""
    return re.sub(r"[^a-z0-9]+", "-", text.rstrip("/").rsplit("/", 1)[-1].lower()).strip("-") or "encoder"


def store_encoder(store: Store, directory: Path) -> str:
    """Copy a finished encoder directory into the store and return its name, made of its content."""
    name = content_name(slug(read_card(directory).name), directory)
    store.put(KIND, name, directory)
    return name


def derive_encoder(store: Store, name: str, **changes: Any) -> str:
    """Return the name of the text encoder artifact with the files of `name` and a changed card; without a change `name`.

    The artifact is made only when the store lacks it. Raises EncoderError for a dimension that the encoder does not have.
    """
    origin = store.get(KIND, name)
    card = require_card(origin, name, TextCard)
    dimension = changes.get("dimension") or card.dimension
    if not 1 <= dimension <= card.dimension:
        raise EncoderError(
            f"encoder {name} gives vectors of {card.dimension} values, not {dimension}; name a dimension from 1 to "
            f"{card.dimension}"
        )
    wanted = replace(card, **changes)
    if wanted == card:
        return name
    if dimension != card.dimension:
        wanted = replace(wanted, name=f"{card.name}-d{dimension}")
    wanted = replace(wanted, source=name)
    for known in store.names(KIND):
        if known.startswith(f"{slug(wanted.name)}-") and read_card(store.get(KIND, known)) == wanted:
            return known
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "encoder"
        shutil.copytree(origin, target)
        wanted.write(target)
        return store_encoder(store, target)


def export_once(store: Store, prefix: str, source: str, export: Callable[[Path], None]) -> str:
    """Return the name of the artifact made from the weights `source`, exported only when store and cache lack it.

    `export` fills an empty directory, which stays in the user's cache: a second store costs a copy.
    """
    for name in store.names(KIND):
        if name.startswith(f"{prefix}-") and read_card(store.get(KIND, name)).source == source:
            return name
    cached = Path(platformdirs.user_cache_dir("vitrine")) / "exports" / f"{source}-v{EXPORT_VERSION}"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=cached.parent, prefix=".staged-"))
        try:
            export(staged)
            staged.rename(cached)
        except OSError:
            if not cached.exists():  # otherwise another process was first with the same content
                raise
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return store_encoder(store, cached)
