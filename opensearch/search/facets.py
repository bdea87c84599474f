"""Facets by the catalogue's column names: the aggregations of a search, and their results. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from opensearch.index.fields import FieldPlan
from vitrine.errors import QueryError

from .filter_columns import FilterColumn, filter_columns, find_column, parse_number

MAX_FACET_VALUES = 50  # the most frequent ones
MAX_EXACT_GROUPS = 40_000  # the engine's limit; a greater number of groups is approximate
_GROUPS, _ALONE = "groups", "without_group"
_SPAN_STATISTICS = {"min": "min", "max": "max", "mean": "avg"}  # our key -> the engine's


def facet_aggregations(facets: Sequence[str], plan: FieldPlan) -> dict[str, Any]:
    """Return the aggregations of facets: `gender`, `price` (its span) or `price:20,50` (three ranges).

    Raises QueryError for a facet that does not fit its column.
    """
    # A column's name may contain characters that the engine refuses in an aggregation's name, so `meta` carries it.
    return {f"facet{number}": _aggregation(facet, plan) for number, facet in enumerate(dict.fromkeys(facets))}


def read_facets(aggregations: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each facet by its column: `values` with counts and `other`, `ranges` with counts, or a span.

    Aggregations that `facet_aggregations` did not make are left out.
    """
    facets: dict[str, dict[str, Any]] = {}
    for aggregation in aggregations.values():
        meta = (aggregation.get("meta") if isinstance(aggregation, Mapping) else None) or {}
        if meta.get("kind") == "values":
            facets[meta["column"]] = _values(aggregation)
        elif meta.get("kind") == "ranges":
            facets[meta["column"]] = _ranges(aggregation)
        elif meta.get("kind") == "span":
            facets[meta["column"]] = _span(aggregation)
    return facets


def group_aggregations() -> dict[str, Any]:
    """Return the aggregations that count groups of variants, and the products that belong to none."""
    groups = {"cardinality": {"field": "group", "precision_threshold": MAX_EXACT_GROUPS}}
    return {_GROUPS: groups, _ALONE: {"missing": {"field": "group"}}}


def read_groups(aggregations: Mapping[str, Any]) -> int | None:
    """Return the number of groups, a product without group counting as one; None where it was not asked for."""
    if _GROUPS not in aggregations:
        return None
    return int(aggregations[_GROUPS]["value"]) + int(aggregations[_ALONE]["doc_count"])


def _aggregation(facet: str, plan: FieldPlan) -> dict[str, Any]:
    name, colon, bounds = (facet, "", "") if facet in filter_columns(plan) else facet.rpartition(":")
    column = find_column(name or facet, plan)
    if colon:
        return _range_aggregation(column, bounds, facet)
    if column.type in ("number", "date"):
        return {"stats": {"field": column.field}, "meta": {"column": column.name, "kind": "span"}}
    meta = {"column": column.name, "kind": "values"}
    return {"terms": {"field": column.field, "size": MAX_FACET_VALUES}, "meta": meta}


def _range_aggregation(column: FilterColumn, bounds: str, facet: str) -> dict[str, Any]:
    if column.type != "number":
        raise QueryError(
            f"facet {facet!r} names ranges, but {column.name} has {column.contents}, not numbers"
        )
    edges = sorted({parse_number(edge.strip(), facet) for edge in bounds.split(",")})
    ends: list[float | None] = [None, *edges, None]
    ranges = [
        {key: edge for key, edge in (("from", low), ("to", high)) if edge is not None}
        for low, high in pairwise(ends)
    ]
    meta = {"column": column.name, "kind": "ranges"}
    return {"range": {"field": column.field, "ranges": ranges}, "meta": meta}


def _values(aggregation: Mapping[str, Any]) -> dict[str, Any]:
    values = [
        {"value": bucket.get("key_as_string", bucket["key"]), "count": bucket["doc_count"]}
        for bucket in aggregation["buckets"]
    ]
    return {"values": values, "other": aggregation["sum_other_doc_count"]}


def _ranges(aggregation: Mapping[str, Any]) -> dict[str, Any]:
    ranges = [
        {"from": bucket.get("from"), "to": bucket.get("to"), "count": bucket["doc_count"]}
        for bucket in aggregation["buckets"]
    ]
    return {"ranges": ranges}


def _span(aggregation: Mapping[str, Any]) -> dict[str, Any]:
    statistics = {
        key: aggregation.get(f"{name}_as_string", aggregation[name]) for key, name in _SPAN_STATISTICS.items()
    }
    return {"count": aggregation["count"], **statistics}
