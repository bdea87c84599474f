"""The runs that `vitrine evaluate` searches itself: the orders of an index, its judged pools, and an ablation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from opensearch.index.spaces import LEXICAL
from opensearch.search.query import MAX_WINDOW
from rerank.commands.query_runs import RunReport, read_lines, write_run
from rerank.evaluation.page.content import AblationRun
from rerank.evaluation.trec import Qrels, Run, read_run
from rerank.models.ranker import Explains
from rerank.search_request import decode_fields
from rerank.serving_context import ServingContext
from vitrine.errors import JudgmentError, VitrineError

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

ENGINE, RERANKED = "engine order", "reranked"


@dataclass(frozen=True)
class QueryTexts:
    """The words of each query, and the path of its image, by query id."""

    words: dict[str, str] = field(default_factory=dict)
    images: dict[str, Path] = field(default_factory=dict)


@dataclass
class EvaluationRuns:
    """Runs by name, the same searches over the judged pool alone, and runs with something left out."""

    runs: dict[str, Run] = field(default_factory=dict)
    pools: dict[str, Run] = field(default_factory=dict)
    ablations: list[AblationRun] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def query_texts(queries: Path) -> QueryTexts:
    """Return the words and images of a queries file. Raises QueryError where it is not readable."""
    texts = QueryTexts()
    for _, line in read_lines(queries):
        fields = _fields(line)
        name = str(fields.get("id", ""))
        texts.words[name] = str(fields.get("query") or "")
        if fields.get("image"):
            texts.images[name] = queries.parent / str(fields["image"])
    return texts


def searched_runs(
    client: OpenSearch,
    context: ServingContext,
    queries: Path,
    qrels: Qrels,
    on_progress: Callable[[str, int], None],
    ablation: bool = True,
) -> EvaluationRuns:
    """Search every query in the engine's order and reranked, then over the judged pool, and with parts left out.

    `on_progress` is called with the name of the run and the number of queries done. Raises VitrineError.
    """
    made = EvaluationRuns()
    orders = {ENGINE: "engine"} | ({RERANKED: "reranked"} if context.ranker else {})
    with tempfile.TemporaryDirectory(prefix="vitrine-evaluate-") as temporary:
        folder = Path(temporary)
        pool = _pool_queries(queries, qrels, folder / "pool.jsonl")

        def searched(name: str, lines: Path, own: ServingContext, **fields: Any) -> Run:
            report = write_run(
                client, own, lines, folder / "run.trec", fields, lambda done: on_progress(name, done)
            )
            made.problems.extend(_problems(name, report))
            return read_run(folder / "run.trec")

        for name, order in orders.items():
            made.runs[name] = searched(name, queries, context, order=order)
            made.pools[name] = searched(f"{name}, judged pool", pool, context, order=order)
        if ablation:
            for left_out, base, own, fields in _ablations(context):
                run = searched(f"without {left_out}", queries, own, **fields)
                made.ablations.append(AblationRun(left_out, base, run))
    return made


def _ablations(context: ServingContext) -> list[tuple[str, str, ServingContext, dict[str, Any]]]:
    """Return what is left out, of which run, the context to search with, and the fields of the searches."""
    names = [LEXICAL, *context.schema.vectors]
    sub_queries = [
        (
            f"the {name} sub-query",
            ENGINE,
            context,
            {"order": "engine", "sub_queries": [n for n in names if n != name]},
        )
        for name in (names if len(names) > 1 else ())
    ]
    ranker = context.ranker
    if not isinstance(ranker, Explains):
        return sub_queries
    signals = [
        (signal, RERANKED, replace(context, ranker=ranker.without(signal)), {"order": "reranked"})
        for signal in ranker.signals
    ]
    return [*sub_queries, *signals]


def _pool_queries(queries: Path, qrels: Qrels, path: Path) -> Path:
    """Write the queries with their judged products as the only candidates, and return the path."""
    lines = []
    for _, line in read_lines(queries):
        fields = _fields(line)
        judged = sorted(qrels.get(str(fields.get("id", "")), ()))[:MAX_WINDOW]
        if not judged:
            continue
        if fields.get("image"):
            fields["image"] = str((queries.parent / str(fields["image"])).resolve())
        lines.append(orjson.dumps({**fields, "candidates": judged}))
    if not lines:
        raise JudgmentError(f"{queries} and the judgments share no query; check the query ids")
    path.write_bytes(b"\n".join(lines))
    return path


def _fields(line: bytes) -> dict[str, Any]:
    """Return the fields of a line; none for one that cannot be read, which the search reports."""
    try:
        return decode_fields(line)
    except VitrineError:
        return {}


def _problems(name: str, report: RunReport) -> list[str]:
    """Return one sentence for the queries of a run that failed, and one for those that were not reranked."""
    problems = []
    if report.failed:
        line, reason = next(iter(report.failed.items()))
        problems.append(f"{name}: {len(report.failed)} queries failed, such as line {line}: {reason}")
    if report.degraded:
        query, reason = next(iter(report.degraded.items()))
        problems.append(
            f"{name}: {len(report.degraded)} queries are in engine order, such as {query}: {reason}"
        )
    return problems
