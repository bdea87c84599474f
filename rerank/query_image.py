"""The image of a query: read, and decoded by the code that decodes the catalogue's images."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from encoders.image_io import DRAFT_SIDE, decode_image
from vitrine.errors import ImageError, QueryError

MAX_FILE_BYTES = 64 << 20


def read_query_image(path: Path, side: int = DRAFT_SIDE) -> Image.Image:
    """Return the RGB image in a file, decoded for an encoder of `side` pixels. Raises QueryError."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise QueryError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MB; name a smaller image")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise QueryError(f"{path} cannot be read ({reason}); name a JPEG, PNG or WebP file") from error
    return decode_query_image(data, str(path), side)


def decode_query_image(data: bytes, name: str = "the image", side: int = DRAFT_SIDE) -> Image.Image:
    """Return the RGB image in the bytes of a file, for an encoder of `side` pixels. Raises QueryError that names it."""
    try:
        return decode_image(data, side)
    except ImageError as error:
        raise QueryError(f"{name} cannot be used: {error}; send a JPEG, PNG or WebP file") from error
