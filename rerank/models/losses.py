"""What training wishes for, as plain functions of scores and gains."""

from __future__ import annotations

import torch
from torch import Tensor


def listwise_softmax(scores: Tensor, gains: Tensor, there: Tensor, offsets: Tensor) -> Tensor:
    """Cross-entropy between a slate's gains and the softmax of its scores, mean over slates with a gain.

    Scores, gains >= 0, `there` (bool, False where padded) and offsets are (B, L). With p = softmax(score +
    offset) over a slate, loss = -Σ_i gain_i / Σ gain · log p_i: ListNet's top-one loss (Cao et al. 2007,
    eq. 6). An offset of log(chance that the position was looked at) makes the position-based click model part
    of the softmax, so that what the position earned is not learned as relevance; a sampled candidate's offset
    is the log of its weight.
    """
    logits = (scores + offsets).masked_fill(~there, -1e9)
    logs = torch.log_softmax(logits, dim=1)
    gains = gains * there
    total = gains.sum(dim=1)
    wished = total > 0
    losses = -(gains * logs).sum(dim=1)[wished] / total[wished]
    return losses.sum() / max(1, len(losses))
