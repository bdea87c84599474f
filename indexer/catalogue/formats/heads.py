"""What the first bytes of a catalogue file tell of its format, and the kinds of files that are refused by them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .containers import DAMAGE, damaged, open_catalogue
from .csv_dialects import find_layout
from .encodings import codec_name, mark_encoding, unmarked_utf_16

_HEAD_BYTES = 64 << 10
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MAX_CONTROL_SHARE = 0.02
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis"
_SAVE_AS = "open it in a spreadsheet program and save it as CSV in UTF-8"


@dataclass(frozen=True)
class Head:
    """The first bytes of a catalogue file, unpacked, and the file's own name."""

    data: bytes
    name: str
    encoding: str | None = None  # that the user named

    @property
    def suffix(self) -> str:
        """The file suffix in lower case, without that of a packing."""
        return Path(self.name).suffix.lower()

    @cached_property
    def text(self) -> str:
        """The first bytes as text without the white space at its beginning; a byte order mark decides the encoding."""
        length, encoding = mark_encoding(self.data)
        codec = encoding or self.encoding or unmarked_utf_16(self.data) or "utf-8"
        return self.data[length:].decode(codec, "replace").lstrip()

    @property
    def is_binary(self) -> bool:
        """Whether the bytes are those of no text."""
        if self.encoding or mark_encoding(self.data)[1] or unmarked_utf_16(self.data):
            return False
        if len(_CONTROL.findall(self.data)) <= _MAX_CONTROL_SHARE * len(self.data):
            return False
        try:
            codecs.getincrementaldecoder("utf-8")().decode(self.data)
        except UnicodeDecodeError:
            return True
        return self.data.count(0) > _MAX_CONTROL_SHARE * len(self.data)


def read_head(path: Path, encoding: str | None = None) -> Head:
    """Return the first bytes of a file, fewer of one that is cut off. Raises CatalogueError when none can be unpacked."""
    data = b""
    codec = codec_name(encoding) if encoding else None
    with closing(open_catalogue(path)) as file:
        try:
            while len(data) < _HEAD_BYTES and (part := file.read1(_HEAD_BYTES - len(data))):
                data += part
        except DAMAGE as error:
            if not data:
                raise damaged(path, error) from error
        return Head(data, file.catalogue_name, codec)


def is_parquet(head: Head) -> bool:
    """Return whether the file is in Parquet."""
    return head.data.startswith(b"PAR1")


def is_xlsx(head: Head) -> bool:
    """Return whether the file is an archive that is read as a whole, as a workbook is."""
    return head.data.startswith(b"PK\x03\x04") and _OPEN_DOCUMENT not in head.data[:200]


def is_xml(head: Head) -> bool:
    """Return whether the file is XML and not a page of HTML."""
    return bool(re.match(r"<(\?xml|!--|!DOCTYPE|[A-Za-z_])", head.text)) and not _is_html(head)


def is_json(head: Head) -> bool:
    """Return whether the file begins like a JSON object or a list of them."""
    return bool(re.match(r"""\{\s*(["'}]|u'|$)|\[\s*(\{|\]|$)|\[\s*["\[\d]""", head.text.lstrip("\ufeff,")))


def is_delimited(head: Head) -> bool:
    """Return whether the file has a header of two columns or more and rows of as many."""
    if is_json(head) or is_xml(head) or head.is_binary:
        return False
    lines = [line for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", head.text) if line]
    lines = lines[:-1] if len(head.data) == _HEAD_BYTES and len(lines) > 1 else lines
    layout = find_layout(lines[:50])
    return layout is not None and len(layout.columns) > 1 and len(lines) > 1


def _is_html(head: Head) -> bool:
    return bool(re.match(r"<(!doctype\s+html|html|head|body)\b", head.text, re.IGNORECASE))


def _is_sql(head: Head) -> bool:
    return bool(
        re.search(r"^\s*(INSERT\s+INTO|CREATE\s+TABLE)\b", head.text, re.IGNORECASE | re.MULTILINE)
    ) and (bool(re.match(r"(--|/\*|INSERT|CREATE|SET|DROP|USE|BEGIN)", head.text, re.IGNORECASE)))


@dataclass(frozen=True)
class Refusal:
    """A kind of file that is not read: what it is, and what to do."""

    matches: Callable[[Head], bool]
    kind: str
    advice: str


REFUSALS = (
    Refusal(lambda head: head.data.startswith(b"\xd0\xcf\x11\xe0"), "an old Excel workbook (.xls)", _SAVE_AS),
    Refusal(
        lambda head: _OPEN_DOCUMENT in head.data[:200],
        "an OpenDocument spreadsheet",
        _SAVE_AS,
    ),
    Refusal(lambda head: head.data.startswith(b"%PDF"), "a PDF", "export the products as CSV"),
    Refusal(lambda head: head.data.startswith(b"Rar!"), "a RAR archive", "unpack it and name the file in it"),
    Refusal(
        lambda head: head.data.startswith(b"7z\xbc\xaf"), "a 7z archive", "unpack it and name the file in it"
    ),
    Refusal(
        lambda head: head.data[257:262] == b"ustar",
        "a tar archive",
        "unpack it and name the file with the products",
    ),
    Refusal(
        lambda head: head.data.startswith(b"SQLite format 3"), "an SQLite database", "export the table as CSV"
    ),
    Refusal(_is_sql, "a dump of a database in SQL", "export the table as CSV or JSON"),
    Refusal(_is_html, "a page of HTML, as a shop sends it with an error", "download the catalogue again"),
    Refusal(
        lambda head: head.is_binary and not is_parquet(head) and not is_xlsx(head),
        "not a text file and in no known format",
        "export the products as CSV",
    ),
)
