"""The neural fusion architectures by name: each has a training form (torch) and a served form (numpy).

To add one, write both classes and add an entry to `FUSIONS`; the option `--fusion` of `vitrine train` reads the keys, and the model card
names the architecture. The forms are imported when they are used, so that serving imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rerank.arrays import DoubleArray, FloatArray
    from rerank.features.groups import QueryVectors
    from rerank.features.item_table import ItemRows, ItemTower

    from .network import FusionNetwork, NetworkSizes

    class ServedModel(ItemTower, Protocol):
        """The served form of a neural fusion: the item tower, and scores from its rows."""

        def scores(
            self,
            x: FloatArray,
            items: ItemRows,
            query: QueryVectors,
            clicks: ItemRows | None,
            age_hours: DoubleArray,
        ) -> FloatArray:
            """Return scores (n,) of candidates with features x (n, features) and rows of the item table."""


@dataclass(frozen=True)
class NeuralFusion:
    """The constructors of a neural fusion's training form, of its sizes, and of its served form, of weights and spaces."""

    network: Callable[[NetworkSizes], FusionNetwork]
    served: Callable[[Mapping[str, FloatArray], Sequence[str]], ServedModel]


def _gated_network(sizes: NetworkSizes) -> FusionNetwork:
    from .network import GatedNetwork

    return GatedNetwork(sizes)


def _gated_served(weights: Mapping[str, FloatArray], spaces: Sequence[str]) -> ServedModel:
    from .served import GatedModel

    return GatedModel(weights, spaces)


FUSIONS: dict[str, NeuralFusion] = {"gated": NeuralFusion(_gated_network, _gated_served)}
DEFAULT_FUSION = "gated"
