"""TREC files: relevance ratings (qrels) and runs, read strictly and written in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from vitrine.errors import JudgmentError

Qrels = dict[str, dict[str, int]]  # query -> product -> grade
Run = dict[str, dict[str, float]]  # query -> product -> score, the higher the better


def read_qrels(path: Path) -> Qrels:
    """Grades by query and product from lines `query iteration product grade`."""
    qrels: Qrels = {}
    for number, parts in _lines(path, 4, "query iteration product grade"):
        query, _, product, grade = parts
        try:
            value = float(grade)
        except ValueError:
            value = math.nan
        if not value.is_integer():
            raise JudgmentError(f"{path}, line {number}: grade {grade!r} is not a whole number")
        if product in qrels.setdefault(query, {}):
            raise JudgmentError(
                f"{path}, line {number}: product {product!r} is graded twice for query {query!r}"
            )
        qrels[query][product] = int(value)
    if not qrels:
        raise JudgmentError(f"{path} holds no ratings; expected lines of `query iteration product grade`")
    return qrels


def read_run(path: Path) -> Run:
    """Scores by query and product from lines `query Q0 product rank score tag`, whose rank is not read."""
    run: Run = {}
    for number, parts in _lines(path, 6, "query Q0 product rank score tag"):
        query, _, product, _, score, _ = parts
        try:
            value = float(score)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise JudgmentError(f"{path}, line {number}: score {score!r} is not a finite number")
        if product in run.setdefault(query, {}):
            raise JudgmentError(
                f"{path}, line {number}: product {product!r} stands twice for query {query!r}"
            )
        run[query][product] = value
    if not run:
        raise JudgmentError(f"{path} holds no results; expected lines of `query Q0 product rank score tag`")
    return run


def run_lines(query: str, products: Sequence[str], tag: str) -> Iterator[str]:
    """One query's lines of a run, best first; scores are 1/rank, which leaves no tie to break."""
    for word, value in [("query id", query), *(("product id", product) for product in products)]:
        if not value or value.split() != [value]:
            raise JudgmentError(f"{word} {value!r} is empty or holds a space, which a TREC run cannot carry")
    for rank, product in enumerate(products, start=1):
        yield f"{query} Q0 {product} {rank} {1 / rank!r} {tag}\n"


def _lines(path: Path, columns: int, form: str) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                parts = line.split()
                if parts and len(parts) != columns:
                    raise JudgmentError(
                        f"{path}, line {number}: found {len(parts)} columns, expected {columns}: `{form}`"
                    )
                if parts:
                    yield number, parts
    except OSError as error:
        raise JudgmentError(f"{path} cannot be read: {error.strerror}; name a TREC file") from error
    except UnicodeDecodeError as error:
        raise JudgmentError(f"{path} is not UTF-8 text; name a TREC file") from error
