"""The field plan: `catalogue.toml` read and checked, or an inferred plan printed so that it can be edited."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import tomli_w

from indexer.catalogue.inference.column_formats import complete_plan
from indexer.catalogue.inference.infer import infer_plan
from indexer.catalogue.inference.remarks import plan_remarks
from opensearch.index.fields import FieldPlan
from opensearch.index.spaces import IMAGE, SPACES, TEXT
from vitrine.errors import CatalogueError

from .names import suggestion, unknown_name
from .plan_formats import parse_formats
from .reader import BadRow, CatalogueItem, CatalogueRow, ShapeRemark, declared_columns, read_rows

SAMPLE_ROWS = 1000  # rows that a plan is inferred from

_COLUMNS_KEYS = ("text", "search", "images", "numbers", "keywords", "codes", "dates")
_LIST_KEYS = (*_COLUMNS_KEYS, "null", "joined")
_COLUMN_KEYS = ("id", "title", "language_field", "group", "available", "created", "price")
_KEYS = tuple(field.name for field in fields(FieldPlan))


def load_plan(path: Path) -> FieldPlan:
    """Return the plan of a TOML file; raises one CatalogueError that lists every problem."""
    try:
        document = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise CatalogueError(f"the field plan {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"the field plan {path} is not TOML: {error}") from error
    problems = [unknown_name(key, ("fields",), "table") for key in document if key != "fields"]
    table = document.get("fields")
    if isinstance(table, dict):
        plan, table_problems = _parse_table(table)
        problems += table_problems
    else:
        plan = FieldPlan()
        problems.append('it has no table [fields]; write [fields] and under it id = "...", title = "..."')
    if problems:
        raise CatalogueError(f"the field plan {path} cannot be used: {'; '.join(problems)}")
    return plan


def _parse_table(table: dict[str, Any]) -> tuple[FieldPlan, list[str]]:
    """Return the plan of the valid entries, and the problems of the others."""
    problems = [unknown_name(key, _KEYS, "entry") for key in table if key not in _KEYS]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "vectors":
            spaces, vector_problems = _vector_columns(value)
            values[key] = spaces
            problems += vector_problems
        elif key == "columns":
            values[key], column_problems = parse_formats(value)
            problems += column_problems
        elif key in _LIST_KEYS:
            names = [value] if isinstance(value, str) else value
            if isinstance(names, list) and all(isinstance(name, str) and name for name in names):
                values[key] = tuple(dict.fromkeys(names))
            else:
                expected = "a word" if key == "null" else "a column name"
                problems.append(f"{key} is {value!r}; expected {expected} or a list of them")
        elif key in _KEYS:
            if isinstance(value, str) and value:
                values[key] = value
            else:
                expected = "a language code" if key == "language" else "one column name"
                problems.append(f"{key} is {value!r}; expected {expected}")
    plan = replace(FieldPlan(language=""), **values)  # "": not stated, so that it is detected
    if plan.price is not None and plan.price not in plan.numbers:
        problems.append(f"price is {plan.price!r}, which is not under numbers; add it there")
    return plan, problems


def _vector_columns(value: Any) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the columns of each vector space in the table [fields.vectors], and the problems."""
    if not isinstance(value, dict):
        return {}, [f"vectors is {value!r}; expected a table of columns by vector space"]
    spaces: dict[str, tuple[str, ...]] = {}
    problems = []
    known = [name for name in SPACES if name not in (TEXT, IMAGE)]  # those two have keys of their own
    for space, columns in value.items():
        names = [columns] if isinstance(columns, str) else columns
        if space not in known:
            problems.append(unknown_name(space, known, "further vector space"))
        elif isinstance(names, list) and names and all(isinstance(name, str) and name for name in names):
            spaces[space] = tuple(dict.fromkeys(names))
        else:
            problems.append(f"vectors.{space} is {columns!r}; expected a column name or a list of them")
    return spaces, problems


def plan_columns(plan: FieldPlan) -> dict[str, list[str]]:
    """Return the keys of the plan under which each column is named."""
    keys_by_column: dict[str, list[str]] = {}
    for key in _COLUMN_KEYS:
        if (column := getattr(plan, key)) is not None:
            keys_by_column.setdefault(column, []).append(key)
    for key in _COLUMNS_KEYS:
        for column in getattr(plan, key):
            if not (key == "search" and "*" in column):  # a pattern may match no column at all
                keys_by_column.setdefault(column, []).append(key)
    for space, columns in plan.vectors.items():
        for column in columns:
            keys_by_column.setdefault(column, []).append(f"vectors.{space}")
    return keys_by_column


