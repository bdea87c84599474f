"""What became of every row: the counts of a run, and the file of those that failed."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.catalogue.product import Dropped
from indexer.catalogue.reader import BadRow
from vitrine.errors import CatalogueError

Tick = Callable[[int], None]  # told how many more rows are settled


@dataclass
class Report:
    """The counts of one run. Each row read is in exactly one of indexed, updated, unchanged, rejected, failed."""

    index: str = ""
    read: int = 0
    indexed: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0  # the row is no product
    failed: int = 0  # the engine refused it
    deleted: int = 0
    orphaned: int = 0  # in the index, no longer in the catalogue, kept
    embedded: Counter[str] = field(default_factory=Counter)  # vectors computed, by space
    cached: Counter[str] = field(default_factory=Counter)  # vectors from the cache, by space
    texts_foreign: int = 0  # in a language that the text encoder does not know
    pictures_failed: int = 0
    unreadable: int = 0  # of the rejected, those whose id is not known
    cells_dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # column -> the first cell dropped and why
    weights: dict[str, Any] | None = None  # of the retrieval legs, where they were learned
    notes: list[str] = field(default_factory=list)
    stopped: str | None = None  # why the run ended before the catalogue did
    published: bool = False
    seconds: float = 0.0
    rejected_file: str | None = None

    @property
    def settled(self) -> int:
        return self.indexed + self.updated + self.unchanged + self.rejected + self.failed

    @property
    def rows_per_second(self) -> float:
        return self.settled / self.seconds if self.seconds else 0.0

    @property
    def exit_code(self) -> int:
        return 1 if self.rejected or self.failed or self.stopped or not self.published else 0

    def drop(self, line: int, dropped: Dropped) -> None:
        self.cells_dropped[dropped.column] += 1
        self.examples.setdefault(dropped.column, f"line {line}: {dropped.reason}")

    def to_dict(self) -> dict[str, Any]:
        names = [name for name in self.__dataclass_fields__ if name not in ("unreadable",)]
        values = {name: getattr(self, name) for name in names}
        return {**values, "cells_dropped": dict(self.cells_dropped), "rows_per_second": self.rows_per_second}


class RejectedRows:
    """The file of failed rows and pictures, one JSON object a line, made when there is a first one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._lock = threading.Lock()
        try:
            path.unlink(missing_ok=True)  # of an earlier run
        except OSError as error:
            raise CatalogueError(
                f"{path} cannot be replaced ({error.strerror}); use --rejected FILE"
            ) from error

    def row(self, line: int, id: str | None, reason: str, row: Mapping[str, Any] | str | None) -> None:
        self._write({"line": line, "id": id, "reason": reason, "row": row})

    def bad(self, row: BadRow) -> None:
        self.row(row.line, None, row.reason, row.raw)

    def picture(self, line: int, id: str, reason: str, ref: str) -> None:
        self._write({"line": line, "id": id, "reason": reason, "picture": ref})

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
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start
