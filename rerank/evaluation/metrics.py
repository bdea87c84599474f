"""Measures of a run, query by query; `METRICS` is the table that the command, its help and the reports iterate over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rerank.arrays import DoubleArray
from vitrine.errors import JudgmentError

from .trec import Qrels, Run

Gain = Literal["linear", "exp"]
_MAX_EXPONENTIAL_GRADE = 30  # 2^31 - 1 is the largest signed 32-bit integer


@dataclass(frozen=True)
class Measure:
    """A measure by its meaning and its function.

    `values(qrels, run, queries, gain)` returns one value per query (len(queries),), 0 for a query without results.
    """

    description: str
    values: Callable[[Qrels, Run, Sequence[str], Gain], DoubleArray]


def trec_measure(name: str) -> Callable[[Qrels, Run, Sequence[str], Gain], DoubleArray]:
    """Return the function of a measure of ir_measures, such as `nDCG@10`.

    Equal scores are ordered by product id descending, as in trec_eval. With gain `exp`, the gain of nDCG is 2^grade - 1.
    The function raises JudgmentError for a name that ir_measures does not know.
    """

    def values(qrels: Qrels, run: Run, queries: Sequence[str], gain: Gain) -> DoubleArray:
        import ir_measures

        try:
            measure = ir_measures.parse_measure(name)
        except (NameError, SyntaxError, ValueError, KeyError, TypeError) as error:
            raise JudgmentError(
                f"measure {name!r} is not known; use {', '.join(METRICS)}, or another one in the notation of ir_measures"
            ) from error
        # ir_measures has nDCG(dcg='exp-log2') only through a Perl script that requires numeric ids of queries, and
        # judged_only=True not for RR: gains and `keep_judged` give both for any id and any measure.
        if gain == "exp" and measure.NAME == "nDCG":
            measure = measure(gains=_exponential_gains(qrels))
        answered = {query: run[query] for query in queries if query in run}
        judgments = {query: qrels[query] for query in queries}
        by_query = {}
        if answered:
            by_query = {m.query_id: m.value for m in ir_measures.iter_calc([measure], judgments, answered)}
        return np.array([by_query.get(query, 0.0) for query in queries], dtype=np.float64)

    return values


METRICS: dict[str, Measure] = {
    "nDCG@10": Measure(
        "discounted gain of the first ten, divided by the best possible", trec_measure("nDCG@10")
    ),
    "RR@10": Measure("1 / rank of the first relevant product among ten", trec_measure("RR@10")),
    "P@10": Measure("share of relevant products among ten", trec_measure("P@10")),
    "R@100": Measure("share of the relevant products among the first hundred", trec_measure("R@100")),
}


def measure_values(
    qrels: Qrels, run: Run, names: Sequence[str], queries: Sequence[str], gain: Gain = "linear"
) -> dict[str, DoubleArray]:
    """Return each measure's value per query (len(queries),).

    A name is a key of METRICS or any other measure in the notation of ir_measures. A query without results in the run has
    the value 0. Raises JudgmentError for an unknown name.
    """
    functions = {name: METRICS[name].values if name in METRICS else trec_measure(name) for name in names}
    return {name: values(qrels, run, queries, gain) for name, values in functions.items()}


def keep_judged(qrels: Qrels, run: Run) -> Run:
    """Return the run without the products that have no judgment for the query."""
    return {
        query: {product: score for product, score in results.items() if product in qrels.get(query, {})}
        for query, results in run.items()
    }


def _exponential_gains(qrels: Qrels) -> dict[int, int]:
    grades = {grade for judgments in qrels.values() for grade in judgments.values()}
    if max(grades) > _MAX_EXPONENTIAL_GRADE:
        raise JudgmentError(
            f"grade {max(grades)} exceeds {_MAX_EXPONENTIAL_GRADE}, the limit of the gain 2^grade - 1; use --gain linear"
        )
    return {grade: 2**grade - 1 for grade in grades if grade > 0}
