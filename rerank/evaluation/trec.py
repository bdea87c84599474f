"""TREC files: relevance judgments (qrels) and runs, read strictly, and runs written in rank order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from vitrine.errors import JudgmentError

Qrels = dict[str, dict[str, int]]  # query -> product -> grade
Run = dict[str, dict[str, float]]  # query -> product -> score, the higher the better

_QRELS_COLUMNS = "query iteration product grade"
_RUN_COLUMNS = "query Q0 product rank score tag"


def read_qrels(path: Path) -> Qrels:
    """Return grades by query and product from lines `query iteration product grade`.

    Raises JudgmentError for a file without judgments, and with the line number for a wrong column count, a grade that is
    no whole number or a product graded twice.
    """
    from ir_measures import read_trec_qrels

    qrels: Qrels = {}
    for number, judgment in _records(path, read_trec_qrels, _QRELS_COLUMNS, "grade", "a whole number"):
        grades = qrels.setdefault(judgment.query_id, {})
        if judgment.doc_id in grades:
            raise JudgmentError(
                f"{path}, line {number}: product {judgment.doc_id!r} is graded twice for query {judgment.query_id!r}"
            )
        grades[judgment.doc_id] = judgment.relevance
    if not qrels:
        raise JudgmentError(f"{path} has no judgments; expected lines of `{_QRELS_COLUMNS}`")
    return qrels


def read_run(path: Path) -> Run:
    """Return scores by query and product from lines `query Q0 product rank score tag`; the rank is not used.

    Raises JudgmentError for a file without results, and with the line number for a wrong column count, a score that is
    not finite or a product listed twice.
    """
    from ir_measures import read_trec_run

    run: Run = {}
    for number, result in _records(path, read_trec_run, _RUN_COLUMNS, "score", "a finite number"):
        scores = run.setdefault(result.query_id, {})
        if not math.isfinite(result.score):
            raise JudgmentError(f"{path}, line {number}: score '{result.score}' is not a finite number")
        if result.doc_id in scores:
            raise JudgmentError(
                f"{path}, line {number}: product {result.doc_id!r} is listed twice for query {result.query_id!r}"
            )
        scores[result.doc_id] = result.score
    if not run:
        raise JudgmentError(f"{path} has no results; expected lines of `{_RUN_COLUMNS}`")
    return run


def run_lines(query: str, products: Sequence[str], tag: str) -> Iterator[str]:
    """Yield one query's lines of a run, best first; the scores 1/rank leave no ties.

    Raises JudgmentError for a query or product id that is empty or contains white space.
    """
    for name, value in [("query id", query), *(("product id", product) for product in products)]:
        if not value or value.split() != [value]:
            raise JudgmentError(
                f"{name} {value!r} is empty or contains white space, which separates the columns of a TREC run"
            )
    for rank, product in enumerate(products, start=1):
        yield f"{query} Q0 {product} {rank} {1 / rank!r} {tag}\n"


class _NumberedLines:
    """An open text file that keeps its current line and number; ir_measures requires a `read` method."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0
        self.line = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.line = next(self._file)
        self.number += 1
        return self.line

    def read(self) -> str:
        return self._file.read()


def _records(
    path: Path, reader: Callable[[_NumberedLines], Iterable[Any]], columns: str, numeric: str, kind: str
) -> Iterator[tuple[int, Any]]:
    """Yield line numbers and the records of `reader`, one of ir_measures, whose own errors name no line.

    `numeric` is the column that has to be `kind`. Raises JudgmentError.
    """
    names = columns.split()
    try:
        with path.open(encoding="utf-8") as file:
            lines = _NumberedLines(file)
            try:
                for record in reader(lines):
                    yield lines.number, record
            except UnicodeDecodeError as error:
                raise JudgmentError(f"{path} is not UTF-8 text; name a TREC file") from error
            except ValueError as error:
                values = lines.line.split()
                problem = f"found {len(values)} columns, expected {len(names)}: `{columns}`"
                if len(values) == len(names):
                    problem = f"{numeric} {values[names.index(numeric)]!r} is not {kind}"
                raise JudgmentError(f"{path}, line {lines.number}: {problem}") from error
    except OSError as error:
        raise JudgmentError(f"{path} cannot be read: {error.strerror}; name a TREC file") from error
