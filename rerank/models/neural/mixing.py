"""How each neural fusion mixes the modality rows of a product, in the training form; `served.py` holds the served forms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .network import Batch, FusionNetwork, NetworkSizes, TowerRows, space_layers


def present_softmax(logits: Tensor, present: Tensor) -> Tensor:
    """Return the softmax over the present modalities; zeros for a product that has none."""
    return torch.softmax(logits.masked_fill(~present, -1e9), dim=-1) * present


class ConcatNetwork(FusionNetwork):
    """Early fusion: the modality rows are concatenated and projected.

    A projection of concatenated rows is the sum of one projection per row, which the last layer of each tower holds.
    """

    def item_gates(self, rows: Tensor) -> Tensor:
        """Return nothing, (N, 0)."""
        return rows.new_zeros(len(rows), 0)

    def gates(self, item: Tensor, present: Tensor, x: Tensor, batch: Batch) -> Tensor:
        """Return one for each row that is present."""
        return present.to(x.dtype)

    def served_gates(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}


class WeightedSumNetwork(ConcatNetwork):
    """The modality rows are added with learned weights α, β, γ, the same for every query and product."""

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__(sizes)
        self.weights = nn.Parameter(torch.zeros(len(self.modalities)))

    def gates(self, item: Tensor, present: Tensor, x: Tensor, batch: Batch) -> Tensor:
        """Return the softmax of the weights over the rows that are present."""
        return present_softmax(self.weights.expand(present.shape), present)

    def served_gates(self) -> dict[str, Tensor]:
        """Return the weights before the softmax."""
        return {"gate.bias": self.weights}


class GatedNetwork(FusionNetwork):
    """The weights of the rows depend on the query, the product and the features: g = softmax(Gq·query + G(item) + Gx·x)."""

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__(sizes)
        count = len(self.modalities)
        self.gates_of_item = nn.Linear(count * sizes.hidden, count, bias=False)
        self.query_gates = space_layers(sizes.vectors, count)
        self.x_gates = nn.Linear(sizes.features, count)

    def item_gates(self, rows: Tensor) -> Tensor:
        """Return G(item), (N, modalities)."""
        gates: Tensor = self.gates_of_item(rows.flatten(1))
        return gates

    def gates(self, item: Tensor, present: Tensor, x: Tensor, batch: Batch) -> Tensor:
        """Return the softmax over the rows that are present."""
        query = torch.stack([self.query_gates[s](batch.query_inputs(s)) for s in self.sizes.vectors]).sum(0)
        return present_softmax(item + self.x_gates(x) + query[:, None], present)

    def served_gates(self) -> dict[str, Tensor]:
        """Return the weights of the three parts."""
        return {
            "item.gates": self.gates_of_item.weight.T,
            **self.served_x("gate.x", "gate.bias", self.x_gates),
            **self.served_spaces("gate", self.query_gates),
        }


class CrossModalNetwork(FusionNetwork):
    """Cross-modal attention: query and features attend over the rows, g = softmax((Uq·query + Ux·x) · K row_m / √k)."""

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__(sizes)
        self.row_keys = nn.Linear(sizes.hidden, sizes.keys, bias=False)
        self.query_keys = space_layers(sizes.vectors, sizes.keys)
        self.x_keys = nn.Linear(sizes.features, sizes.keys)

    def item_gates(self, rows: Tensor) -> Tensor:
        """Return the keys of the modality rows, (N, modalities · keys)."""
        keys: Tensor = self.row_keys(rows).flatten(1) / self.sizes.keys**0.5
        return keys

    def gates(self, item: Tensor, present: Tensor, x: Tensor, batch: Batch) -> Tensor:
        """Return the attention over the rows that are present."""
        keys = item.reshape(*item.shape[:2], len(self.modalities), self.sizes.keys)
        query = torch.stack([self.query_keys[s](batch.query_inputs(s)) for s in self.sizes.vectors]).sum(0)
        return present_softmax(torch.einsum("blk,blmk->blm", self.x_keys(x) + query[:, None], keys), present)

    def served_gates(self) -> dict[str, Tensor]:
        """Return the weights of the keys."""
        return {
            "item.row_keys": self.row_keys.weight.T / self.sizes.keys**0.5,
            **self.served_x("gate.x", "gate.bias", self.x_keys),
            **self.served_spaces("gate", self.query_keys),
        }


class SlateTransformer(GatedNetwork):
    """The gated fusion with a transformer layer over the candidates of a slate, which see each other.

    It has no served form: a score depends on the other candidates, so it is reported as a ceiling only.
    """

    def __init__(self, sizes: NetworkSizes, heads: int = 4) -> None:
        super().__init__(sizes)
        self.layer = nn.TransformerEncoderLayer(
            sizes.hidden,
            heads,
            dim_feedforward=2 * sizes.hidden,
            dropout=0.1,
            batch_first=True,
            norm_first=True,
        )

    def hidden(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return h (B, L, hidden) after the layer."""
        h: Tensor = self.layer(super().hidden(tower, batch), src_key_padding_mask=~batch.mask)
        return h
