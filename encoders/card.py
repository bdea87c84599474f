"""An encoder as a directory: what stands in `encoder.json`, and how it comes into the store under its name.

The serving side (`encoders/onnx.py`) reads the same directory and nothing else:
text has `tokenizer.json` and `model.onnx` (input_ids, attention_mask (n, t) int64 -> vector (n, d) float32);
image has `model.onnx` (pixels (n, size, size, 3) uint8 -> vector (n, d) float32). Vectors have unit length.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from vitrine.errors import EncoderError
from vitrine.store import Store, content_name

KIND = "encoders"
EXPORT_VERSION = 1  # part of the key of exported encoders: raise it when the export itself changes


@dataclass(frozen=True)
class EncoderCard:
    """The content of `encoder.json`; fields that the other kind of encoder has are None."""

    name: str  # the readable first part of the artifact's name
    kind: str  # "text" or "image"
    dimension: int
    languages: tuple[str, ...] = ()
    source: str | None = None  # content name of the weights it was exported from
    max_tokens: int | None = None
    size: int | None = None
    fit: str | None = None
    background: tuple[int, int, int] | None = None
    query_encoder: str | None = None

    def write(self, directory: Path) -> None:
        values = {key: value for key, value in asdict(self).items() if value is not None}
        (directory / "encoder.json").write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")


def read_card(directory: Path) -> EncoderCard:
    """The card of an encoder's directory. Raises EncoderError when there is none."""
    path = directory / "encoder.json"
    if not path.is_file():
        raise EncoderError(
            f"{directory} is not an encoder: it has no encoder.json; name an artifact or its directory"
        )
    values: dict[str, Any] = json.loads(path.read_text())
    values["languages"] = tuple(values.get("languages", ()))
    if values.get("background"):
        values["background"] = tuple(values["background"])
    return EncoderCard(**values)


def slug(text: str) -> str:
    """A readable, path-safe prefix: `BAAI/bge-small-en` becomes `bge-small-en`."""
    return re.sub(r"[^a-z0-9]+", "-", text.rstrip("/").rsplit("/", 1)[-1].lower()).strip("-") or "encoder"


def put(store: Store, directory: Path) -> str:
    """Copy a finished encoder directory into the store and give its name, made of its content."""
    name = content_name(slug(read_card(directory).name), directory)
    store.put(KIND, name, directory)
    return name


def exported(store: Store, prefix: str, source: str, export: Callable[[Path], None]) -> str:
    """The artifact made from the weights `source`, exported only when neither store nor cache has it.

    `export` fills an empty directory, which is kept in the user's cache: a second store costs a copy.
    """
    for name in store.names(KIND):
        if name.startswith(f"{prefix}-") and read_card(store.get(KIND, name)).source == source:
            return name
    kept = Path(platformdirs.user_cache_dir("vitrine")) / "exports" / f"{source}-v{EXPORT_VERSION}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=kept.parent, prefix=".staged-"))
        try:
            export(staged)
            staged.rename(kept)
        except OSError:
            if not kept.exists():  # otherwise another process was first with the same content
                raise
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return put(store, kept)
