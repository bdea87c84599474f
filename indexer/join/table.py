"""A file whose columns are joined to the products of a catalogue by a key: prices, competitors' prices, trends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.catalogue.names import suggestion
from indexer.catalogue.reader import BadRow, CatalogueRow, CatalogueRows, declared_columns, read_rows
from indexer.catalogue.shapes.shape import NO_SHAPE
from vitrine.errors import CatalogueError

_MAX_LISTED = 5  # keys that a sentence names


@dataclass(frozen=True)
class JoinTable:
    """The rows of a file by their key; all of them are in memory."""

    name: str  # of the file
    left: str  # the key's column in the catalogue
    right: str  # the key's column in the file
    columns: tuple[str, ...]  # the others of the file
    rows: dict[str, CatalogueRow]
    repeated: tuple[str, ...] = ()  # keys of further rows, which are left out
    bad: tuple[BadRow, ...] = ()  # unreadable, or without key

    def row_of(self, value: Any) -> tuple[str, CatalogueRow] | None:
        """Return the key and the row that a value of the catalogue's column names; of a list the first that has one."""
        return next(((key, self.rows[key]) for key in keys_of(value) if key in self.rows), None)


@dataclass
class JoinOutcome:
    """What was joined of a table: the keys that products have, and how many products have none of the file's."""

    table: JoinTable
    matched: set[str] = field(default_factory=set)
    products: int = 0
    without: int = 0

    @property
    def failed(self) -> bool:
        """Whether rows of the file were left out, or no product has any of its keys."""
        return bool(self.table.bad) or not self.matched

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {
            "file": self.table.name,
            "rows": len(self.table.rows),
            "columns": list(self.table.columns),
            "products": self.products,
            "products_without_row": self.without,
            "unmatched_keys": len(self.table.rows) - len(self.matched),
            "repeated_keys": len(self.table.repeated),
            "rejected": len(self.table.bad),
        }

    def sentence(self) -> str:
        """Return the counts as one sentence; it names some of the keys that were not used."""
        table = self.table
        unmatched = [key for key in table.rows if key not in self.matched]
        parts = [f"{table.name}: {self.products} products have a row by {table.left}"]
        if self.without:
            parts.append(f"{self.without} products have none")
        if unmatched:
            parts.append(
                f"{len(unmatched)} of its {len(table.rows)} keys are of no product ({_some(unmatched)})"
            )
        if table.repeated:
            repeated = list(dict.fromkeys(table.repeated))
            parts.append(f"the first row was taken of each repeated key ({_some(repeated)})")
        if table.bad:
            first = table.bad[0]
            parts.append(f"{len(table.bad)} rows were left out (line {first.line}: {first.reason})")
        return "; ".join(parts)


def read_join(path: Path, on: str, encoding: str | None = None) -> JoinTable:
    """Return the table of a file. `on` is the key's column, or `CATALOGUE_COLUMN=FILE_COLUMN`. Raises CatalogueError."""
    left, _, right = (part.strip() for part in on.partition("="))
    right = right or left
    rows: dict[str, CatalogueRow] = {}
    columns: dict[str, None] = dict.fromkeys(declared_columns(path, encoding) or ())
    repeated: list[str] = []
    bad: list[BadRow] = []
    for row in read_rows(path, encoding, NO_SHAPE):
        if isinstance(row, BadRow):
            bad.append(row)
        if not isinstance(row, CatalogueRow):
            continue
        columns.update(dict.fromkeys(row.values))
        key = next(iter(keys_of(row.values.get(right))), None)
        if key is None:
            bad.append(BadRow(row.line, f"it has no value in column {right!r}"))
        elif key in rows:
            repeated.append(key)
        else:
            values = {column: value for column, value in row.values.items() if column != right}
            rows[key] = CatalogueRow(row.line, values)
    if columns and right not in columns:
        raise CatalogueError(
            f"{path.name} has no column {right!r}{suggestion(right, columns)}: name the key of both files with --on, "
            "or --on CATALOGUE_COLUMN=FILE_COLUMN"
        )
    if not rows:
        reason = f"; line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise CatalogueError(f"{path.name} has no row that can be joined{reason}")
    others = tuple(column for column in columns if column != right)
    if not others:
        raise CatalogueError(f"{path.name} has no column besides {right!r}; expected columns to join")
    return JoinTable(path.name, left, right, others, rows, tuple(repeated), tuple(bad))


def joined_rows(rows: CatalogueRows, outcomes: Sequence[JoinOutcome]) -> CatalogueRows:
    """Yield the rows with the columns of their tables' rows, and count in the outcomes.

    An empty cell of a table leaves the catalogue's own value of that column. A row without key of the table lacks its
    columns, so that the product keeps the values that it has in the index.
    """
    with closing(rows):
        for row in rows:
            if isinstance(row, CatalogueRow):
                yield CatalogueRow(row.line, _joined(row.values, outcomes))
            else:
                yield row


def require_left_columns(columns: Collection[str], tables: Sequence[JoinTable]) -> None:
    """Raise CatalogueError when the catalogue's columns lack that by which a table is joined."""
    for table in tables:
        if columns and table.left not in columns:
            raise CatalogueError(
                f"the catalogue has no column {table.left!r} to join {table.name} by{suggestion(table.left, columns)}: "
                "name it with --on, or --on CATALOGUE_COLUMN=FILE_COLUMN"
            )


def keys_of(value: Any) -> list[str]:
    """Return the keys that a cell holds, as text; a whole number is the same key as its digits."""
    if isinstance(value, list):
        return [key for part in value for key in keys_of(part)]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or isinstance(value, (bool, dict, bytes)):
        return []
    text = str(value).strip()
    return [text] if text else []


def _joined(values: dict[str, Any], outcomes: Sequence[JoinOutcome]) -> dict[str, Any]:
    joined = dict(values)
    for outcome in outcomes:
        table = outcome.table
        found = table.row_of(values.get(table.left))
        if found is None:
            outcome.without += 1
            continue
        key, row = found
        outcome.matched.add(key)
        outcome.products += 1
        for column in table.columns:
            if row.values.get(column) not in (None, "") or column not in joined:
                joined[column] = row.values.get(column)
    return joined


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_MAX_LISTED]) + (", ..." if len(keys) > _MAX_LISTED else "")
