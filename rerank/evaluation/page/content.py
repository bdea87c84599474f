"""The numbers of the report: measures in three readings, wins and losses by query, score quality, ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rerank.arrays import DoubleArray
from rerank.evaluation.intervals import Interval, bootstrap
from rerank.evaluation.metrics import Gain, measure_values
from rerank.evaluation.readings import READINGS, ranked, share_judged
from rerank.evaluation.relevance import ScoreQuality, judged_scores, score_quality
from rerank.evaluation.report import EvaluationReport, evaluate_runs
from rerank.evaluation.trec import Qrels, Run

SHOWN_QUERIES = 4  # with their products, of those won and those lost
SHOWN_PRODUCTS = 6
_EQUAL = 1e-9


@dataclass(frozen=True)
class AblationRun:
    """A run in which something is left out, and the name of the run that it is compared with."""

    left_out: str
    base: str
    run: Run


@dataclass(frozen=True)
class Material:
    """What a report is made of. The first run is the baseline, the first measure the one that decides.

    `pools` are runs of the judged products alone, where the search was asked to rank them; the other pools are derived from
    the runs. `words` are the queries' texts.
    """

    qrels: Qrels
    runs: Mapping[str, Run]
    measures: Sequence[str]
    gain: Gain = "linear"
    judged_only: bool = False
    relevant: int = 1
    pools: Mapping[str, Run] = field(default_factory=dict)
    ablations: Sequence[AblationRun] = ()
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RankedProduct:
    """A product of a result list; `grade` is None without a judgment."""

    id: str
    grade: int | None


@dataclass(frozen=True)
class QueryRow:
    """One query: the first measure's value of each run, and the difference of the last compared run to the baseline."""

    id: str
    words: str
    values: dict[str, float]
    difference: float = 0.0
    results: dict[str, list[RankedProduct]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunComparison:
    """A run against the baseline, query by query."""

    run: str
    difference: Interval
    differences: DoubleArray  # (queries,) rising
    won: list[QueryRow]
    lost: list[QueryRow]
    wins: int
    losses: int

    @property
    def equal(self) -> int:
        """The number of queries without difference."""
        return len(self.differences) - self.wins - self.losses


@dataclass(frozen=True)
class Ablation:
    """What leaving something out does to the first measure of a run."""

    left_out: str
    base: str
    difference: Interval


@dataclass(frozen=True)
class Content:
    """Everything that the page shows, apart from images."""

    report: EvaluationReport
    readings: dict[str, EvaluationReport]
    judged_share: dict[str, float]
    comparisons: list[RunComparison]
    quality: dict[str, ScoreQuality | None]
    ablations: list[Ablation]
    rows: list[QueryRow]
    relevant: int

    @property
    def measure(self) -> str:
        """The measure that decides."""
        return self.report.measures[0]

    def products(self) -> set[str]:
        """Return the ids of the products that the page shows."""
        rows = [row for comparison in self.comparisons for row in (*comparison.won, *comparison.lost)]
        return {product.id for row in rows for results in row.results.values() for product in results}

    def queries(self) -> set[str]:
        """Return the ids of the queries whose results the page shows."""
        return {row.id for comparison in self.comparisons for row in (*comparison.won, *comparison.lost)}


def report_content(material: Material) -> Content:
    """Return the content of the report. Raises JudgmentError as `evaluate_runs` does."""
    reading = "judged only" if material.judged_only else "unjudged as wrong"
    readings = {name: _evaluated(material, name) for name in READINGS}
    measured = {name: READINGS[reading].apply(material.qrels, run) for name, run in material.runs.items()}
    queries = sorted(query for query, grades in material.qrels.items() if max(grades.values()) > 0)
    values = {name: _values(material, run, queries) for name, run in measured.items()}
    first = next(iter(values))
    return Content(
        report=readings[reading],
        readings=readings,
        judged_share={name: share_judged(material.qrels, run) for name, run in material.runs.items()},
        comparisons=[
            _comparison(material, measured, values, queries, first, name) for name in list(values)[1:]
        ],
        quality={
            name: score_quality(judged_scores(material.qrels, run, material.relevant))
            for name, run in material.runs.items()
        },
        ablations=[_ablation(material, ablation, queries) for ablation in material.ablations],
        rows=[_row(material, values, place, query) for place, query in enumerate(queries)],
        relevant=material.relevant,
    )


def _evaluated(material: Material, reading: str) -> EvaluationReport:
    runs = {
        name: material.pools[name]
        if reading == "judged pool" and name in material.pools
        else READINGS[reading].apply(material.qrels, run)
        for name, run in material.runs.items()
    }
    judged_only = reading == "judged only"
    return evaluate_runs(material.qrels, runs, material.measures, material.gain, judged_only)


def _values(material: Material, run: Run, queries: Sequence[str]) -> DoubleArray:
    measure = material.measures[0]
    return measure_values(material.qrels, run, [measure], queries, material.gain)[measure]


def _row(material: Material, values: Mapping[str, DoubleArray], place: int, query: str) -> QueryRow:
    own = {name: float(array[place]) for name, array in values.items()}
    first, *_, last = [*own.values(), *own.values()]
    return QueryRow(query, material.words.get(query, ""), own, last - first)


def _comparison(
    material: Material,
    measured: Mapping[str, Run],
    values: Mapping[str, DoubleArray],
    queries: Sequence[str],
    first: str,
    name: str,
) -> RunComparison:
    differences = values[name] - values[first]
    order = np.argsort(differences, kind="stable")

    def rows(places: Sequence[int]) -> list[QueryRow]:
        return [
            _results(material, measured, values, queries[place], place, (first, name)) for place in places
        ]

    won = [int(place) for place in order[::-1] if differences[place] > _EQUAL]
    lost = [int(place) for place in order if differences[place] < -_EQUAL]
    return RunComparison(
        run=name,
        difference=bootstrap(differences),
        differences=np.sort(differences),
        won=rows(won[:SHOWN_QUERIES]),
        lost=rows(lost[:SHOWN_QUERIES]),
        wins=len(won),
        losses=len(lost),
    )


def _results(
    material: Material,
    measured: Mapping[str, Run],
    values: Mapping[str, DoubleArray],
    query: str,
    place: int,
    names: tuple[str, str],
) -> QueryRow:
    """Return a query with the first products of both runs."""
    grades = material.qrels[query]
    own = {name: float(values[name][place]) for name in names}
    results = {
        name: [
            RankedProduct(product, grades.get(product))
            for product in ranked(measured[name].get(query, {}))[:SHOWN_PRODUCTS]
        ]
        for name in names
    }
    return QueryRow(query, material.words.get(query, ""), own, own[names[1]] - own[names[0]], results)


def _ablation(material: Material, ablation: AblationRun, queries: Sequence[str]) -> Ablation:
    base = _values(material, material.runs[ablation.base], queries)
    difference = bootstrap(_values(material, ablation.run, queries) - base)
    return Ablation(ablation.left_out, ablation.base, difference)
