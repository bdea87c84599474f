"""The rows of a catalogue: a readable row, an unreadable row, and the stream of both."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

SAMPLE_CHARACTERS = 2000  # of an unreadable row, copied into the file of rejected rows


@dataclass(frozen=True)
class CatalogueRow:
    """A readable row: its line number from 1 (Parquet: its row number) and its cells by column."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class BadRow:
    """An unreadable row: its line number from 1, the reason, and the beginning of its text where there is one."""

    line: int
    reason: str
    raw: str | None = None


# A generator, so that a caller who stops early can close it, and with it the file.
CatalogueRows = Generator[CatalogueRow | BadRow, None, None]
