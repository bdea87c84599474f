"""Ranking losses by name: functions of a network's outputs and the gains of slates.

To add a loss, add a function with the parameters of `listwise_softmax` to `LOSSES`; the option `--loss` of
`vitrine train` reads the keys. Outputs (B, L, outputs), gains >= 0, `mask` (bool, False where padded) and offsets are
(B, L). An offset is the log of the probability that a click on the candidate could have been seen: the examination
probability of its position, or the share of candidates that were sampled.
The functions use tensor methods only, so that the command's help imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rerank.arrays import FloatArray, sigmoid

if TYPE_CHECKING:
    from torch import Tensor

CONVERSION_GAIN = 3.0  # of a purchase, where a click has 1
_LEAST_LOG = -1e-4  # the largest log probability, so that the logarithm of its complement is finite


def listwise_softmax(outputs: Tensor, gains: Tensor, mask: Tensor, offsets: Tensor) -> Tensor:
    """Return the cross-entropy between a slate's gains and the softmax of its scores, the mean over slates with a gain.

    With p = softmax(score + offset) over a slate, loss = -Σ_i gain_i / Σ gain · log p_i: ListNet's top-one loss (Cao et al.
    2007, eq. 6). The offset makes the position-based click model part of the softmax, so that the effect of the position
    is not learned as relevance.
    """
    logs = (outputs[..., 0] + offsets).masked_fill(~mask, -1e9).log_softmax(dim=1)
    gains = gains * mask
    total = gains.sum(dim=1)
    has_gain = total > 0
    losses = -(gains * logs).sum(dim=1)[has_gain] / total[has_gain]
    return losses.sum() / max(1, len(losses))


def pairwise_logistic(outputs: Tensor, gains: Tensor, mask: Tensor, offsets: Tensor) -> Tensor:
    """Return the logistic loss of pairs with different gains, the mean over slates with such a pair.

    With u = score + offset, loss = Σ (gain_i - gain_j) · log(1 + exp(u_j - u_i)) / Σ (gain_i - gain_j) over pairs with
    gain_i > gain_j: RankNet (Burges et al. 2005), weighted by the difference of the gains.
    """
    scores = outputs[..., 0] + offsets
    pairs = mask[:, :, None] & mask[:, None, :]
    weights = (gains[:, :, None] - gains[:, None, :]).clamp(min=0) * pairs
    differences = scores[:, :, None] - scores[:, None, :]
    losses = (-differences).clamp(max=30.0).exp().log1p().where(differences > -30, -differences)
    total = weights.sum(dim=(1, 2))
    has_pair = total > 0
    means = (weights * losses).sum(dim=(1, 2))[has_pair] / total[has_pair]
    return means.sum() / max(1, len(means))


def log_loss(outputs: Tensor, gains: Tensor, mask: Tensor, offsets: Tensor) -> Tensor:
    """Return the mean log loss of clicks, P(click) = exp(offset) · sigmoid(score) (Richardson et al. 2007, eq. 2)."""
    return _bernoulli(_log_sigmoid(outputs[..., 0]) + offsets, gains > 0, mask)


def squared_error(outputs: Tensor, gains: Tensor, mask: Tensor, offsets: Tensor) -> Tensor:
    """Return the mean squared error of clicks, P(click) = exp(offset) · sigmoid(score)."""
    errors = (outputs[..., 0].sigmoid() * offsets.exp() - (gains > 0).to(outputs.dtype)) ** 2
    return (errors * mask).sum() / mask.sum().clamp(min=1)


def click_and_conversion(outputs: Tensor, gains: Tensor, mask: Tensor, offsets: Tensor) -> Tensor:
    """Return the log loss of clicks plus that of conversions over all candidates, not over clicked ones (ESMM).

    With two outputs a and b, P(click) = exp(offset) · sigmoid(a) and P(click and conversion) = P(click) · sigmoid(b): the
    entire-space multi-task model (Ma et al. 2018, eq. 4). A cart addition or purchase is a conversion.
    """
    click = _log_sigmoid(outputs[..., 0]) + offsets
    conversion = click + _log_sigmoid(outputs[..., 1])
    return _bernoulli(click, gains > 0, mask) + _bernoulli(conversion, gains > 1, mask)


def _log_sigmoid(values: Tensor) -> Tensor:
    return values.clamp(min=-30.0, max=30.0).sigmoid().log()


def _bernoulli(log_probability: Tensor, happened: Tensor, mask: Tensor) -> Tensor:
    logs = log_probability.clamp(min=-30.0, max=_LEAST_LOG)
    losses = -logs.where(happened, (-logs.exp()).log1p())
    return (losses * mask).sum() / mask.sum().clamp(min=1)


def expected_gain(outputs: FloatArray) -> FloatArray:
    """Return the log of the expected gain (n,) of outputs (n, 2) of `click_and_conversion`.

    Gain = P(click) · (1 + (3 - 1) · P(conversion | click)) for an examined candidate, where a click has gain 1 and a
    purchase 3.
    """
    click, conversion = (sigmoid(outputs[..., column]) for column in (0, 1))
    gain = click * (1.0 + (CONVERSION_GAIN - 1.0) * conversion)
    return np.asarray(np.log(np.maximum(gain, 1e-12)), dtype=np.float32)


@dataclass(frozen=True)
class Loss:
    """A loss, and how many outputs of a network it reads."""

    function: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    outputs: int = 1


LOSSES: dict[str, Loss] = {
    "listwise_softmax": Loss(listwise_softmax),
    "pairwise_logistic": Loss(pairwise_logistic),
    "log_loss": Loss(log_loss),
    "squared_error": Loss(squared_error),
    "click_and_conversion": Loss(click_and_conversion, outputs=2),
}
DEFAULT_LOSS = "listwise_softmax"
