"""The item table: one half-precision row per product, computed once by a model and mapped into memory.

A row holds the product's vector in each vector space and the output of the model's item tower: one row per modality, gate
numbers, and the query, key and value of the attention over a shopper's clicks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from rerank.arrays import (
    BoolArray,
    DoubleArray,
    FloatArray,
    HalfArray,
    HashArray,
    IndexArray,
    find_hashes,
    half_to_float,
    load_mmap,
)
from vitrine.errors import ArtifactError

from .groups import NUMBERS
from .product_table import ProductTable
from .words import ProductWords

_CHUNK = 8192  # products that the item tower computes at once


def modalities(spaces: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modalities of a model: the vector spaces and the numbers."""
    return (*spaces, NUMBERS)


@dataclass(frozen=True)
class RowLayout:
    """The widths of the parts of a row; all but `vectors` are 0 for a model without item tower."""

    vectors: Mapping[str, int]  # by vector space
    hidden: int
    keys: int
    gates: int  # what the weights of the modality rows read of the item

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of the rows."""
        return modalities(self.vectors)

    @cached_property
    def parts(self) -> dict[str, slice]:
        """The column ranges of the parts of a row; that of a vector is named `vector:SPACE`."""
        towers = len(self.modalities) if self.hidden else 0
        widths = {
            **{f"vector:{space}": width for space, width in self.vectors.items()},
            "modalities": towers * self.hidden,
            "gates": self.gates,
            "query": self.keys,
            "key": self.keys,
            "value": self.hidden,
        }
        ends = np.cumsum(list(widths.values())).tolist()
        return {
            name: slice(end - width, end) for (name, width), end in zip(widths.items(), ends, strict=True)
        }

    @property
    def width(self) -> int:
        """The number of values of a row."""
        return int(self.parts["value"].stop)


class ItemTower(Protocol):
    """The part of a model that computes the rows of products, written into the table after their vectors."""

    @property
    def layout(self) -> RowLayout:
        """The layout of the rows."""

    def rows(self, vectors: Mapping[str, FloatArray], numbers: DoubleArray) -> FloatArray:
        """Return rows (n, tower's width).

        `vectors` holds (n, d) by vector space, zeros where missing; `numbers` (n, m) are not scaled, NaN where missing.
        """
        ...


@dataclass(frozen=True)
class ItemRows:
    """The table's rows of n products in float32."""

    layout: RowLayout
    values: FloatArray  # (n, width)
    present: BoolArray  # (n, modalities)

    def part(self, name: str) -> FloatArray:
        """Return one part of the rows, (n, its width)."""
        return self.values[:, self.layout.parts[name]]

    @property
    def vectors(self) -> dict[str, FloatArray]:
        """The products' vectors (n, d) by vector space."""
        return {space: self.part(f"vector:{space}") for space in self.layout.vectors}

    @property
    def has(self) -> dict[str, BoolArray]:
        """Which products (n,) have a vector, by vector space."""
        return {space: self.present[:, column] for column, space in enumerate(self.layout.vectors)}


class ItemTable:
    """A memory-mapped item table; `find` returns the rows of ids, `read` their values."""

    def __init__(self, directory: Path, metadata: dict[str, Any], hashes: HashArray) -> None:
        self.metadata = metadata
        self.layout = RowLayout(**metadata["layout"])
        self.hashes = hashes
        self._rows: HalfArray = load_mmap(directory / "rows.npy")
        self._present: BoolArray = load_mmap(directory / "present.npy")
        self.words = ProductWords.open(directory)  # None where the model does not read them

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the table that `build_items` wrote. Raises ArtifactError."""
        try:
            metadata = json.loads((directory / "items.json").read_text())
            return cls(directory, metadata, load_mmap(directory / "hashes.npy"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{directory} holds no item table ({error}); train the model again") from None

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, hashes: HashArray) -> tuple[IndexArray, BoolArray]:
        """Return the rows (n,) of id hashes and which ids the table holds; an absent id has row 0."""
        return find_hashes(self.hashes, hashes)

    def read(self, rows: IndexArray) -> ItemRows:
        """Return the given rows in float32; only their pages of the table are read."""
        return ItemRows(self.layout, half_to_float(self._rows[rows]), np.asarray(self._present[rows]))

    def has(self, space: str) -> BoolArray:
        """Return which products (N,) have a vector in a space."""
        return self._present[:, list(self.layout.vectors).index(space)]

    def warm(self) -> None:
        """Read every page once, so that the first searches do not wait for the disk."""
        step = max(1, 4096 // max(1, self._rows.itemsize * self._rows.shape[1])) if len(self) else 1
        for start in range(0, len(self), _CHUNK):
            self._rows[start : start + _CHUNK : step, :1].sum()


def presence(products: ProductTable) -> BoolArray:
    """Return which modalities each product has, (N, modalities); one known number is enough for the numbers."""
    return np.column_stack([*products.has.values(), np.isfinite(products.numbers).any(axis=1)])


def build_items(
    products: ProductTable,
    tower: ItemTower,
    metadata: dict[str, Any],
    directory: Path,
    words: ProductWords | None = None,
) -> None:
    """Write the item table of products; `metadata` (index, model, ...) goes into items.json beside the layout.

    `words` are those of the products, for a model that reads them. Raises ArtifactError when the
    model was trained on other vector spaces or dimensions.
    """
    directory.mkdir(parents=True, exist_ok=True)
    layout = tower.layout
    if dict(layout.vectors) != products.dimensions:
        raise ArtifactError(
            f"the model is for vectors of {_widths(layout.vectors)} values, the index has "
            f"{_widths(products.dimensions)}; train a model for this index"
        )
    count = len(products.ids)
    rows = np.lib.format.open_memmap(
        directory / "rows.npy", mode="w+", dtype=np.float16, shape=(count, layout.width)
    )
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        vectors = {space: array[part] for space, array in products.vectors.items()}
        computed = tower.rows(
            {space: half_to_float(array) for space, array in vectors.items()}, products.numbers[part]
        )
        rows[part] = np.concatenate([*vectors.values(), computed.astype(np.float16)], axis=1)
    rows.flush()
    np.save(directory / "hashes.npy", products.hashes)
    if words is not None:
        words.save(directory)
    np.save(directory / "present.npy", presence(products))
    (directory / "items.json").write_text(
        json.dumps({**metadata, "count": count, "layout": asdict(layout)}, indent=1) + "\n"
    )


class VectorsOnly:
    """The item tower of a model that has none: the table then holds the products' vectors only."""

    def __init__(self, dimensions: Mapping[str, int]) -> None:
        self.layout = RowLayout(vectors=dimensions, hidden=0, keys=0, gates=0)

    def rows(self, vectors: Mapping[str, FloatArray], numbers: DoubleArray) -> FloatArray:
        """Return rows (n, 0): such a model has no item tower."""
        return np.zeros((len(numbers), 0), dtype=np.float32)


def bytes_per_item(layout: RowLayout) -> int:
    """Return the size of a product in the table: its half-precision row, its hash and its presence flags."""
    return 2 * layout.width + 8 + len(layout.modalities)


def _widths(vectors: Mapping[str, int]) -> str:
    return ", ".join(f"{width} ({space})" for space, width in vectors.items()) or "no"
