"""What a shopper's clicks add to the score of a candidate, in the training form; `served_interest.py` serves it.

To add one, write both forms and add an entry to `INTEREST_NETWORKS` and to `served_interest.INTERESTS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .network import Batch, TowerRows


class InterestNetwork(nn.Module, ABC):
    """The interface of a shopper's interest: a vector for each candidate."""

    @abstractmethod
    def forward(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return (B, L, hidden), zero for a shopper without clicks."""

    @abstractmethod
    def served(self) -> dict[str, Tensor]:
        """Return the arrays of the served form."""


class AttentionInterest(InterestNetwork):
    """Dot-product attention of the candidate over the clicks, with an empty slot of logit zero."""

    def __init__(self, hidden: int, keys: int) -> None:
        super().__init__()
        self.fading = nn.Parameter(torch.tensor(0.1))

    def forward(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return the attention (B, L, hidden); older clicks lose fading · log(1 + hours)."""
        logits = tower.query[batch.candidates] @ tower.key[batch.clicks].transpose(1, 2)  # (B, L, J)
        logits = logits - self.fading * torch.log1p(batch.age_hours)[:, None]
        logits = logits.masked_fill(~batch.click_mask[:, None], -1e9)
        empty_slot = logits.new_zeros(*logits.shape[:2], 1)
        weights = torch.softmax(torch.cat([logits, empty_slot], dim=-1), dim=-1)[..., :-1]
        return weights @ tower.value[batch.clicks]

    def served(self) -> dict[str, Tensor]:
        """Return the strength of the fading."""
        return {"interest.fading": self.fading.reshape(1)}


class GRUInterest(InterestNetwork):
    """A gated recurrent unit over the click sequence (Hidasi et al. 2016), of which each candidate takes a share.

    With s the state after the last click: sigmoid(query(item) · (K s)) · (V s).
    """

    def __init__(self, hidden: int, keys: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(hidden + 1, hidden)
        self.key = nn.Linear(hidden, keys, bias=False)
        self.value = nn.Linear(hidden, hidden, bias=False)

    def forward(self, tower: TowerRows, batch: Batch) -> Tensor:
        """Return the share of the state (B, L, hidden)."""
        ages = torch.log1p(batch.age_hours)[:, :, None]
        inputs = torch.cat([tower.value[batch.clicks], ages], dim=2)  # (B, J, hidden + 1)
        state = inputs.new_zeros(len(inputs), self.cell.hidden_size)
        for step in range(inputs.shape[1]):
            moved = self.cell(inputs[:, step], state)
            state = torch.where(batch.click_mask[:, step, None], moved, state)
        share = torch.sigmoid(torch.einsum("blk,bk->bl", tower.query[batch.candidates], self.key(state)))
        interest: Tensor = share[:, :, None] * self.value(state)[:, None]
        return interest

    def served(self) -> dict[str, Tensor]:
        """Return the weights of the unit and of the share."""
        return {
            "interest.wi": self.cell.weight_ih.T,
            "interest.bi": self.cell.bias_ih,
            "interest.wh": self.cell.weight_hh.T,
            "interest.bh": self.cell.bias_hh,
            "interest.key": self.key.weight.T,
            "interest.value": self.value.weight.T,
        }


INTEREST_NETWORKS: dict[str, type[InterestNetwork]] = {"attention": AttentionInterest, "gru": GRUInterest}
