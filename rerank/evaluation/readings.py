"""Three readings of incomplete judgments: the judged pool, judged products only, and unjudged products as wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .metrics import keep_judged
from .trec import Qrels, Run


@dataclass(frozen=True)
class Reading:
    """A way to read a run against judgments that do not cover it; `apply` returns the run as it is then measured."""

    description: str
    apply: Callable[[Qrels, Run], Run]


def ranked(results: Mapping[str, float]) -> list[str]:
    """Return the products of one query, best first; equal scores by id descending, as in trec_eval."""
    return sorted(results, key=lambda product: (results[product], product), reverse=True)


def judged_pool(qrels: Qrels, run: Run) -> Run:
    """Return a ranking of all judged products of each query: those of the run in its order, then the others, worst first.

    A product that the run did not retrieve is thereby ranked as low as it can be. A query that the run leaves out stays so.
    """
    pool: Run = {}
    for query, grades in qrels.items():
        if query not in run:
            continue
        found = [product for product in ranked(run[query]) if product in grades]
        others = sorted(grades.keys() - set(found), key=lambda product: (grades[product], product))
        pool[query] = {product: -float(rank) for rank, product in enumerate([*found, *others])}
    return pool


def share_judged(qrels: Qrels, run: Run, depth: int = 10) -> float:
    """Return the share of the first `depth` products that have a judgment, the mean over the judged queries of the run."""
    shares = [
        float(np.mean([product in grades for product in ranked(run[query])[:depth]]))
        for query, grades in qrels.items()
        if run.get(query)
    ]
    return float(np.mean(shares)) if shares else 0.0


READINGS: dict[str, Reading] = {
    "judged pool": Reading(
        "every judged product of the query is ranked, and nothing else: what the order of known products is worth",
        judged_pool,
    ),
    "judged only": Reading(
        "unjudged products are taken out of the results, as if they had not been found", keep_judged
    ),
    "unjudged as wrong": Reading(
        "results as a shopper sees them; a product without a judgment counts as not relevant",
        lambda _, run: run,
    ),
}
