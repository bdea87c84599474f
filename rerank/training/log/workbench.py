"""Query sets and judgment lists of OpenSearch's Search Relevance Workbench, written from a log and read into TREC files.

https://docs.opensearch.org/latest/search-plugins/search-relevance/ describes the bodies, which are also the answers'
`_source`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vitrine.errors import LogFileError

from .events import Log

Ratings = dict[str, dict[str, float]]  # query text -> product -> rating
_MAX_NAME, _MAX_DESCRIPTION = 50, 250  # characters that the workbench takes
_GRADES = 3


def query_set(log: Log, name: str, size: int) -> dict[str, Any]:
    """Return the body of `PUT _plugins/_search_relevance/query_sets` with the most frequent queries of a log."""
    counts = Counter(slate.query for slate in log.slates if slate.query.strip())
    return {
        "name": name[:_MAX_NAME],
        "description": f"The {size} most frequent queries of a click log"[:_MAX_DESCRIPTION],
        "sampling": "manual",
        "querySetQueries": [{"queryText": query} for query, _ in counts.most_common(size)],
    }


def judgment_list(ratings: Ratings, name: str) -> dict[str, Any]:
    """Return the body of `PUT _plugins/_search_relevance/judgments`, the best product of each query first."""
    return {
        "name": name[:_MAX_NAME],
        "description": "Smoothed clicks over expected clicks of a click log"[:_MAX_DESCRIPTION],
        "type": "IMPORT_JUDGMENT",
        "judgmentRatings": [
            {
                "query": query,
                "ratings": [
                    {"docId": product, "rating": f"{rating:.3f}"}
                    for product, rating in sorted(products.items(), key=lambda item: (-item[1], item[0]))
                ],
            }
            for query, products in ratings.items()
        ],
    }


def read_workbench(path: Path) -> tuple[list[str], Ratings]:
    """Return the queries of a file and their ratings, which a query set has none of.

    Takes the body of a request, the answer of a `GET`, and JSON lines of a query set. Raises LogFileError.
    """
    queries: dict[str, None] = {}
    ratings: Ratings = {}
    for document in _documents(path):
        for entry in _list(document, "querySetQueries"):
            text = entry.get("queryText") if isinstance(entry, Mapping) else entry
            queries[str(text or "").strip()] = None
        for entry in _list(document, "judgmentRatings"):
            query = str(entry.get("query") or "").strip()
            queries[query] = None
            given = ratings.setdefault(query, {})
            given |= {str(r["docId"]): _rating(path, query, r) for r in _list(entry, "ratings")}
        if "queryText" in document:
            queries[str(document["queryText"]).strip()] = None
    queries.pop("", None)
    ratings.pop("", None)
    if not queries:
        raise LogFileError(
            f"{path} holds no query set and no judgment list; expected `querySetQueries` or `judgmentRatings`, as "
            "`GET _plugins/_search_relevance/query_sets/ID` or `judgments/ID` answers them"
        )
    return list(queries), {query: given for query, given in ratings.items() if given}


def grades(ratings: Ratings) -> dict[str, dict[str, int]]:
    """Return whole-number grades: whole ratings as they are, others as thirds of the largest, from 0 to 3."""
    values = np.array([rating for given in ratings.values() for rating in given.values()], dtype=np.float64)
    scale = 1.0 if (values == np.round(values)).all() else _GRADES / max(float(values.max(initial=0)), 1e-12)
    return {
        query: {product: max(0, round(rating * scale)) for product, rating in given.items()}
        for query, given in ratings.items()
    }


def _documents(path: Path) -> list[Mapping[str, Any]]:
    """Return the JSON objects of a file; those of an answer are its hits' sources."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise LogFileError(f"{path} cannot be read: {error.strerror}; name a JSON file") from error
    try:
        values = [orjson.loads(text)]
    except orjson.JSONDecodeError:
        try:
            values = [orjson.loads(line) for line in text.splitlines() if line.strip()]
        except orjson.JSONDecodeError as error:
            raise LogFileError(f"{path} is no JSON ({error}); name a query set or a judgment list") from error
    flat = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return [source for value in flat if isinstance(value, Mapping) for source in _sources(value)]


def _sources(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sources of an answer's hits, or the object itself."""
    hits = value.get("hits")
    return [hit["_source"] for hit in _list(hits, "hits")] if isinstance(hits, Mapping) else [value]


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []


def _rating(path: Path, query: str, entry: Mapping[str, Any]) -> float:
    try:
        rating = float(entry["rating"])
    except (KeyError, TypeError, ValueError):
        rating = float("nan")
    if not np.isfinite(rating):
        raise LogFileError(
            f"{path}: query {query!r} rates product {entry.get('docId')!r} as {entry.get('rating')!r}, expected a number"
        )
    return rating
