"""Scores read as predictions of relevance: calibrated probabilities, ROC and precision-recall curves, reliability.

A judged product is relevant from a grade on. Scores of different queries are made comparable in two steps: each query's
scores are scaled to [0, 1], and isotonic regression maps them to probabilities (Zadrozny and Elkan 2002). The map of a
query is learned from the judgments of other queries, so no query is predicted from its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rerank.arrays import BoolArray, DoubleArray, IndexArray

from .intervals import Interval, bootstrap
from .trec import Qrels, Run

THRESHOLD = 0.5  # of the probability from which a product is predicted to be relevant
_FOLDS = 5
_BINS = 10
_NOT_RETRIEVED = -0.1  # below the last result of a query


@dataclass(frozen=True)
class JudgedScores:
    """Scores of n judged products: `scores` scaled to [0, 1] in each query, -0.1 where the run lacks the product."""

    query: IndexArray  # (n,) number of the query
    scores: DoubleArray  # (n,)
    relevant: BoolArray  # (n,)

    @property
    def has_both(self) -> bool:
        """Whether there are relevant and other products."""
        return bool(self.relevant.any() and not self.relevant.all())


@dataclass(frozen=True)
class ReliabilityBin:
    """Products of similar probability: their mean probability, the share that is relevant, and how many there are."""

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True)
class ScoreQuality:
    """How well scores predict relevance on n judged products.

    `auc` and `average_precision` are the areas under the curves of all products together; `auc_by_query` is the mean over
    queries with both kinds of products. `calibration_error` is the mean distance of a bin's probability to its share of
    relevant products, weighed by its size. `accuracy`, `precision`, `recall` and `f1` are those at probability 0.5.
    """

    products: int
    share_relevant: float
    roc: DoubleArray  # (2, points): false positive rate, true positive rate
    precision_recall: DoubleArray  # (2, points): recall, precision
    bins: tuple[ReliabilityBin, ...]
    auc: float
    auc_by_query: Interval | None
    average_precision: float
    brier: float
    calibration_error: float
    accuracy: float
    precision: float
    recall: float
    f1: float


def judged_scores(qrels: Qrels, run: Run, relevant: int = 1) -> JudgedScores:
    """Return the scores of every judged product of the queries in the run; relevant: graded `relevant` or higher."""
    numbers, scores, labels = [], [], []
    for number, query in enumerate(sorted(qrels.keys() & run.keys())):
        values = run[query].values()
        low, high = min(values, default=0.0), max(values, default=0.0)
        width = (high - low) or 1.0
        for product, grade in qrels[query].items():
            found = product in run[query]
            numbers.append(number)
            scores.append((run[query][product] - low) / width if found else _NOT_RETRIEVED)
            labels.append(grade >= relevant)
    return JudgedScores(
        np.array(numbers, dtype=np.int64),
        np.array(scores, dtype=np.float64),
        np.array(labels, dtype=np.bool_),
    )


def score_quality(judged: JudgedScores) -> ScoreQuality | None:
    """Return how well the scores predict relevance; None where that cannot be learned.

    It takes two queries at least, and relevant and other products in every part that a map is learned from.
    """
    from sklearn import metrics

    probability = calibrated(judged)
    if probability is None:
        return None
    labels, predicted = judged.relevant, probability >= THRESHOLD
    false_rate, true_rate, _ = metrics.roc_curve(labels, probability)
    precision, recall, _ = metrics.precision_recall_curve(labels, probability)
    at = metrics.precision_recall_fscore_support(labels, predicted, average="binary", zero_division=0.0)
    bins = reliability(probability, labels)
    by_query = auc_by_query(judged)
    return ScoreQuality(
        products=len(labels),
        share_relevant=float(labels.mean()),
        roc=np.array([false_rate, true_rate]),
        precision_recall=np.array([recall, precision]),
        bins=bins,
        auc=float(metrics.roc_auc_score(labels, probability)),
        auc_by_query=bootstrap(by_query) if len(by_query) else None,
        average_precision=float(metrics.average_precision_score(labels, probability)),
        brier=float(metrics.brier_score_loss(labels, probability)),
        calibration_error=sum(abs(b.predicted - b.observed) * b.count for b in bins) / len(labels),
        accuracy=float(metrics.accuracy_score(labels, predicted)),
        precision=float(at[0]),
        recall=float(at[1]),
        f1=float(at[2]),
    )


def calibrated(judged: JudgedScores) -> DoubleArray | None:
    """Return the probability (n,) that each product is relevant, learned from the products of other queries."""
    from sklearn.isotonic import IsotonicRegression
    from sklearn.model_selection import GroupKFold

    queries = len(np.unique(judged.query))
    if queries < 2 or not judged.has_both:
        return None
    probability = np.zeros(len(judged.scores))
    folds = GroupKFold(min(_FOLDS, queries)).split(judged.scores, groups=judged.query)
    for learned, predicted in folds:
        labels = judged.relevant[learned]
        if labels.all() or not labels.any():
            return None
        regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        regression.fit(judged.scores[learned], labels.astype(np.float64))
        probability[predicted] = regression.predict(judged.scores[predicted])
    return probability


def auc_by_query(judged: JudgedScores) -> DoubleArray:
    """Return the area under the ROC curve of each query that has relevant and other products."""
    from sklearn.metrics import roc_auc_score

    areas = []
    for number in np.unique(judged.query):
        own = judged.query == number
        if judged.relevant[own].any() and not judged.relevant[own].all():
            areas.append(roc_auc_score(judged.relevant[own], judged.scores[own]))
    return np.array(areas, dtype=np.float64)


def reliability(probability: DoubleArray, relevant: BoolArray) -> tuple[ReliabilityBin, ...]:
    """Return at most ten bins of equal width over the probability, without the empty ones."""
    place = np.minimum((probability * _BINS).astype(np.int64), _BINS - 1)
    return tuple(
        ReliabilityBin(float(probability[own].mean()), float(relevant[own].mean()), int(own.sum()))
        for own in (place == number for number in range(_BINS))
        if own.any()
    )
