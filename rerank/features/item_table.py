"""The item table: one half-precision row a product, computed once by a model and mapped into memory.

A row holds the product's own text vector, its mean picture vector and what the model's item tower makes of
it: one row a modality, gate numbers, and the query, key and value of the attention over a shopper's clicks.
"""

from __future__ import annotations

import json
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

from .product_table import Catalogue

MODALITIES = ("text", "image", "numbers")
_CHUNK = 8192  # products a step of the item tower


@dataclass(frozen=True)
class RowLayout:
    """How wide the parts of a row are; `hidden` is 0 for a model without item tower."""

    text: int
    image: int
    hidden: int
    keys: int

    @cached_property
    def parts(self) -> dict[str, slice]:
        """Column ranges of the parts of a row."""
        tower = len(MODALITIES) if self.hidden else 0
        widths = {
            "text": self.text,
            "image": self.image,
            "modalities": tower * self.hidden,
            "gates": tower,
            "ask": self.keys,
            "key": self.keys,
            "value": self.hidden,
        }
        ends = np.cumsum(list(widths.values())).tolist()
        return {
            name: slice(end - width, end) for (name, width), end in zip(widths.items(), ends, strict=True)
        }

    @property
    def width(self) -> int:
        return int(self.parts["value"].stop)


class ItemTower(Protocol):
    """What a model makes of products, written into the table after their vectors."""

    @property
    def layout(self) -> RowLayout: ...

    def rows(self, text: FloatArray, image: FloatArray, numbers: DoubleArray) -> FloatArray:
        """Vectors (n, d), missing as zeros, and raw numbers (n, m), missing as NaN -> (n, tower's width)."""
        ...


@dataclass(frozen=True)
class ItemRows:
    """The table's rows of n products, at full width."""

    layout: RowLayout
    values: FloatArray  # (n, width)
    present: BoolArray  # (n, modalities)

    def part(self, name: str) -> FloatArray:
        return self.values[:, self.layout.parts[name]]


class ItemTable:
    """A memory-mapped item table; `find` gives rows for ids, `read` their values."""

    def __init__(self, directory: Path, facts: dict[str, Any], hashes: HashArray) -> None:
        self.facts = facts
        self.layout = RowLayout(**facts["layout"])
        self.hashes = hashes
        self._rows: HalfArray = load_mmap(directory / "rows.npy")
        self._present: BoolArray = load_mmap(directory / "present.npy")

    @classmethod
    def open(cls, directory: Path) -> Self:
        try:
            facts = json.loads((directory / "items.json").read_text())
            return cls(directory, facts, load_mmap(directory / "hashes.npy"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{directory} holds no item table ({error}); train the model again") from None

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, hashes: HashArray) -> tuple[IndexArray, BoolArray]:
        return find_hashes(self.hashes, hashes)

    def read(self, rows: IndexArray) -> ItemRows:
        """The given rows, widened to float32; only these pages of the table are touched."""
        return ItemRows(self.layout, half_to_float(self._rows[rows]), np.asarray(self._present[rows]))

    def warm(self) -> None:
        """Read every page once, so that the first searches do not wait for the disk."""
        step = max(1, 4096 // max(1, self._rows.itemsize * self._rows.shape[1])) if len(self) else 1
        for start in range(0, len(self), _CHUNK):
            self._rows[start : start + _CHUNK : step, :1].sum()


def presence(catalogue: Catalogue) -> BoolArray:
    """Which modalities each product has, (N, modalities); numbers are there when one of them is."""
    numbers = np.isfinite(catalogue.numbers).any(axis=1)
    return np.column_stack([catalogue.has_text, catalogue.has_image, numbers])


def build_items(catalogue: Catalogue, tower: ItemTower, facts: dict[str, Any], directory: Path) -> None:
    """Write the table of a catalogue; `facts` (index, model, ...) go into items.json beside its layout."""
    directory.mkdir(parents=True, exist_ok=True)
    layout = tower.layout
    if (layout.text, layout.image) != (catalogue.text.shape[1], catalogue.image.shape[1]):
        raise ArtifactError(
            f"the model is for text and picture vectors of {layout.text} and {layout.image} values, the index"
            f" has {catalogue.text.shape[1]} and {catalogue.image.shape[1]}; train a model for this index"
        )
    count = len(catalogue.ids)
    rows = np.lib.format.open_memmap(
        directory / "rows.npy", mode="w+", dtype=np.float16, shape=(count, layout.width)
    )
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        text, image = catalogue.text[part], catalogue.image[part]
        made = tower.rows(
            half_to_float(text), half_to_float(image), catalogue.numbers[part].astype(np.float64)
        )
        rows[part] = np.concatenate([text, image, made.astype(np.float16)], axis=1)
    rows.flush()
    np.save(directory / "hashes.npy", catalogue.hashes)
    np.save(directory / "present.npy", presence(catalogue))
    (directory / "items.json").write_text(
        json.dumps({**facts, "count": count, "layout": asdict(layout)}, indent=1) + "\n"
    )


class VectorsOnly:
    """The tower of a model that has none: the table then holds the products' own vectors."""

    def __init__(self, text: int, image: int) -> None:
        self.layout = RowLayout(text=text, image=image, hidden=0, keys=0)

    def rows(self, text: FloatArray, image: FloatArray, numbers: DoubleArray) -> FloatArray:
        return np.zeros((len(text), 0), dtype=np.float32)


def bytes_per_item(layout: RowLayout) -> int:
    """Size of a product in the table: its half-precision row, its hash and its presence flags."""
    return 2 * layout.width + 8 + len(MODALITIES)
