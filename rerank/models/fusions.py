"""The neural fusion architectures by name: each has a training form (torch) and a served form (numpy).

To add one, write both classes and add an entry to `FUSIONS`; `vitrine train --fusion` reads the keys, and the model card
names the architecture. The forms are imported when they are used, so that serving imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
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
        ) -> FloatArray: ...


@dataclass(frozen=True)
class NeuralFusion:
    """A neural fusion: the `module:class` of its training form, and the constructor of its served form.

    The training form is created with the sizes, the served form with weights and the vector spaces in order of training.
    """

    network: str
    served: Callable[[Mapping[str, FloatArray], Sequence[str]], ServedModel]

    def create_network(self, sizes: NetworkSizes) -> FusionNetwork:
        """Return a new network; its module, which imports torch, is imported here."""
        network: FusionNetwork = resolve_name(self.network)(sizes)
        return network


def _gated_served(weights: Mapping[str, FloatArray], spaces: Sequence[str]) -> ServedModel:
    from .served import GatedModel

    return GatedModel(weights, spaces)


FUSIONS: dict[str, NeuralFusion] = {
    "gated": NeuralFusion("rerank.models.network:GatedNetwork", _gated_served)
}
DEFAULT_FUSION = "gated"
