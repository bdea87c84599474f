"""Catalogues in XML: Google Merchant's RSS and Atom, and any document with one repeated element per product.

The document is read by defusedxml, which refuses entities of its own and files outside, and one product at a time.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from indexer.catalogue.rows import BadRow, CatalogueRow, CatalogueRows, Remark
from vitrine.errors import CatalogueError

from .containers import DAMAGE, UnpackedFile, open_catalogue
from .detected_encoding import detected_encoding
from .encodings import codec_name, mark_encoding, unmarked_utf_16

GOOGLE = "{http://base.google.com/ns/1.0}"
_PRODUCT_ELEMENTS = frozenset(
    {
        "item",
        "entry",
        "product",
        "offer",
        "article",
        "artikel",
        "produkt",
        "produit",
        "producto",
        "shopitem",
        "record",
    }
    | {"row", "doc"}
)
_BROKEN_ADVICE = (
    "nothing after it can be read: write the file again, or name its encoding with --encoding"
    " where it is not the declared one"
)
_SAMPLE_ELEMENTS = 200_000
_NAME_ATTRIBUTES = ("name", "key", "code", "attribute")  # <param name="Colour">Red</param>
_VALUE_ATTRIBUTES = ("href", "src", "url", "value", "content")  # <image src="..."/>

_HTML = re.compile(r"p|br|b|i|u|em|strong|span|div|ul|ol|li|a|h[1-6]|table|img|font|su[bp]|hr", re.IGNORECASE)
_DECLARATION_BYTES = 200
_DECLARED_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*encoding=["']([A-Za-z0-9._-]+)["']""")

_Path = tuple[str, ...]


def read_xml(path: Path, encoding: str | None = None) -> CatalogueRows:
    """Yield every product element as a row; its line is its number. XML names its own encoding."""
    if encoding is None and _says_utf_8(path) and (detected := detected_encoding(path)):
        encoding = detected.name
        yield Remark(detected.sentence)
    product = _product_path(path, encoding)
    number = 0
    others: Counter[str] = Counter()
    with _events(path, encoding) as events:
        try:
            stack: list[Element] = []
            names: list[str] = []
            for event, element in events:
                if event == "start":
                    stack.append(element)
                    names.append(element.tag)
                    continue
                if tuple(names) == product:
                    number += 1
                    yield CatalogueRow(number, _row(element))
                    stack[-2].remove(element) if len(stack) > 1 else element.clear()
                elif len(names) == len(product) and tuple(names[:-1]) == product[:-1] and len(element):
                    others[_local(element.tag)] += 1
                names.pop()
                stack.pop()
        except (ParseError, UnicodeDecodeError) as error:
            yield BadRow(number + 1, f"the XML is broken here ({error}); {_BROKEN_ADVICE}")
        except DAMAGE as error:
            yield BadRow(number + 1, f"the file is cut off here ({error}): write it again")
    if others:
        listed = ", ".join(f"{name} ({count})" for name, count in others.items())
        yield Remark(f"the products are the elements {_local(product[-1])!r}; left out: {listed}")


def _product_path(path: Path, encoding: str | None) -> _Path:
    """Return the names that lead to the products: elements of a known name, else the outermost repeated ones."""
    counts: Counter[_Path] = Counter()
    with _events(path, encoding) as events:
        names: list[str] = []
        try:
            for seen, (event, element) in enumerate(events):
                if event == "start":
                    names.append(element.tag)
                    continue
                if len(names) > 1 and (len(element) or element.attrib):
                    counts[tuple(names)] += 1
                names.pop()
                if seen > _SAMPLE_ELEMENTS and counts:
                    break
        except (ParseError, UnicodeDecodeError, *DAMAGE) as error:
            if not counts:
                raise CatalogueError(
                    f"{path} is not XML that can be read ({error}); write it again"
                ) from error
    if not counts:
        raise CatalogueError(
            f"{path} has no element with fields in it; expected one element per product, such as <item>"
        )
    named = [names for names in counts if _local(names[-1]).lower() in _PRODUCT_ELEMENTS]
    repeated = [names for names in counts if counts[names] > 1]
    return min(named or repeated or counts, key=lambda names: (len(names), -counts[names]))


