"""Off-policy estimates: the reward that a target policy would have had, from the log of another one.

Dudík, Erhan, Langford, Li, Doubly robust policy evaluation and optimization (2014); Swaminathan and Joachims, The
self-normalized estimator for counterfactual learning (2015), for `SNIPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rerank.arrays import DoubleArray, IndexArray
from vitrine.errors import RerankError

from .intervals import Interval

_NORMAL_95 = 1.959964
MIN_EFFECTIVE_SHARE = 0.1  # of the decisions; below it a few decisions with large weights make the estimate
_MAX_WEIGHT_ERROR = 4.0  # standard errors by which the mean weight may differ from one


@dataclass(frozen=True)
class LoggedDecisions:
    """n decisions of a logging policy, each with one action that was shown.

    `logged` and `target` are the probabilities of that action under the logging and the target policy. For the doubly
    robust estimate, `predicted` is a reward model's value of the action, `expected` its mean over the target policy's
    actions; the model must not have seen the decision itself (`cross_fitted_rates`).
    """

    rewards: DoubleArray  # (n,)
    logged: DoubleArray  # (n,) in (0, 1]
    target: DoubleArray  # (n,) in [0, 1]
    predicted: DoubleArray | None = None  # (n,)
    expected: DoubleArray | None = None  # (n,)

    def __post_init__(self) -> None:
        """Raise RerankError for no decisions, unequal lengths, or values that are no probabilities."""
        count = len(self.rewards)
        arrays = {name: value for name, value in vars(self).items() if value is not None}
        if count < 2 or any(value.shape != (count,) for value in arrays.values()):
            lengths = ", ".join(f"{name} {value.shape}" for name, value in arrays.items())
            raise RerankError(f"expected at least two decisions and arrays of one length, found {lengths}")
        if not all(np.isfinite(value).all() for value in arrays.values()):
            raise RerankError("a reward, probability or prediction of a logged decision is not finite")
        if (
            (self.logged <= 0).any()
            or (self.logged > 1).any()
            or (self.target < 0).any()
            or (self.target > 1).any()
        ):
            raise RerankError(
                "a logged probability lies outside (0, 1] or a target probability outside [0, 1]; log the policy's "
                "probability of the action that was shown"
            )

    @property
    def weights(self) -> DoubleArray:
        """The importance weights target / logged, (n,); their mean is one where the probabilities are right."""
        return self.target / self.logged


@dataclass(frozen=True)
class OffPolicyEstimate:
    """The mean reward of a decision under the target policy, with its 95 % interval.

    `warning` says why the interval is not to be trusted; None: nothing speaks against it.
    """

    estimator: str
    value: Interval
    effective_sample_size: float
    decisions: int
    warning: str | None


def ips(decisions: LoggedDecisions) -> DoubleArray:
    """Return the inverse-propensity terms w r (n,)."""
    return decisions.weights * decisions.rewards


def snips(decisions: LoggedDecisions) -> DoubleArray:
    """Return terms (n,) whose mean is Σ w r / Σ w; their spread is that of the ratio (delta method)."""
    weights = decisions.weights
    total = float(weights.sum())
    value = float(weights @ decisions.rewards) / total if total else 0.0
    return value + weights * (decisions.rewards - value) / max(float(weights.mean()), 1e-12)


def doubly_robust(decisions: LoggedDecisions) -> DoubleArray:
    """Return the terms expected + w (r - predicted), (n,). Raises RerankError without a reward model."""
    if decisions.predicted is None or decisions.expected is None:
        raise RerankError("the doubly robust estimate needs a reward model: give `predicted` and `expected`")
    return decisions.expected + decisions.weights * (decisions.rewards - decisions.predicted)


# Decisions -> terms (n,) whose mean is the estimate.
ESTIMATORS: dict[str, Callable[[LoggedDecisions], DoubleArray]] = {
    "IPS": ips,
    "SNIPS": snips,
    "doubly robust": doubly_robust,
}


def off_policy_estimates(decisions: LoggedDecisions) -> dict[str, OffPolicyEstimate]:
    """Return the estimate of each of `ESTIMATORS` by name, the doubly robust one only where there is a reward model."""
    size, warning = effective_sample_size(decisions.weights), _warning(decisions.weights)
    names = [name for name in ESTIMATORS if name != "doubly robust" or decisions.predicted is not None]
    terms: Mapping[str, DoubleArray] = {name: ESTIMATORS[name](decisions) for name in names}
    count = len(decisions.rewards)
    return {
        name: OffPolicyEstimate(name, normal_interval(values), size, count, warning)
        for name, values in terms.items()
    }


def normal_interval(terms: DoubleArray) -> Interval:
    """Return the mean of terms (n,) with its 95 % normal interval; a bootstrap of a million terms would take minutes."""
    mean = float(terms.mean())
    margin = _NORMAL_95 * float(terms.std(ddof=1)) / float(np.sqrt(len(terms)))
    return Interval(mean, mean - margin, mean + margin)


def effective_sample_size(weights: DoubleArray) -> float:
    """Return (Σ w)² / Σ w²: how many decisions of equal weight say as much (Kong 1992)."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def cross_fitted_rates(
    actions: IndexArray, rewards: DoubleArray, count: int, folds: int = 5, prior: float = 100.0, seed: int = 7
) -> tuple[IndexArray, DoubleArray]:
    """Return each decision's fold (n,) and the mean rewards of `count` actions without that fold, (folds, count).

    A mean is smoothed by `prior` decisions with the mean of all.
    """
    fold = np.random.default_rng(seed).permutation(len(actions)) % folds
    rates = np.zeros((folds, count))
    for number in range(folds):
        kept = fold != number
        shown = np.bincount(actions[kept], minlength=count)
        total = np.bincount(actions[kept], rewards[kept], minlength=count)
        rates[number] = (total + prior * rewards[kept].mean()) / (shown + prior)
    return fold, rates


def _warning(weights: DoubleArray) -> str | None:
    """Return what makes the estimates of these weights unreliable."""
    size, count = effective_sample_size(weights), len(weights)
    if size < MIN_EFFECTIVE_SHARE * count:
        return (
            f"the effective sample size is {size:,.0f} of {count:,} decisions: a few with large weights make the estimate; "
            "log more, or compare policies that are nearer to each other"
        )
    error = float(weights.std(ddof=1)) / float(np.sqrt(count))
    if abs(float(weights.mean()) - 1.0) > _MAX_WEIGHT_ERROR * max(error, 1e-9):
        return (
            f"the weights have a mean of {weights.mean():.2f} instead of 1: the logged probabilities are not those of the "
            "policy, or the target policy chooses actions that the log never shows"
        )
    return None