def check_columns(
    plan: FieldPlan, catalogue: Path, encoding: str | None = None, shape: str | None = None
) -> None:
    """Raise CatalogueError when the catalogue lacks planned columns; it names each with close matches.

    A row need not have every column of its file, and a shape adds columns, so a column counts as missing only when
    neither the header nor a row has it, and the plan does not say that it comes from another file.
    """
    keys_by_column = plan_columns(plan)
    columns: dict[str, None] = dict.fromkeys(declared_columns(catalogue, encoding) or ())
    missing = [c for c in keys_by_column if c not in columns and c not in plan.joined]
    if not missing:
        return
    shape_title = ""
    with closing(read_rows(catalogue, encoding, shape, plan)) as rows:
        for row in rows:
            if isinstance(row, CatalogueRow):
                columns.update(dict.fromkeys(row.values))
                missing = [column for column in missing if column not in row.values]
            elif isinstance(row, ShapeRemark):
                shape_title = f", read as {row.title} (`--shape none` reads its rows as they are)"
            if not missing:
                return
    if missing:
        problems = (
            f"{column!r} for {' and '.join(keys_by_column[column])}{suggestion(column, columns)}"
            for column in missing
        )
        raise CatalogueError(
            f"the field plan names columns that {catalogue.name}{shape_title} does not have: {'; '.join(problems)}"
        )


def plan_from_rows(rows: Iterable[CatalogueItem], source: str, id_column: str | None = None) -> FieldPlan:
    """Return the plan inferred from the first 1,000 rows; `id_column` is the id's column where it is known.

    `source` is the name of the catalogue in errors. Raises CatalogueError when none of the rows can be read.
    """
    return inferred_plan(rows, source, id_column)[0]


def inferred_plan(
    rows: Iterable[CatalogueItem], source: str, id_column: str | None = None
) -> tuple[FieldPlan, list[str]]:
    """Return the plan of `plan_from_rows`, and one sentence for each doubt about it."""
    sample = _sample(rows, source)
    plan = infer_plan(sample, id_column)
    return plan, plan_remarks(plan, sample, is_guess=True)


def completed_plan(
    plan: FieldPlan, rows: Iterable[CatalogueItem], source: str
) -> tuple[FieldPlan, list[str]]:
    """Return the plan with the language and the notation that it does not state, from the first 1,000 rows.

    With it comes one sentence for each doubt about the plan.
    """
    sample = _sample(rows, source)
    completed = complete_plan(plan, sample)
    return completed, plan_remarks(completed, sample, is_guess=not plan.language)


def _sample(rows: Iterable[CatalogueItem], source: str) -> list[dict[str, Any]]:
    rows = (row for row in rows if isinstance(row, (CatalogueRow, BadRow)))
    sample = list(islice(rows, SAMPLE_ROWS))
    readable = [row.values for row in sample if isinstance(row, CatalogueRow)]
    if not readable:
        bad = next((row for row in sample if isinstance(row, BadRow)), None)
        if bad is None:
            raise CatalogueError(f"{source} has no rows; expected one product per line or row")
        raise CatalogueError(f"no row of {source} can be read; line {bad.line}: {bad.reason}")
    return readable


def plan_toml(plan: FieldPlan) -> str:
    """Return the plan as the TOML that `--fields` reads."""
    entries = plan.to_dict().items()
    values = {
        key: value for key, value in entries if value not in (None, [], {}) or (key == "null" and value == [])
    }
    return tomli_w.dumps({"fields": values}, multiline_strings=False)


def extended_plan(plan: FieldPlan, inferred: FieldPlan, columns: Collection[str]) -> FieldPlan:
    """Return the plan with what another one, inferred from the same rows, says about further columns.

    A column of text is searched and not embedded, so that the vectors stay.
    """
    keys = {
        "numbers": "numbers",
        "keywords": "keywords",
        "dates": "dates",
        "search": "search",
        "text": "search",
    }
    values: dict[str, Any] = {}
    for source, key in keys.items():
        names = values.get(key, getattr(plan, key))
        values[key] = (*names, *(c for c in getattr(inferred, source) if c in columns and c not in names))
    notation = {name: form for name, form in inferred.columns.items() if name in columns}
    return replace(plan, **values, columns={**plan.columns, **notation})


def notation_toml(completed: FieldPlan, stated: FieldPlan) -> str:
    """Return the language, null words and formats that `completed` has beyond those of `stated`, as TOML."""
    columns = {name: c.to_dict() for name, c in completed.columns.items() if name not in stated.columns}
    null = list(completed.null or ()) if stated.null is None else []
    decided = {"language": "" if stated.language else completed.language, "null": null, "columns": columns}
    values = {key: value for key, value in decided.items() if value}
    return tomli_w.dumps({"fields": values}, multiline_strings=False)
