"""CSV files with the columns that a benchmark needs, and errors that name the line."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow
from pyarrow import csv as arrow


def column_names(path: Path) -> list[str]:
    """Return the names in the header of a CSV file, with or without gzip. Raises ClickException."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, EOFError, csv.Error) as error:
        raise click.ClickException(f"{path} cannot be read as CSV: {error}") from error


def read_table(path: Path, columns: Sequence[str]) -> Any:
    """Return the columns of a CSV file, with or without gzip, as texts. Raises ClickException."""
    names = column_names(path)
    missing = [name for name in columns if name not in names]
    if missing:
        found = ", ".join(names) or "no header"
        raise click.ClickException(f"{path} has no column {', '.join(missing)}; it has {found}")
    types = arrow.ConvertOptions(
        column_types=dict.fromkeys(columns, pyarrow.string()), include_columns=list(columns)
    )
    try:
        table = arrow.read_csv(path, convert_options=types)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise click.ClickException(f"{path} is no CSV: {str(error).splitlines()[0]}") from error
    if not table.num_rows:
        raise click.ClickException(f"{path} has no rows; expected one a line below the header")
    return table


def require_rows(path: Path, problem: str, right: np.ndarray, first: int = 2) -> None:
    """Raise ClickException with the first line that is not right; the first value stands in line `first`."""
    if not right.all():
        raise click.ClickException(f"{path}, line {int(np.argmin(right)) + first}: {problem}")
