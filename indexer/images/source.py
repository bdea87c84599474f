"""The bytes of an image source: a file in the catalogue's folder, a URL, a data URI, or bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from indexer.catalogue.product import ImageSource
from vitrine.errors import ImageError

MAX_BYTES = 64 << 20  # of one image

Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class ImageFile:
    """The bytes of an image, their hash, and the reference of their source in the index."""

    ref: str
    hash: str
    data: bytes


def image_hash(data: bytes) -> str:
    """Return 32 hex digits of the SHA-256 of the bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def is_url(source: ImageSource) -> bool:
    """Return whether the source is an http or https URL."""
    return isinstance(source, str) and source[:8].lower().startswith(("http://", "https://"))


def image_ref(source: ImageSource) -> str:
    """Return the reference of a source in the index: as in the catalogue, or a hash where it is the image itself."""
    if isinstance(source, bytes):
        return f"bytes:{image_hash(source)}"
    if source[:5].lower() == "data:":
        return f"data:{image_hash(source.encode('utf-8', 'replace'))}"
    return source


def read_image(source: ImageSource, folder: Path | None, fetch: Fetch) -> ImageFile:
    """Return the bytes of a source; `folder` is that of paths, None: paths are refused. Raises ImageError."""
    data = _bytes_of(source, folder, fetch)
    if not data:
        raise ImageError("the file is empty")
    return ImageFile(image_ref(source), image_hash(data), data)


def _bytes_of(source: ImageSource, folder: Path | None, fetch: Fetch) -> bytes:
    if isinstance(source, bytes):
        return source
    if is_url(source):
        return fetch(source)
    scheme = source.split(":", 1)[0].lower()
    if scheme == "data":
        return _data_uri(source)
    if "://" in source[:40]:
        raise ImageError(f"{scheme} URLs are not read; expected http, https, a data URI or a path")
    if folder is None:
        raise ImageError(
            "a path needs the folder of a catalogue file; an index can only name URLs and data URIs"
        )
    return _file_in(source, folder)


def _data_uri(source: str) -> bytes:
    head, comma, body = source.partition(",")
    if not comma:
        raise ImageError("the data URI has no comma before its data")
    if len(body) > 2 * MAX_BYTES:
        raise ImageError(f"the data URI is longer than the {MAX_BYTES >> 20} MB that an image may have")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        compact = (
            b"".join(unquote_to_bytes(body).split()).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        )
        return base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"the data URI is not base64 ({error})") from error


def _file_in(source: str, folder: Path) -> bytes:
    try:
        root = folder.resolve()
        path = (root / source).resolve()
        if not path.is_relative_to(root):
            raise ImageError("the path leaves the catalogue's folder, where all its images must be")
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):  # a pipe or device would never end
            raise ImageError("the path is not a file")
        if state.st_size > MAX_BYTES:
            raise ImageError(f"the file has {state.st_size >> 20} MB; at most {MAX_BYTES >> 20} are read")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError("there is no such file in the catalogue's folder") from error
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # NUL in the name, too long, a loop of links, no rights
        raise ImageError(f"the file cannot be read ({error})") from error
