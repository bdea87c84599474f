"""The bytes of an image source: a file in the catalogue's folder, a URL, a data URI, or bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from vitrine.errors import ImageError

MAX_BYTES = 64 << 20  # of one image

# A host name, perhaps with a port, before a slash. The last part of a host name has letters only.
_HOST_AND_PATH = re.compile(
    r"(?:[a-z0-9\u00a1-\uffff-]{1,63}\.)+[a-z\u00a1-\uffff]{2,63}(?::\d{1,5})?/", re.IGNORECASE
)

Fetch = Callable[[str], bytes]
ImageSource = str | bytes  # a path, URL or data URI as the catalogue spells it; bytes: the image file itself


@dataclass(frozen=True)
class ImagePlaces:
    """Where image paths lie: in the catalogue's `folder` (None: nowhere), and below the URL `base` (None: nowhere)."""

    folder: Path | None = None
    base: str | None = None


@dataclass(frozen=True)
class ImageFile:
    """The bytes of an image, their hash, and the reference of their source in the index."""

    ref: str
    hash: str
    data: bytes


def image_hash(data: bytes) -> str:
    """Return 32 hex digits of the SHA-256 of the bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def image_ref(source: ImageSource) -> str:
    """Return the reference of a source in the index: as in the catalogue, or a hash where it is the image itself."""
    if isinstance(source, bytes):
        return f"bytes:{image_hash(source)}"
    if source[:5].lower() == "data:":
        return f"data:{image_hash(source.encode('utf-8', 'replace'))}"
    return source


def url_of(source: ImageSource, places: ImagePlaces) -> str | None:
    """Return the http or https URL of a source; None: it is the image itself, a file of the folder, or not to be found.

    An address without scheme (`//host/a.jpg`, or `host.example/a.jpg` where there is no such file) is an https URL, and any
    other path without file lies below the base.
    """
    if isinstance(source, bytes) or source[:5].lower() == "data:":
        return None
    if source[:8].lower().startswith(("http://", "https://")):
        return source
    if source.startswith("//"):
        return f"https:{source}"
    if "://" in source[:40] or (places.folder and _path_in(source, places.folder)):
        return None
    if _HOST_AND_PATH.match(source):
        return f"https://{source}"
    if places.base is None or ".." in source.split("/"):
        return None
    return f"{places.base.rstrip('/')}/{source.lstrip('/')}"


def read_image(source: ImageSource, places: ImagePlaces, fetch: Fetch) -> ImageFile:
    """Return the bytes of a source. Raises ImageError."""
    data = _bytes_of(source, places, fetch)
    if not data:
        raise ImageError("the file is empty")
    return ImageFile(image_ref(source), image_hash(data), data)


def _bytes_of(source: ImageSource, places: ImagePlaces, fetch: Fetch) -> bytes:
    if isinstance(source, bytes):
        return source
    if url := url_of(source, places):
        return _fetched(source, url, places, fetch)
    scheme = source.split(":", 1)[0].lower()
    if scheme == "data":
        return _data_uri(source)
    if "://" in source[:40]:
        raise ImageError(f"{scheme} URLs are not read; expected http, https, a data URI or a path")
    if places.folder is None:
        raise ImageError(
            "a path needs the folder of a catalogue file, or the shop's address: name it with --image-base URL"
        )
    return _file_in(source, places.folder)


def _fetched(source: str, url: str, places: ImagePlaces, fetch: Fetch) -> bytes:
    try:
        return fetch(url)
    except ImageError as error:
        if url == source:
            raise
        tried = "" if places.folder is None or source.startswith("//") else "there is no such file, and "
        raise ImageError(f"{tried}{url} gives none: {error}") from error


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


def _path_in(source: str, folder: Path) -> Path | None:
    """Return the path of an existing file or folder that a source names in the folder; a leading `/` means the folder.

    A name that does not exist is tried with backslashes as slashes, and with `%20` as a space. Raises ImageError.
    """
    try:
        root = folder.resolve()
        relative = source.lstrip("/")
        spellings = dict.fromkeys((source, relative, relative.replace("\\", "/"), unquote(relative)))
        paths = [(root / spelling).resolve() for spelling in spellings]
        inside = [path for path in paths if path.is_relative_to(root)]
        return next((path for path in inside if path != root and path.exists()), None)
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # NUL in the name, too long, a loop of links, no rights
        raise ImageError(f"the file cannot be read ({error})") from error


def _file_in(source: str, folder: Path) -> bytes:
    path = _path_in(source, folder)
    if path is None:
        raise ImageError(_no_file(source, folder))
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):  # a pipe or device would never end
            raise ImageError("the path is not a file")
        if state.st_size > MAX_BYTES:
            raise ImageError(f"the file has {state.st_size >> 20} MB; at most {MAX_BYTES >> 20} are read")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"the file cannot be read ({error})") from error


def _no_file(source: str, folder: Path) -> str:
    problem = "there is no such file in the catalogue's folder"
    if not (folder / source).resolve().is_relative_to(folder.resolve()):
        problem = "the path leaves the catalogue's folder, where all its images must be, and there is no such file below it"
    return f"{problem}; for a path of a web site name the shop's address with --image-base URL"
