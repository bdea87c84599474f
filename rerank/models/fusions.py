"""The neural fusion architectures by name: each has a training form (torch) and a served form (numpy).

To add one, write both classes and add an entry to `FUSIONS`; the option `--fusion` of `vitrine train` reads the keys, and
the model card names the architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rerank.arrays import DoubleArray, FloatArray
    from rerank.features.groups import QueryVectors
    from rerank.features.item_table import ItemRows, ItemTower
    from rerank.features.scaler import Scaler

    from .network import FusionNetwork, NetworkSizes

    class ServedModel(ItemTower, Protocol):
        """The served form of a neural fusion: the item tower, and scores from its rows; `scaler` is that of the numbers."""

        scaler: Scaler

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
    """The training form and the served form of a neural fusion.

    `training_class` is "module:class" of the training form, by name, because it imports torch and serving must not.
    `served` constructs the served form from its weights and the names of the vector spaces.
    """

    training_class: str
    served: Callable[[Mapping[str, FloatArray], Sequence[str]], ServedModel]

    def network(self, sizes: NetworkSizes) -> FusionNetwork:
        """Return a new network of these sizes."""
        module, _, name = self.training_class.partition(":")
        network: FusionNetwork = getattr(import_module(module), name)(sizes)
        return network


def _gated_served(weights: Mapping[str, FloatArray], spaces: Sequence[str]) -> ServedModel:
    from .served import GatedModel

    return GatedModel(weights, spaces)


FUSIONS: dict[str, NeuralFusion] = {
    "gated": NeuralFusion("rerank.models.network:GatedNetwork", _gated_served),
}
DEFAULT_FUSION = "gated"
