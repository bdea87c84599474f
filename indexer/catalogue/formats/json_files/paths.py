"""Where the products of a JSON document stand: in a list or object that other objects lead to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

ANY_KEY = "*"  # the last part of a path: the products are the values of an object by id

# A list of objects under such a name holds the products, and an object under it leads to them.
_LISTS = frozenset(
    {
        "products",
        "items",
        "articles",
        "records",
        "rows",
        "entries",
        "documents",
        "docs",
        "hits",
        "results",
        "data",
    }
    | {"nodes", "edges", "objects", "catalog", "catalogue", "@graph", "itemlistelement", "product", "entry"}
    | {
        "produkte",
        "artikel",
        "produits",
        "productos",
        "articulos",
        "商品",
        "产品",
        "item",
        "article",
        "result",
    }
)
_LEADING = _LISTS | frozenset(
    {
        "response",
        "body",
        "payload",
        "channel",
        "rss",
        "export",
        "shop",
        "store",
        "_embedded",
        "embedded",
        "collection",
    }
    | {"feed", "value", "content", "list", "add", "root"}
)
# An object with such a key is a product, whatever lists it has.
_PRODUCT_KEYS = frozenset(
    {"id", "_id", "sku", "handle", "asin", "parent_asin", "product_id", "gtin", "ean", "mpn"}
)
_NAME_KEYS = frozenset({"title", "name", "product_name", "producttitle"})
_SPACE = re.compile(r"[ \t\n\r]*")
_MIN_SHARED = 0.5  # the share of keys that objects by id have in common
_DECODER = json.JSONDecoder()


class _Member(NamedTuple):
    """A member of an object; the value is None where the text ends in it."""

    name: str
    text: str
    value: Any

    @property
    def is_list(self) -> bool:
        """Whether the value is a list of objects, or an empty one."""
        first = _skipped(self.text, 1)
        return self.text.startswith("[") and self.text[first : first + 1] in ("{", "]")


def products_path(text: str) -> tuple[str, ...] | None:
    """Return the keys that lead from an object to its products; None when the object is a product itself.

    `text` begins with the object and may end anywhere in it.
    """
    members = list(_members(text))
    names = {member.name.lower() for member in members}
    if names & _PRODUCT_KEYS:
        return None
    for member in members:
        lower = member.name.lower()
        if member.is_list and (lower in _LISTS or (lower in _LEADING and not names & _NAME_KEYS)):
            return (member.name,)
        if member.text.startswith("{") and lower in _LEADING:
            below = products_path(member.text)
            if below:
                return (member.name, *below)
    return None if names & _NAME_KEYS else _unnamed_path(members)


def _unnamed_path(members: Sequence[_Member]) -> tuple[str, ...] | None:
    """Return the path to the only list of objects, or to objects by id, where no name tells."""
    lists = [member.name for member in members if member.is_list and member.text[1:].strip(" \t\r\n]")]
    if len(lists) == 1:
        return (lists[0],)
    objects = [set(member.value) for member in members if isinstance(member.value, dict) and member.value]
    if len(objects) < 2 or any(not member.text.startswith("{") for member in members):
        return None
    shared, every = set.intersection(*objects), set.union(*objects)
    return (ANY_KEY,) if len(shared) >= _MIN_SHARED * len(every) else None


def _members(text: str) -> Iterator[_Member]:
    """Yield the members of an object as far as its text goes."""
    at = 1
    while True:
        at = _skipped(text, at)
        if text[at : at + 1] == ",":
            at = _skipped(text, at + 1)
        if text[at : at + 1] != '"':
            return
        try:
            name, at = _DECODER.raw_decode(text, at)
        except ValueError:
            return
        at = _skipped(text, at)
        if text[at : at + 1] != ":":
            return
        at = _skipped(text, at + 1)
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield _Member(name, text[at:], None)
            return
        yield _Member(name, text[at:end], value)
        at = end


def _skipped(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]
