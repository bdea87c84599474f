"""Catalogues in Parquet: one product per row, in batches of a thousand rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from indexer.catalogue.rows import BadRow, CatalogueRow, CatalogueRows
from vitrine.errors import CatalogueError

from .containers import open_seekable
from .table_columns import TableColumns

_BATCH_ROWS = 1000


def read_parquet(path: Path, encoding: str | None = None) -> CatalogueRows:
    """Yield every row without its nulls. Parquet is always UTF-8, so `encoding` has no effect."""
    import pyarrow as pa

    line = 0
    with _open(path) as file:
        columns = TableColumns(file.schema_arrow.names)
        try:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                # by position, because two columns may have the same name
                cells = [_python_values(column) for column in batch.columns]
                for row in zip(*cells, strict=True) if cells else ():
                    line += 1
                    values = columns.values(row)
                    yield CatalogueRow(line, values)
        except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError) as error:
            yield BadRow(line + 1, f"the file is cut off here ({error}): write it again")


def parquet_columns(path: Path, encoding: str | None = None) -> tuple[str, ...] | None:
    """Return the columns of the file's schema; None when it has objects, which open into columns row by row."""
    with _open(path) as file:
        if any(_has_objects(field.type) for field in file.schema_arrow):
            return None
        return tuple(dict.fromkeys(TableColumns(file.schema_arrow.names).names))


def _has_objects(type_: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(type_) or pa.types.is_map(type_):
        return True
    return pa.types.is_nested(type_) and _has_objects(type_.value_type)


def count_parquet_rows(path: Path) -> int:
    """Return the number of rows in the file's metadata."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def _python_values(column: Any) -> list[Any]:
    """Return the values of an Arrow column; times of nanoseconds to the microsecond."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    return [_as_text(value) for value in column.to_pylist()]


def _as_text(value: Any) -> Any:
    """Return text for the values that JSON has no form of and no cell parser reads."""
    if isinstance(value, (time, timedelta, UUID)) and not isinstance(value, date):
        return str(value)
    return value


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_seekable(path) as opened:
        try:
            file = pq.ParquetFile(opened)
        except (pa.ArrowException, OSError) as error:
            raise CatalogueError(
                f"{path} is not a complete Parquet file ({error}); write it again"
            ) from error
        with file:
            yield file
