"""Many queries to a TREC run: lines are read in batches, embedded together and searched in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerank.evaluation.trec import run_lines
from rerank.query_image import read_query_image
from rerank.search import embed_queries, search_with_vectors
from rerank.search_request import Search, SearchRequest, as_list, decode_fields, decode_request, resolve
from rerank.serving_context import ServingContext
from vitrine.errors import EngineError, QueryError, VitrineError

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_BATCH = 32
_SEARCH_THREADS = 4


class QueryLine(SearchRequest, kw_only=True):
    """One line of the queries file: a search with the id of its query; `image` is a path relative to the file."""

    id: str | int


@dataclass
class RunReport:
    """The outcome of each line: how many were answered, which degraded and which failed, with the reasons."""

    answered: int = 0
    unmatched: int = 0  # of the answered ones, those that no product matches
    degraded: dict[str, str] = field(default_factory=dict)  # query id -> reason
    failed: dict[int, str] = field(default_factory=dict)  # line number -> reason


@dataclass(frozen=True)
class _Line:
    number: int
    query_id: str
    search: Search


def write_run(
    client: OpenSearch,
    context: ServingContext,
    queries: Path,
    run: Path,
    defaults: Mapping[str, Any],
    on_progress: Callable[[int], None],
) -> RunReport:
    """Answer every line of `queries` and write the run, whole or not at all.

    `defaults` are fields of a `SearchRequest` that a line may replace; its filters are added to theirs. A line that
    cannot be answered is reported and the others go on. Raises EngineError when a whole batch fails.
    """
    lines = read_lines(queries)
    report = RunReport()
    query_ids: set[str] = set()
    staged = run.with_name(f".{run.name}.part")
    try:
        with staged.open("w", encoding="utf-8") as out, ThreadPoolExecutor(_SEARCH_THREADS) as threads:
            for batch in _batches(lines):
                parsed = list(_parse(context, batch, queries.parent, defaults, query_ids, report))
                out.writelines(_answer(client, context, parsed, threads, report))
                on_progress(len(batch))
        staged.replace(run)
    except OSError as error:
        raise QueryError(f"the run {run} cannot be written: {error.strerror}; name another file") from error
    finally:
        staged.unlink(missing_ok=True)
    return report


def read_lines(queries: Path) -> list[tuple[int, bytes]]:
    """Return the lines of a queries file that are not empty, with their numbers. Raises QueryError."""
    try:
        lines = queries.read_bytes().splitlines()
    except OSError as error:
        raise QueryError(
            f"{queries} cannot be read: {error.strerror}; name a file of JSON lines with `id` and `query`"
        ) from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise QueryError(f"{queries} holds no queries; expected JSON lines with `id` and `query`")
    return numbered


def parse_line(
    line: bytes, defaults: Mapping[str, Any], context: ServingContext, folder: Path
) -> tuple[str, Search]:
    """Return the query id and the search of one line. Raises VitrineError."""
    fields = decode_fields(line)
    filters = [*as_list(defaults.get("filters")), *as_list(fields.get("filters"))]
    request = decode_request({**defaults, **fields, "filters": filters}, QueryLine)
    if request.min_cosine is None and not context.schema.floors:
        request.min_cosine = 0.0  # no floor judges the neighbours, so the run holds them all
    if not request.query.strip() and not request.image:
        raise QueryError("the line holds neither `query` nor `image`")
    image = read_query_image(folder / request.image, context.encoders.image_side) if request.image else None
    return str(request.id), resolve(request, context.schema, image, context.vocabulary)


def _batches(lines: Sequence[tuple[int, bytes]]) -> Iterator[Sequence[tuple[int, bytes]]]:
    for start in range(0, len(lines), _BATCH):
        yield lines[start : start + _BATCH]


def _parse(
    context: ServingContext,
    batch: Sequence[tuple[int, bytes]],
    folder: Path,
    defaults: Mapping[str, Any],
    query_ids: set[str],
    report: RunReport,
) -> Iterator[_Line]:
    """Yield the lines of a batch that can be searched; report the others."""
    for number, line in batch:
        try:
            query_id, search = parse_line(line, defaults, context, folder)
            list(run_lines(query_id, [], ""))  # refuses an id that a run cannot hold before it is searched
            if query_id in query_ids:
                raise QueryError(f"query id {query_id!r} is in an earlier line too")
        except VitrineError as error:
            report.failed[number] = str(error)
            continue
        query_ids.add(query_id)
        yield _Line(number, query_id, search)


def _answer(
    client: OpenSearch,
    context: ServingContext,
    batch: Sequence[_Line],
    threads: ThreadPoolExecutor,
    report: RunReport,
) -> Iterator[str]:
    """Yield the run's lines of a batch, in the order of its queries."""
    vectors = embed_queries(context, [line.search for line in batch])
    futures = [
        threads.submit(search_with_vectors, client, context, line.search, vector)
        for line, vector in zip(batch, vectors, strict=True)
    ]
    engine_errors: list[EngineError] = []
    for line, future in zip(batch, futures, strict=True):
        try:
            answer = future.result()
            ids = [hit.id for hit in answer.hits] if line.search.collapse else answer.ranking()
            report.unmatched += not ids and answer.no_match
            yield from run_lines(line.query_id, ids, f"vitrine-{answer.order}")
        except VitrineError as error:
            report.failed[line.number] = str(error)
            engine_errors += [error] if isinstance(error, EngineError) else []
            continue
        report.answered += 1
        if answer.degraded and context.ranker:  # a missing model was reported once
            report.degraded[line.query_id] = answer.degraded
    if batch and len(engine_errors) == len(batch):
        raise engine_errors[0]
