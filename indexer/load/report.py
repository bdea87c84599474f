"""The outcome of a load: the counts of rows and vectors, and the file of rejected rows and images."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.catalogue.product import DroppedCell
from indexer.catalogue.reader import BadRow
from indexer.catalogue.unused_columns import UnusedColumns
from indexer.join.table import JoinOutcome
from vitrine.errors import CatalogueError


@dataclass
class LoadReport:
    """The counts of one load. Each row read is one of indexed, updated, unchanged, rejected, failed and skipped."""

    index: str = ""
    read: int = 0
    indexed: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0  # the row is not a product
    failed: int = 0  # the engine rejected the document
    skipped: Counter[str] = field(
        default_factory=Counter
    )  # rows that are no products of their own, by reason
    deleted: int = 0
    orphaned: int = 0  # in the index but no longer in the catalogue, not deleted
    embedded: Counter[str] = field(default_factory=Counter)  # vectors computed, by space
    cached: Counter[str] = field(default_factory=Counter)  # vectors from the cache, by space
    texts_unsupported: Counter[str] = field(
        default_factory=Counter
    )  # by language that the text encoder does not know
    images_failed: int = 0
    unreadable: int = 0  # the part of `rejected` whose id is unknown
    cells_dropped: Counter[str] = field(default_factory=Counter)  # by column
    dropped_cell_examples: dict[str, str] = field(default_factory=dict)  # by column: the first one
    cells_null: Counter[str] = field(default_factory=Counter)  # by column: words that stand for an empty cell
    unused_columns: UnusedColumns = field(default_factory=UnusedColumns)
    joins: list[JoinOutcome] = field(default_factory=list)  # of the files whose columns were joined
    weights: dict[str, Any] | None = None  # the sub-query weights, where this load learned them
    floors: dict[str, Any] | None = None  # of the vector sub-queries, where this load learned them
    notes: list[str] = field(default_factory=list)
    refused: str | None = None  # why products that are gone were kept: the loss must be confirmed
    stopped: str | None = None  # the reason why the load ended before the catalogue did
    published: bool = False
    seconds: float = 0.0
    rejected_file: str | None = None

    @property
    def settled(self) -> int:
        """The number of rows whose outcome is known."""
        return self.products + self.rejected + self.failed + self.skipped.total()

    @property
    def products(self) -> int:
        """The number of rows whose products are in the index."""
        return self.indexed + self.updated + self.unchanged

    @property
    def rows_per_second(self) -> float:
        """The rate of rows with an outcome."""
        return self.settled / self.seconds if self.seconds else 0.0

    @property
    def exit_code(self) -> int:
        """The exit status: 1 when a row or a joined file failed, a loss was refused, or nothing was published."""
        failed = self.rejected or self.failed or self.refused or self.stopped
        failed = failed or any(join.failed for join in self.joins)
        return 1 if failed or not self.published else 0

    def add_dropped_cell(self, line: int, cell: DroppedCell) -> None:
        """Count a cell that was left out of the product in `line`."""
        if cell.is_null:
            self.cells_null[cell.column] += 1
            return
        self.cells_dropped[cell.column] += 1
        self.dropped_cell_examples.setdefault(cell.column, f"line {line}: {cell.reason}")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        names = [name for name in self.__dataclass_fields__ if name != "unreadable"]
        values = {name: getattr(self, name) for name in names}
        return {
            **values,
            "skipped": dict(self.skipped),
            "cells_dropped": dict(self.cells_dropped),
            "texts_unsupported": self.texts_unsupported.total(),
            "languages_unsupported": dict(self.texts_unsupported),
            "cells_null": dict(self.cells_null),
            "unused_columns": self.unused_columns.to_dict(),
            "joins": [join.to_dict() for join in self.joins],
            "rows_per_second": self.rows_per_second,
        }


class RejectedRows:
    """The file of rejected rows and images, one JSON object per line; it is created by the first of them.

    Raises CatalogueError when the file cannot be replaced or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._lock = threading.Lock()
        try:
            path.unlink(missing_ok=True)  # of an earlier load
        except OSError as error:
            raise CatalogueError(
                f"{path} cannot be replaced ({error.strerror}); name another file with --rejected"
            ) from error

    def add_row(self, line: int, id: str | None, reason: str, row: Mapping[str, Any] | str | None) -> None:
        """Write a rejected row with its reason."""
        self._write({"line": line, "id": id, "reason": reason, "row": row})

    def add_bad_row(self, row: BadRow) -> None:
        """Write a row that could not be read."""
        self.add_row(row.line, None, row.reason, row.raw)

    def add_image(self, line: int, id: str, reason: str, ref: str) -> None:
        """Write an image that could not be used."""
        self._write({"line": line, "id": id, "reason": reason, "image": ref})

    def _write(self, entry: dict[str, Any]) -> None:
        text = json.dumps(entry, ensure_ascii=False, default=repr).encode("utf-8", "replace")
        with self._lock:
            self.count += 1
            try:
                with self.path.open("ab") as file:
                    file.write(text + b"\n")
            except OSError as error:
                raise CatalogueError(
                    f"{self.path} cannot be written ({error.strerror}); name another file with --rejected"
                ) from error


class Stopwatch:
    """The seconds since its creation."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._start
