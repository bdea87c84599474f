"""Many queries to a TREC run: lines are read one by one, embedded in batches, searched side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opensearch.search.filters import parse_filters
from rerank.evaluation.trec import run_lines
from rerank.query_image import read_image
from rerank.search import Search, search_with, vectors_of
from rerank.serving_context import ServingContext
from rerank.shoppers import shopper_hash
from vitrine.errors import EngineError, QueryError, VitrineError

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_BATCH = 32
_SEARCHERS = 4
_MOST_CANDIDATES = 10_000  # of one query; the engine ranks no more


class QueryLine(msgspec.Struct):
    """One line of the queries file; paths of pictures are relative to the file."""

    id: str | int
    text: str = ""
    image: str | None = None
    filter: str | list[str] = msgspec.field(default_factory=list)
    shopper: str | None = None
    candidates: list[str] | None = None


@dataclass
class RunReport:
    """What became of the lines: how many were answered, which degraded and why, which failed and why."""

    answered: int = 0
    degraded: dict[str, str] = field(default_factory=dict)  # query id -> reason
    failed: dict[int, str] = field(default_factory=dict)  # line number -> reason


@dataclass(frozen=True)
class _Asked:
    number: int
    query: str
    search: Search


def write_run(
    client: OpenSearch,
    shop: ServingContext,
    queries: Path,
    run: Path,
    base: Search,
    advance: Callable[[int], None],
) -> RunReport:
    """Answer every line of `queries` as `base` says and write the run, whole or not at all.

    A line that cannot be answered is reported and the rest goes on; EngineError when a whole batch fails.
    """
    lines = read_lines(queries)
    report = RunReport()
    seen: set[str] = set()
    staged = run.with_name(f".{run.name}.part")
    try:
        with staged.open("w", encoding="utf-8") as out, ThreadPoolExecutor(_SEARCHERS) as searchers:
            for batch in _batches(lines):
                asked = list(_understood(shop, batch, queries.parent, base, seen, report))
                out.writelines(_answered(client, shop, asked, searchers, report))
                advance(len(batch))
        staged.replace(run)
    except OSError as error:
        raise QueryError(f"the run {run} cannot be written: {error.strerror}; name another file") from error
    finally:
        staged.unlink(missing_ok=True)
    return report


def read_lines(queries: Path) -> list[tuple[int, bytes]]:
    """The lines of a queries file that are not empty, with their numbers."""
    try:
        lines = queries.read_bytes().splitlines()
    except OSError as error:
        raise QueryError(
            f"{queries} cannot be read: {error.strerror}; name a file of JSON lines with `id` and `text`"
        ) from error
    found = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise QueryError(f"{queries} holds no queries; expected JSON lines with `id` and `text`")
    return found


def parse_line(line: bytes, base: Search, shop: ServingContext, folder: Path) -> tuple[str, Search]:
    """The query id and the search of one line. Raises VitrineError."""
    try:
        read = msgspec.json.decode(line, type=QueryLine)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise QueryError(f"expected a JSON object with `id` and `text`: {error}") from error
    if not read.text.strip() and not read.image:
        raise QueryError("it holds neither `text` nor `image`")
    if read.candidates is not None and not 1 <= len(read.candidates) <= _MOST_CANDIDATES:
        raise QueryError(f"it names {len(read.candidates)} candidates, expected 1 to {_MOST_CANDIDATES}")
    filters = [read.filter] if isinstance(read.filter, str) else read.filter
    return str(read.id), replace(
        base,
        words=read.text,
        picture=read_image(folder / read.image) if read.image else None,
        filters=[*base.filters, *parse_filters(filters, shop.schema.plan)],
        shopper=shopper_hash(read.shopper) if read.shopper else base.shopper,
        candidates=tuple(dict.fromkeys(read.candidates or ())),
    )


def _batches(lines: Sequence[tuple[int, bytes]]) -> Iterator[Sequence[tuple[int, bytes]]]:
    for start in range(0, len(lines), _BATCH):
        yield lines[start : start + _BATCH]


def _understood(
    shop: ServingContext,
    batch: Sequence[tuple[int, bytes]],
    folder: Path,
    base: Search,
    seen: set[str],
    report: RunReport,
) -> Iterator[_Asked]:
    for number, line in batch:
        try:
            query, search = parse_line(line, base, shop, folder)
            list(run_lines(query, [], ""))  # an id that a run cannot carry is told before it is searched
            if query in seen:
                raise QueryError(f"query id {query!r} stands in an earlier line too")
        except VitrineError as error:
            report.failed[number] = str(error)
            continue
        seen.add(query)
        yield _Asked(number, query, search)


def _answered(
    client: OpenSearch,
    shop: ServingContext,
    batch: list[_Asked],
    searchers: ThreadPoolExecutor,
    report: RunReport,
) -> Iterator[str]:
    """The run's lines of a batch, in the order that its queries came in."""
    vectors = vectors_of(shop, [asked.search for asked in batch])
    waiting = [
        searchers.submit(search_with, client, shop, asked.search, vector)
        for asked, vector in zip(batch, vectors, strict=True)
    ]
    lost: list[EngineError] = []
    for asked, promised in zip(batch, waiting, strict=True):
        try:
            answer = promised.result()
            yield from run_lines(asked.query, [hit.id for hit in answer.hits], f"vitrine-{answer.order}")
        except VitrineError as error:
            report.failed[asked.number] = str(error)
            lost += [error] if isinstance(error, EngineError) else []
            continue
        report.answered += 1
        if answer.degraded:
            report.degraded[asked.query] = answer.degraded
    if batch and len(lost) == len(batch):
        raise lost[0]
