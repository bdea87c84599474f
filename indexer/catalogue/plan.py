"""The field plan: `catalogue.toml` read and checked, or printed so that it can be saved and edited."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import tomli_w

from opensearch.index.fields import FieldPlan
from opensearch.index.spaces import IMAGE, SPACES, TEXT
from vitrine.errors import CatalogueError

from .infer import infer_plan
from .reader import BadRow, CatalogueRow, columns_of, read_rows

SAMPLE = 1000  # rows that a plan is inferred from

_LISTS = ("text", "search", "images", "numbers", "keywords", "dates")
_NAMES = ("id", "title", "language_field", "group", "available", "created")
_KEYS = tuple(field.name for field in fields(FieldPlan))


def load_plan(path: Path) -> FieldPlan:
    """The plan of a TOML file; everything wrong with it is told in one CatalogueError."""
    try:
        document = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise CatalogueError(f"the field plan {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"the field plan {path} is not TOML: {error}") from error
    problems = [_unknown(key, ("fields",), "table") for key in document if key != "fields"]
    table = document.get("fields")
    if isinstance(table, dict):
        plan, found = _plan_of(table)
        problems += found
    else:
        plan = FieldPlan()
        problems.append('it has no table [fields]; write [fields] and under it id = "...", title = "..."')
    if problems:
        raise CatalogueError(f"the field plan {path} cannot be used: {'; '.join(problems)}")
    return plan


def _plan_of(table: dict[str, Any]) -> tuple[FieldPlan, list[str]]:
    problems = [_unknown(key, _KEYS, "entry") for key in table if key not in _KEYS]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "vectors":
            spaces, problem = _vector_columns(value)
            values[key] = spaces
            problems += problem
        elif key in _LISTS:
            listed = [value] if isinstance(value, str) else value
            if isinstance(listed, list) and all(isinstance(name, str) and name for name in listed):
                values[key] = tuple(dict.fromkeys(listed))
            else:
                problems.append(f"{key} is {value!r}; expected a column name or a list of them")
        elif key in _KEYS:
            if isinstance(value, str) and value:
                values[key] = value
            else:
                expected = "a language code" if key == "language" else "one column name"
                problems.append(f"{key} is {value!r}; expected {expected}")
    return replace(FieldPlan(), **values), problems


def _vector_columns(value: Any) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the columns of each vector space in the table [fields.vectors], and the problems."""
    if not isinstance(value, dict):
        return {}, [f"vectors is {value!r}; expected a table of columns by vector space"]
    spaces: dict[str, tuple[str, ...]] = {}
    problems = []
    names = [name for name in SPACES if name not in (TEXT, IMAGE)]  # those two have keys of their own
    for space, columns in value.items():
        listed = [columns] if isinstance(columns, str) else columns
        if space not in names:
            problems.append(_unknown(space, names, "further vector space"))
        elif isinstance(listed, list) and listed and all(isinstance(name, str) and name for name in listed):
            spaces[space] = tuple(dict.fromkeys(listed))
        else:
            problems.append(f"vectors.{space} is {columns!r}; expected a column name or a list of them")
    return spaces, problems


def _unknown(name: str, known: Iterable[str], what: str) -> str:
    return f"there is no {what} {name!r}{_close(name, known)}"


def _close(name: str, known: Iterable[str]) -> str:
    """Which of the known names may have been meant, else all of them while they are few."""
    names = list(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), list(lowered), 3, 0.6)]
    if close:
        return f" (close: {', '.join(close)})"
    return f" (there are: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''})" if names else ""


def plan_columns(plan: FieldPlan) -> dict[str, list[str]]:
    """Which parts each planned column plays."""
    parts: dict[str, list[str]] = {}
    for key in _NAMES:
        if (column := getattr(plan, key)) is not None:
            parts.setdefault(column, []).append(key)
    for key in _LISTS:
        for column in getattr(plan, key):
            if not (key == "search" and "*" in column):  # a pattern names whatever columns there are
                parts.setdefault(column, []).append(key)
    for space, columns in plan.vectors.items():
        for column in columns:
            parts.setdefault(column, []).append(f"vectors.{space}")
    return parts


def check_columns(plan: FieldPlan, catalogue: Path, encoding: str | None = None) -> None:
    """CatalogueError that names every planned column which the catalogue does not have, with close matches.

    A JSONL row need not have every column, so a column counts as missing only when no row has it.
    """
    parts = plan_columns(plan)
    declared = columns_of(catalogue, encoding)
    columns: dict[str, None] = dict.fromkeys(declared or ())
    missing = [column for column in parts if column not in columns]
    if declared is None:
        for row in read_rows(catalogue, encoding):
            if isinstance(row, CatalogueRow):
                columns.update(dict.fromkeys(row.values))
                missing = [column for column in missing if column not in row.values]
                if not missing:
                    return
    if missing:
        told = (
            f"{column!r} for {' and '.join(parts[column])}{_close(column, columns)}" for column in missing
        )
        raise CatalogueError(
            f"the field plan names columns that {catalogue.name} does not have: {'; '.join(told)}"
        )


def plan_from_rows(rows: Iterable[CatalogueRow | BadRow], name: str, id: str | None = None) -> FieldPlan:
    """The plan inferred from the first 1,000 rows, `id` being the id's column where that is known.

    CatalogueError when none of the rows can be read.
    """
    sample = list(islice(rows, SAMPLE))
    readable = [row.values for row in sample if isinstance(row, CatalogueRow)]
    if not readable:
        bad = next((row for row in sample if isinstance(row, BadRow)), None)
        if bad is None:
            raise CatalogueError(f"{name} holds no rows; expected one product a line or row")
        raise CatalogueError(f"no row of {name} can be read; line {bad.line}: {bad.reason}")
    return infer_plan(readable, id)


def plan_toml(plan: FieldPlan) -> str:
    """The plan as the TOML that `--fields` reads."""
    values = {key: value for key, value in plan.to_dict().items() if value not in (None, [], {})}
    return tomli_w.dumps({"fields": values}, multiline_strings=False)
