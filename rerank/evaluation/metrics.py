"""What a run is worth, query by query: ir_measures on TREC ratings, with linear or exponential gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vitrine.errors import JudgmentError

from .trec import Qrels, Run

Gain = Literal["linear", "exp"]
FloatArray = npt.NDArray[np.float64]
MEASURES = ("nDCG@10", "RR@10", "P@10", "R@100")


def values(
    qrels: Qrels, run: Run, names: Sequence[str], queries: Sequence[str], gain: Gain = "linear"
) -> dict[str, FloatArray]:
    """Each measure's value per query (len(queries),); a query that the run does not answer counts zero.

    Equal scores are ordered as trec_eval does, by product id descending.
    With `exp`, nDCG's gain is 2^grade - 1.
    """
    import ir_measures

    measures = {name: _measure(name, gain, qrels) for name in names}
    kept = {query: run[query] for query in queries if query in run}
    found: dict[tuple[str, str], float] = {}
    if kept:
        ratings = {query: qrels[query] for query in queries}
        for metric in ir_measures.iter_calc(list(measures.values()), ratings, kept):
            found[str(metric.measure), metric.query_id] = metric.value
    return {
        name: np.array([found.get((str(measure), query), 0.0) for query in queries])
        for name, measure in measures.items()
    }


def judged_only(qrels: Qrels, run: Run) -> Run:
    """The run without the products that nobody rated for the query."""
    return {
        query: {product: score for product, score in results.items() if product in qrels.get(query, {})}
        for query, results in run.items()
    }


def _measure(name: str, gain: Gain, qrels: Qrels) -> Any:
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
    except (NameError, SyntaxError, ValueError, KeyError, TypeError) as error:
        raise JudgmentError(
            f"measure {name!r} is not known; write it as ir_measures does, such as {', '.join(MEASURES)}"
        ) from error
    if gain == "exp" and measure.NAME == "nDCG":
        measure = measure(gains=_exponential(qrels))
    return measure


def _exponential(qrels: Mapping[str, Mapping[str, int]]) -> dict[int, int]:
    grades = {grade for ratings in qrels.values() for grade in ratings.values()}
    if max(grades) > 30:
        raise JudgmentError(f"grade {max(grades)} is too high for a gain of 2^grade - 1; use --gain linear")
    return {grade: 2**grade - 1 for grade in grades if grade > 0}
