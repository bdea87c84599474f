"""The impressions of one policy of the Open Bandit Dataset, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from rerank.arrays import DoubleArray, IndexArray

from .tables import column_names, read_table, require_rows

COLUMNS = ("item_id", "position", "click")
PROPENSITIES = ("propensity_score", "action_prob")


@dataclass(frozen=True)
class Impressions:
    """n impressions: item and position from zero, whether it was clicked, the policy's probability of the item."""

    items: IndexArray
    positions: IndexArray
    clicks: DoubleArray
    propensity: DoubleArray

    def __len__(self) -> int:
        return len(self.items)


def read_impressions(place: Path, policy: str) -> Impressions:
    """Return the impressions of a file, or of the one such file below a folder. Raises ClickException."""
    path = find_log(place, policy)
    propensity = next((name for name in PROPENSITIES if name in column_names(path)), PROPENSITIES[0])
    table = read_table(path, (*COLUMNS, propensity))
    values = {name: _numbers(table, name, path) for name in (*COLUMNS, propensity)}
    require_rows(path, "click is not 0 or 1", np.isin(values["click"], (0, 1)))
    right = (values[propensity] > 0) & (values[propensity] <= 1)
    require_rows(path, f"{propensity} is not above 0 and at most 1", right)
    for name, least in (("item_id", 0), ("position", 1)):
        whole = (values[name] >= least) & (values[name] % 1 == 0)
        require_rows(path, f"{name} is not a whole number from {least}", whole)
    return Impressions(
        values["item_id"].astype(np.int64),
        values["position"].astype(np.int64) - 1,
        values["click"],
        values[propensity],
    )


def find_log(place: Path, policy: str) -> Path:
    """Return the file of impressions in a folder; of several the one that is named after the policy."""
    if place.is_file():
        return place
    if not place.is_dir():
        raise click.ClickException(
            f"{place} is neither a file nor a folder; name the log of the {policy} policy"
        )
    files = [
        path
        for path in sorted(place.rglob("*"))
        if path.name.endswith((".csv", ".csv.gz")) and "item_context" not in path.name
    ]
    if len(files) > 1:
        files = [path for path in files if policy in path.relative_to(place).as_posix()] or files
    if len(files) != 1:
        found = ", ".join(path.name for path in files) or "none"
        raise click.ClickException(
            f"{place} holds {len(files)} files of impressions ({found}), expected one; name the file of the {policy} policy"
        )
    return files[0]


def _numbers(table: Any, name: str, path: Path) -> DoubleArray:
    """Return a column of texts as finite numbers. Raises ClickException with the line of another value."""
    texts = np.array(table[name].to_pylist())
    try:
        values = texts.astype(np.float64)
    except ValueError as error:
        raise click.ClickException(
            f"{path}: column {name} holds a value that is no number: {error}"
        ) from error
    require_rows(path, f"{name} is not a number", np.isfinite(values))
    return values
