"""Catalogues in Parquet: one product per row, in batches of a thousand rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vitrine.errors import CatalogueError

from .rows import BadRow, CatalogueRow, CatalogueRows

_BATCH_ROWS = 1000


def read_parquet(path: Path, encoding: str | None = None) -> CatalogueRows:
    """Yield every row without its nulls. Parquet is always UTF-8, so `encoding` has no effect."""
    import pyarrow as pa

    line = 0
    try:
        with _open(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for values in batch.to_pylist():
                    line += 1
                    cells = {name: value for name, value in values.items() if value is not None}
                    yield CatalogueRow(line, cells)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield BadRow(line + 1, f"the file is cut off here ({error}): write it again")


def parquet_columns(path: Path, encoding: str | None = None) -> tuple[str, ...] | None:
    """Return the columns of the file's schema; None when it has objects, which open into columns row by row."""
    with _open(path) as file:
        if any(_has_objects(field.type) for field in file.schema_arrow):
            return None
        return tuple(file.schema_arrow.names)


def _has_objects(type_: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(type_) or pa.types.is_map(type_):
        return True
    return pa.types.is_nested(type_) and _has_objects(type_.value_type)


def count_parquet_rows(path: Path) -> int:
    """Return the number of rows in the file's metadata."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def _open(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise CatalogueError(f"{path} is not a complete Parquet file ({error}); write it again") from error
