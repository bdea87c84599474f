"""The encoding of a text file: its byte order mark, else the likely ones by its bytes."""

from __future__ import annotations

import codecs
from contextlib import closing
from pathlib import Path

from vitrine.errors import CatalogueError

from .containers import open_catalogue

_SAMPLE_BYTES = 256 << 10
_MAX_NAMED = 3
_COMMON = [
    "cp1252",
    "cp1250",
    "cp1251",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "cp1253",
    "cp1254",
    "mac_roman",
]
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


def likely_encodings(path: Path) -> str:
    """Return the likely encodings of a file that is not UTF-8, as an addition to an error message."""
    from charset_normalizer import from_bytes

    with closing(open_catalogue(path)) as file:
        sample = file.read(_SAMPLE_BYTES)
    matches = from_bytes(sample.rpartition(b"\n")[0] or sample, cp_isolation=_COMMON)
    names = [match.encoding for match in matches]
    if names[:1] == ["cp1250"] and _decodes(sample, "cp1252"):
        names = ["cp1252", *(name for name in names if name != "cp1252")]  # most accents are the same in both
    return f" (it may be {' or '.join(names[:_MAX_NAMED])})" if names else ""


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
