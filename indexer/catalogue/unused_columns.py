"""The columns of a catalogue that no part of the field plan takes, with their filled cells and the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from indexer.catalogue.inference.columns import URL
from indexer.catalogue.notation.numerals import PLAIN_NUMBER
from indexer.catalogue.notation.yes_no import is_yes_or_no
from opensearch.index.fields import FieldPlan

from .product import is_extra

MAX_COLUMNS = 1000  # further ones are counted under MORE
MORE = "(further columns)"
_EXAMPLES = 20  # values of a column that decide the reason

ADDRESSES = "web addresses"
BYTES = "bytes"
NO_NAME = "no name"
NO_ROLE = "no role"
NUMBERS = "numbers"
OBJECTS = "objects in objects"
PICTURE_PARTS = "parts of picture objects"
YES_OR_NO = "yes or no"
# Why a plan does not use a column, and what to do to use it.
REMEDIES = {
    ADDRESSES: "name one under images if it leads to pictures, else under search",
    BYTES: "name one under images if it holds pictures",
    NO_NAME: "the catalogue has to give it a name",
    NO_ROLE: "name one under search, text, keywords, numbers or dates",
    NUMBERS: "name one under numbers, or under keywords for numbers that stand for something",
    OBJECTS: "the catalogue has to write them with fewer levels",
    PICTURE_PARTS: "the pictures themselves are used",
    YES_OR_NO: "name one under keywords to filter by it",
}


class UnusedColumns:
    """Counts the filled cells of the columns that a plan does not use."""

    def __init__(self) -> None:
        self.cells: Counter[str] = Counter()
        self._examples: dict[str, list[Any]] = {}
        self._used: dict[str, bool] = {}
        self._images: tuple[str, ...] = ()

    def add(self, values: Mapping[str, Any], plan: FieldPlan) -> None:
        """Count the filled cells of a row that the plan does not use; every call has the same plan."""
        self._images = plan.images
        for column, value in values.items():
            if value is None or value in ("", []):
                continue
            used = self._used.get(column)
            if used is None:
                used = self._used[column] = is_used(column, plan)
            if not used:
                self._count(column, value)

    def _count(self, column: str, value: Any) -> None:
        name = column if column in self.cells or len(self.cells) < MAX_COLUMNS else MORE
        self.cells[name] += 1
        examples = self._examples.setdefault(name, [])
        if len(examples) < _EXAMPLES:
            examples.append(value)

    def reason(self, column: str) -> str:
        """Return why an inferred plan does not use the column, by its name and its first values: a key of REMEDIES."""
        values = [
            part
            for value in self._examples[column]
            for part in (value if isinstance(value, list) else [value])
        ]
        if not column.strip():
            return NO_NAME
        if any(column.startswith(f"{image}.") for image in self._images):
            return PICTURE_PARTS
        if any(isinstance(value, dict) for value in values):
            return OBJECTS
        if any(isinstance(value, bytes) for value in values):
            return BYTES
        if values and all(isinstance(value, str) and URL.match(value.strip()) for value in values):
            return ADDRESSES
        if all(is_yes_or_no(value) for value in values):
            return YES_OR_NO
        if all(
            isinstance(value, (int, float)) or PLAIN_NUMBER.fullmatch(str(value).strip()) for value in values
        ):
            return NUMBERS
        return NO_ROLE

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the filled cells and the reason by column, as JSON values."""
        return {column: {"cells": n, "reason": self.reason(column)} for column, n in self.cells.most_common()}


def is_used(column: str, plan: FieldPlan) -> bool:
    """Return whether some part of the plan takes the column."""
    single = (plan.id, plan.title, plan.language_field, plan.group, plan.available, plan.created, plan.price)
    if column in single or is_extra(column, plan):
        return True
    lists = (
        plan.text,
        plan.images,
        plan.numbers,
        plan.keywords,
        plan.codes,
        plan.dates,
        *plan.vectors.values(),
    )
    return any(column in names for names in lists)
