"""Ranking losses by name: functions of the scores and gains of slates.

To add a loss, add a function with the parameters of `listwise_softmax` to `LOSSES`; the option `--loss` of
`vitrine train` reads the keys.
The functions use tensor methods only, so that the command's help imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def listwise_softmax(scores: Tensor, gains: Tensor, mask: Tensor, offsets: Tensor) -> Tensor:
    """Return the cross-entropy between a slate's gains and the softmax of its scores, the mean over slates with a gain.

    Scores, gains >= 0, `mask` (bool, False where padded) and offsets are (B, L). With p = softmax(score + offset) over a
    slate, loss = -Σ_i gain_i / Σ gain · log p_i: ListNet's top-one loss (Cao et al. 2007, eq. 6). An offset that is the log
    of the examination probability of the position makes the position-based click model part of the softmax, so that the
    effect of the position is not learned as relevance. The offset of a sampled candidate is the log of its weight.
    """
    logs = (scores + offsets).masked_fill(~mask, -1e9).log_softmax(dim=1)
    gains = gains * mask
    total = gains.sum(dim=1)
    has_gain = total > 0
    losses = -(gains * logs).sum(dim=1)[has_gain] / total[has_gain]
    return losses.sum() / max(1, len(losses))


Loss = Callable[["Tensor", "Tensor", "Tensor", "Tensor"], "Tensor"]
LOSSES: dict[str, Loss] = {"listwise_softmax": listwise_softmax}
DEFAULT_LOSS = "listwise_softmax"
