"""Pictures as catalogues write them: addresses, several addresses in one text, and objects that hold an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .lists import split_cell, written_list

# The keys of a picture object that hold an address or the file itself, in the order of preference: an encoder reads at
# most a few hundred pixels, so that the largest size comes after the large one.
PICTURE_KEYS = (
    "bytes", "url", "src", "large", "hi_res", "hires", "hiRes", "original", "full", "secure_url", "contentUrl", "href",
    "link", "image", "imageUrl", "image_url", "file", "path", "medium", "thumb", "thumbnail", "small",
)  # fmt: skip
_ADDRESS = r"(?:https?:)?//|data:|[a-z]:\\|\.{0,2}/"
_ADDRESS_CUT = re.compile(rf"\s*[,;|]\s*(?={_ADDRESS})|\s+(?=https?://)", re.IGNORECASE)
_IMG_SOURCE = re.compile(r"<img\b[^>]*?\bsrc\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^'\"]*\]|\{[^'\"]*\}")  # a list of addresses without quotes
_FIRST_FOLDER = re.compile(r"[^/\s]+/")
_IMAGE_SUFFIX = re.compile(
    r"\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|hei[cf]|svg)(?:[?#][^\s,;]*)?$", re.IGNORECASE
)


def picture_addresses(value: Any) -> list[Any]:
    """Return the address, or the bytes, of each picture of an object or a list; an object without one stays as it is.

    An object may also hold a list under each key: of the addresses at one position the preferred one is taken.
    """
    if isinstance(value, list):
        return [address for part in value for address in picture_addresses(part)]
    if not isinstance(value, Mapping):
        return [value]
    found = [value[key] for key in PICTURE_KEYS if value.get(key)]
    lists = [entry for entry in found if isinstance(entry, list)]
    if lists and len(lists) == len(found):
        rows = range(max(map(len, lists)))
        chosen = (next((e[row] for e in lists if row < len(e) and e[row]), None) for row in rows)
        return [address for entry in chosen if entry for address in picture_addresses(entry)]
    if found and isinstance(found[0], Mapping):  # {"image": {"src": ...}}
        return picture_addresses(found[0])
    inner = [] if found else [v for v in value.values() if isinstance(v, (Mapping, list))]
    if addresses := [
        a for a in picture_addresses(inner) if isinstance(a, (str, bytes))
    ]:  # {"main": {"url": ...}}
        return addresses
    return [found[0] if found else value]


def split_pictures(text: str, separator: str | None) -> list[Any]:
    """Return the picture addresses of a cell: a comma cuts before what begins like an address or after a file suffix."""
    if text.startswith("data:") and not re.search(r"[,;|]\s*(?:(?:https?:)?//|data:)", text):
        return [text]
    if sources := _IMG_SOURCE.findall(text):
        return list(sources)
    if (
        text.startswith("{") and (written := written_list(f"[{text}]")) is not None
    ):  # an object as JSON or Python
        return written
    if _BRACKETS.fullmatch(text) and written_list(text) is None:
        text = text[1:-1]
    if separator or written_list(text) is not None:
        return split_cell(text, separator)
    parts = [part for piece in _ADDRESS_CUT.split(text) for part in split_cell(piece, None)]
    named = [part.strip() for part in re.split(r"[,;\n]", text)]
    if len(parts) == 1 and len(named) > 1 and (_all_images(named) or _begin_alike(named)):
        return named
    return parts


def _all_images(parts: list[str]) -> bool:
    return all(_IMAGE_SUFFIX.search(part) for part in parts if part)


def _begin_alike(parts: list[str]) -> bool:
    """Return whether every part has the first part's host or folder: `cdn.example/a, cdn.example/b`."""
    first = _FIRST_FOLDER.match(parts[0])
    return bool(first) and all(part.startswith(first.group()) for part in parts if part and first)
