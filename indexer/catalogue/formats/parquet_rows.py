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


def parquet_columns(path: Path, encoding: str | None = None) -> tuple[str, ...]:
    """Return the columns of the file's schema."""
    with _open(path) as file:
        return tuple(dict.fromkeys(TableColumns(file.schema_arrow.names).names))


def count_parquet_rows(path: Path) -> int:
    """Return the number of rows in the file's metadata."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def _python_values(column: Any) -> list[Any]:
    """Return the values of an Arrow column; maps as dictionaries, times of nanoseconds to the microsecond."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    values = column.to_pylist(maps_as_pydicts="lossy") if _has_map(column.type) else column.to_pylist()
    return [_as_text(value) for value in values]


def _has_map(arrow_type: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_map(arrow_type):
        return True
    if pa.types.is_nested(arrow_type):
        return any(_has_map(arrow_type.field(n).type) for n in range(arrow_type.num_fields))
    return False


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
