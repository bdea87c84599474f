"""What a catalogue's stream holds: readable rows, unreadable rows, rows that are no product, and remarks."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

SAMPLE_CHARACTERS = 2000  # of an unreadable row, copied into the file of rejected rows


@dataclass(frozen=True)
class CatalogueRow:
    """A readable row: its line number from 1 (Parquet, XML: its row number) and its cells by column."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class BadRow:
    """An unreadable row: its line number from 1, the reason, and the beginning of its text where there is one."""

    line: int
    reason: str
    raw: str | None = None


@dataclass(frozen=True)
class SkippedRow:
    """A row that was read and is no product of its own; rows with the same reason are counted together."""

    line: int
    reason: str


@dataclass(frozen=True)
class Remark:
    """What the user should know of how a file was read: its shape, the sheet of a workbook, parts left out."""

    text: str


@dataclass(frozen=True)
class ShapeRemark(Remark):
    """The shape in which a catalogue is read, by its title."""

    title: str


CatalogueItem = CatalogueRow | BadRow | SkippedRow | Remark

# A generator, so that a caller who stops early can close it, and with it the file.
CatalogueRows = Generator[CatalogueItem, None, None]
