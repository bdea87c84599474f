"""The neural fusion architectures by name: each has a training form (torch) and a served form (numpy).

To add one, write both classes and add an entry to `FUSIONS`; the option `--fusion` of `vitrine train` reads the keys, and
the model card names the architecture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from vitrine.errors import ArtifactError

from .served_interest import DEFAULT_INTEREST

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
    `served_class` is "module:class" of the served form, None for a fusion that is trained and compared only.
    """

    training_class: str
    served_class: str | None

    def network(self, sizes: NetworkSizes) -> FusionNetwork:
        """Return a new network of these sizes."""
        network: FusionNetwork = _named(self.training_class)(sizes)
        return network

    def served(
        self, weights: Mapping[str, FloatArray], spaces: Sequence[str], interest: str = DEFAULT_INTEREST
    ) -> ServedModel:
        """Return the served form of weights, for the vector spaces in the order of training. Raises ArtifactError."""
        if self.served_class is None:
            raise ArtifactError("this fusion is trained for comparison only; train another one to serve it")
        model: ServedModel = _named(self.served_class)(weights, spaces, interest)
        return model


def _named(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _fusion(network: str, served: str | None) -> NeuralFusion:
    return NeuralFusion(
        f"rerank.models.neural.mixing:{network}", served and f"rerank.models.neural.served:{served}"
    )


FUSIONS: dict[str, NeuralFusion] = {
    "gated": _fusion("GatedNetwork", "GatedModel"),
    "concat": _fusion("ConcatNetwork", "ConcatModel"),
    "weighted-sum": _fusion("WeightedSumNetwork", "WeightedSumModel"),
    "cross-modal": _fusion("CrossModalNetwork", "CrossModalModel"),
    "transformer": _fusion("SlateTransformer", None),
}
DEFAULT_FUSION = "gated"
