"""The encoding of a text file that has no byte order mark and is not UTF-8, decided from its bytes and its language."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from indexer.catalogue.notation.languages import catalogue_language

from .containers import DAMAGE, open_catalogue

_BLOCK_BYTES = 1 << 20
_SAMPLE_BYTES = 256 << 10  # of lines that are not ASCII
_MAX_STRAY = (
    0.1  # the share of the characters of a UTF-8 file that may be broken: the rows with them are rejected
)
_ISOLATED = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
_HIGH = re.compile(rb"[\x80-\xff]")
_MIN_ISOLATED = 0.8  # the share of single bytes above 127 from which a text is in Latin letters
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")
_OTHERS = ("cp1251", "koi8_r", "cp1253", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")
# The code pages of Windows by the language that is written in them; all others have cp1252.
_OF_LANGUAGE = {
    **dict.fromkeys(("pl", "cs", "sk", "hu", "sl", "hr", "ro"), "cp1250"),
    "tr": "cp1254",
    **dict.fromkeys(("lt", "lv", "et"), "cp1257"),
}
# What may be meant by a code page: the likeliest first. That with the most usual letters is taken.
_RELATED = {
    "cp1252": ("cp1252", "iso8859_15", "mac_roman", "cp850"),
    "cp1250": ("cp1250", "iso8859_2", "cp852"),
}
_USUAL = frozenset(
    "\u00e4\u00f6\u00fc\u00df\u00c4\u00d6\u00dc\u00e9\u00c9\u00e8\u00ea\u00eb\u00e0\u00e2\u00e7\u00ee\u00ef\u00f4\u00fb\u00f9\u00f1\u00e1\u00ed\u00f3\u00fa\u00e5\u00e6\u00f8\u20ac\u00a3\u00b0\u2013\u2019\u00ae\u2122\u00a0"
    "\u0105\u0107\u0119\u0142\u0144\u015b\u017a\u017c\u0141\u015a\u017b\u010d\u010f\u011b\u0148\u0159\u0161\u0165\u016f\u017e\u010c\u0158\u0160\u017d\u0151\u0171\u0103\u0219\u021b"
)
# The supersets of Windows.
_SUPERSETS = {"shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950"}


@dataclass(frozen=True)
class DetectedEncoding:
    """An encoding that a file is taken to be in, and the sentence about it for the report."""

    name: str

    @property
    def sentence(self) -> str:
        """What the user should know."""
        return (
            f"the file is not UTF-8 and is read as {self.name}, by its letters; if names look wrong, name its encoding"
            " with --encoding"
        )


def detected_encoding(path: Path) -> DetectedEncoding | None:
    """Return the encoding of a file without byte order mark; None for UTF-8, also with few broken characters."""
    state = path.stat()
    return _detected(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _detected(path: Path, size: int, changed: int) -> DetectedEncoding | None:
    if _is_utf_8(path):
        return None
    sample = b"".join(_marked_lines(path))
    high = len(_HIGH.findall(sample))
    name = None
    if len(_ISOLATED.findall(sample)) < _MIN_ISOLATED * high:
        name = _by_frequency(sample)
    if name is None or name in _LATIN:
        name = _latin(sample)
    return DetectedEncoding(name) if name else None


def _is_utf_8(path: Path) -> bool:
    """Return whether the file is UTF-8, but for stray bytes in less than a tenth of its characters above 127."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in _blocks(path):
            decoder.decode(block)
    except UnicodeDecodeError:
        return _is_mostly_utf_8(path)
    return True


def _is_mostly_utf_8(path: Path) -> bool:
    good = bad = 0
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for block in _blocks(path):
        text = decoder.decode(block)
        broken = len(re.findall("[\udc80-\udcff]", text))
        bad += broken
        good += len(re.findall(r"[^\x00-\x7f]", text)) - broken
    return bad <= _MAX_STRAY * good


def _blocks(path: Path) -> Iterator[bytes]:
    with closing(open_catalogue(path)) as file:
        try:
            while block := file.read(_BLOCK_BYTES):
                yield block
        except DAMAGE:
            return  # the reader names the place


def _marked_lines(path: Path) -> Iterator[bytes]:
    """Yield the first line and the lines with bytes above 127, up to the size of a sample."""
    size = 0
    with closing(open_catalogue(path)) as file:
        try:
            for number, line in enumerate(iter(lambda: file.readline(_BLOCK_BYTES), b"")):
                if number == 0 or not line.isascii():
                    size += len(line)
                    yield line
                if size > _SAMPLE_BYTES:
                    return
        except DAMAGE:
            return


def _by_frequency(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=[*_LATIN, *_OTHERS]).best()
    return _SUPERSETS.get(best.encoding, best.encoding) if best else None


def _latin(sample: bytes) -> str | None:
    """Return the code page of the text's language, or a related one with more of the usual letters."""
    language = catalogue_language([sample.decode("cp1252", "ignore")])
    page = _OF_LANGUAGE.get(language.code, "cp1252")
    names = _RELATED.get(page, (page, *_RELATED["cp1252"]))
    texts = {name: text for name in names if (text := _decoded(sample, name)) is not None}
    return max(texts, key=lambda name: sum(map(texts[name].count, _USUAL)), default=None)


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return None
