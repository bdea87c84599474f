"""The columns that filters, facets and sort orders can name, and the engine field of each. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from opensearch.index.fields import FieldPlan
from vitrine.errors import QueryError

ColumnType = Literal["keyword", "number", "date", "boolean"]


@dataclass(frozen=True)
class FilterColumn:
    """A column by its name in the catalogue, with the engine's field and the type of its values."""

    name: str
    field: str
    type: ColumnType

    @property
    def contents(self) -> str:
        """The values of the column in words, for error messages."""
        return {"keyword": "words", "boolean": "true or false", "number": "numbers", "date": "dates"}[
            self.type
        ]


def filter_columns(plan: FieldPlan) -> dict[str, FilterColumn]:
    """Return every column of the plan that can be named, by name; fields of the document also by their own name."""
    document_fields: list[tuple[str | None, str, ColumnType]] = [
        ("id", "id", "keyword"),
        ("language", "language", "keyword"),
        ("group" if plan.group else None, "group", "keyword"),
        ("available" if plan.available else None, "available", "boolean"),
        ("created" if plan.created else None, "created", "date"),
        (plan.id, "id", "keyword"),
        (plan.language_field, "language", "keyword"),
        (plan.group, "group", "keyword"),
        (plan.available, "available", "boolean"),
        (plan.created, "created", "date"),
    ]
    columns = [FilterColumn(name, field, type) for name, field, type in document_fields if name]
    columns += [FilterColumn(name, f"dates.{name}", "date") for name in plan.dates]
    columns += [FilterColumn(name, f"numbers.{name}", "number") for name in plan.numbers]
    columns += [FilterColumn(name, f"keywords.{name}", "keyword") for name in plan.keywords]
    return {column.name: column for column in columns}


def price_column(plan: FieldPlan) -> str | None:
    """Return the plan's price column, else the first number column with `price` in its name; None without one."""
    return plan.price or next((name for name in plan.numbers if "price" in name.casefold()), None)


def find_column(name: str, plan: FieldPlan) -> FilterColumn:
    """Return the column of that name; raises QueryError that lists the columns of the index."""
    columns = filter_columns(plan)
    if name not in columns:
        raise QueryError(
            f"the index has no column {name!r} to filter, count or sort by; "
            f"it has: {', '.join(sorted(columns))}"
        )
    return columns[name]


def parse_number(value: str, expression: str) -> float:
    """Return a finite number; raises QueryError that quotes the expression which contains it."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryError(f"{expression!r}: {value!r} is not a finite number; write it as 19.9")
    return number
