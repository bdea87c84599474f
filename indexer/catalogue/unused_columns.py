"""The columns of a catalogue that no part of the field plan takes, with their filled cells and the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from indexer.catalogue.inference.columns import URL
from indexer.catalogue.inference.holdable import is_field_name
from indexer.catalogue.notation.yes_no import is_yes_or_no
from opensearch.index.fields import FieldPlan

from .product import is_extra

MAX_COLUMNS = 1000  # further ones are counted under MORE
MORE = "(further columns)"
_EXAMPLES = 20  # values of a column that decide the reason


class UnusedColumns:
    """Counts the filled cells of the columns that a plan does not use."""

    def __init__(self) -> None:
        self.cells: Counter[str] = Counter()
        self._examples: dict[str, list[Any]] = {}
        self._used: dict[str, bool] = {}

    def add(self, values: Mapping[str, Any], plan: FieldPlan) -> None:
        """Count the filled cells of a row that the plan does not use; every call has the same plan."""
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
        """Return why an inferred plan does not use the column, by its name and its first values."""
        examples = self._examples[column]
        if not is_field_name(column):
            return "its name cannot be that of a field"
        if all(isinstance(value, str) and URL.match(value.strip()) for value in examples):
            return "web addresses"
        if any(isinstance(value, dict) for value in examples):
            return "objects"
        if any(
            isinstance(value, list) and any(isinstance(part, dict) for part in value) for value in examples
        ):
            return "lists of objects"
        if all(is_yes_or_no(value) for value in examples):
            return "yes or no"
        return "not in the plan"

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the filled cells and the reason by column, as JSON values."""
        return {column: {"cells": n, "reason": self.reason(column)} for column, n in self.cells.most_common()}


def is_used(column: str, plan: FieldPlan) -> bool:
    """Return whether some part of the plan takes the column."""
    single = (plan.id, plan.title, plan.language_field, plan.group, plan.available, plan.created)
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
