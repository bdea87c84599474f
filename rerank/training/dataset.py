"""Batches of examples as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from rerank.arrays import FloatArray, IndexArray, half_to_float
from rerank.features.groups import NUMBERS, FeaturePlan, feature_names
from rerank.features.product_table import ProductTable
from rerank.features.scaler import Scaler
from rerank.models.neural.network import Batch, ItemInputs, NetworkSizes

from .examples import Examples, QueryTable


@dataclass(frozen=True)
class SlateDataset:
    """The products and queries that examples refer to by row; `missing` are explained signals that items are without."""

    products: ProductTable
    scaler: Scaler
    queries: QueryTable
    missing: frozenset[str] = frozenset()

    @property
    def plan(self) -> FeaturePlan:
        """The plan that names the features."""
        return self.products.plan

    @property
    def sizes(self) -> NetworkSizes:
        """The widths of a network's inputs."""
        products = self.products
        count = len(feature_names(products.plan))
        return NetworkSizes(products.dimensions, len(products.number_names), count)

    @cached_property
    def _numbers(self) -> FloatArray:
        scaled = self.scaler.scale(self.products.numbers)
        known = np.isfinite(scaled)
        if NUMBERS in self.missing:  # as explanations mask them: known numbers at the median
            scaled = scaled * 0
        return np.concatenate([np.where(known, scaled, 0), ~known], axis=1).astype(np.float32)

    def items(self, rows: IndexArray) -> ItemInputs:
        """Return the item tower's inputs for rows (N,) of the product table."""
        vectors = {
            space: torch.from_numpy(half_to_float(array[rows]) * np.float32(space not in self.missing))
            for space, array in self.products.vectors.items()
        }
        return ItemInputs(vectors, torch.from_numpy(self._numbers[rows]))

    def batch(self, examples: Examples) -> tuple[IndexArray, Batch]:
        """Return the product rows (N,) that the candidates and clicks of some slates refer to, and their batch."""
        both = np.concatenate([examples.items, examples.clicks], axis=1)
        rows, inverse = np.unique(both, return_inverse=True)
        indices = torch.from_numpy(inverse.reshape(both.shape))
        length, query, queries = examples.items.shape[1], examples.query, self.queries
        return rows, Batch(
            x=torch.from_numpy(examples.x.copy()),
            candidates=indices[:, :length],
            clicks=indices[:, length:],
            click_mask=torch.from_numpy(examples.click_mask.copy()),
            age_hours=torch.from_numpy(examples.age_hours.copy()),
            query={space: torch.from_numpy(array[query]) for space, array in queries.arrays.items()},
            has_query={space: torch.from_numpy(mask[query]) for space, mask in queries.has.items()},
            mask=torch.from_numpy(examples.mask.copy()),
        )