@contextmanager
def _events(path: Path, encoding: str | None) -> Iterator[Iterator[tuple[str, Element]]]:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, iterparse

    with closing(open_catalogue(path)) as file:
        source = _Source(file, encoding)
        try:
            yield iterparse(source, ("start", "end"), DefusedXMLParser(encoding=source.parser_encoding))
        except DefusedXmlException as error:
            raise CatalogueError(
                f"{path} declares entities of its own ({error}); such XML is not read: write it without them"
            ) from error


def _says_utf_8(path: Path) -> bool:
    """Return whether the file has no byte order mark and declares UTF-8 or nothing."""
    with closing(open_catalogue(path)) as file:
        start = file.peek(_DECLARATION_BYTES)[:_DECLARATION_BYTES]
    declared = _DECLARED_ENCODING.search(start)
    is_utf_8 = declared is None or declared.group(1).lower() in (b"utf-8", b"utf8", b"us-ascii")
    return is_utf_8 and mark_encoding(start)[1] is None and unmarked_utf_16(start) is None


class _Source:
    """The bytes of an XML file without the blank lines that scripts write before its first sign.

    An encoding that the parser does not know becomes UTF-8: the one that the user or the declaration names.
    """

    def __init__(self, file: UnpackedFile, encoding: str | None) -> None:
        self._file = file
        start = file.peek(_DECLARATION_BYTES)
        declared = _DECLARED_ENCODING.search(start[:_DECLARATION_BYTES])
        name = encoding or (declared.group(1).decode("ascii") if declared else "utf-8")
        codec = codecs.lookup(codec_name(name))
        _, marked = mark_encoding(start)
        is_utf_8 = marked in (None, "utf-8") and codec.name in ("utf-8", "utf-8-sig")
        self._decoder = None if is_utf_8 else codecs.getincrementaldecoder(marked or codec.name)()
        self.parser_encoding = "utf-8" if self._decoder else None
        self._started = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises UnicodeDecodeError."""
        data = self._next(size)
        while not self._started and data and not (data := data.removeprefix(codecs.BOM_UTF8).lstrip()):
            data = self._next(size)
        self._started = True
        return data

    def _next(self, size: int) -> bytes:
        data = self._file.read(size)
        return self._decoder.decode(data, final=not data).encode() if self._decoder else data


def _row(element: Element) -> dict[str, Any]:
    """Return the fields of a product element; of two equal names the one of Google's namespace counts."""
    values: dict[str, Any] = dict(element.attrib)
    google = {_local(child.tag) for child in element if child.tag.startswith(GOOGLE)}
    for child in element:
        for name, value in _fields(child):
            if name in google and not child.tag.startswith(GOOGLE):
                twin = element.find(f"{GOOGLE}{name}")
                if twin is None or (twin.text or "").strip() != value:
                    _add(values, f"feed.{name}", value)
            else:
                _add(values, name, value)
    return values


def _fields(element: Element) -> Iterator[tuple[str, Any]]:
    """Yield the columns of an element with their values: its text or the elements in it, and its attributes."""
    name = _local(element.tag)
    attributes = {_local(key): value for key, value in element.attrib.items()}
    text = _text(element)
    if text is None:
        inner: dict[str, Any] = dict(attributes)
        for child in element:
            for child_name, value in _fields(child):
                _add(inner, child_name, value)
        yield name, inner
        return
    if text:
        label = next((attributes.pop(key) for key in _NAME_ATTRIBUTES if attributes.get(key)), name)
        yield label, text
    elif main := next((key for key in _VALUE_ATTRIBUTES if attributes.get(key)), None):
        yield name, attributes.pop(main)
    yield from ((f"{name}.{key}", value) for key, value in attributes.items() if value)


def _text(element: Element) -> str | None:
    """Return the text of an element, that of the HTML in it too; None when it has elements with fields."""
    if not len(element):
        return (element.text or "").strip()
    is_html = all(_HTML.fullmatch(_local(child.tag)) for child in element)
    if is_html or any((child.tail or "").strip() for child in element):
        return " ".join(" ".join(element.itertext()).split())
    return None


def _add(values: dict[str, Any], name: str, value: Any) -> None:
    """Add a value; further ones of the same name make a list."""
    if name not in values:
        values[name] = value
    elif isinstance(values[name], list):
        values[name].append(value)
    else:
        values[name] = [values[name], value]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
