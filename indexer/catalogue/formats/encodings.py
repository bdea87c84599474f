"""The encoding of a text file by its name, its byte order mark, or the zeros of UTF-16."""

from __future__ import annotations

import codecs

from vitrine.errors import CatalogueError

_SAMPLE_BYTES = 256 << 10
_MARKS = (  # UTF-32 first: its little-endian mark begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def codec_name(encoding: str) -> str:
    """Return Python's name of an encoding; raises CatalogueError for an unknown one."""
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise CatalogueError(f"encoding {encoding!r} is not known; name one such as latin-1") from error


def mark_encoding(start: bytes) -> tuple[int, str | None]:
    """Return the length of the byte order mark and the encoding that it names; 0 and None without a mark."""
    return next(((len(mark), name) for mark, name in _MARKS if start.startswith(mark)), (0, None))


def unmarked_utf_16(start: bytes) -> str | None:
    """Return the UTF-16 of a text without byte order mark, in which every other byte is mostly zero; None for others."""
    start = start[:_SAMPLE_BYTES]
    even, odd = start[0::2].count(0), start[1::2].count(0)
    few, many = len(start) // 50, len(start) // 5
    if odd > many and even <= few:
        return "utf-16-le"
    return "utf-16-be" if even > many and odd <= few else None
