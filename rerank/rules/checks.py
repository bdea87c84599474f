"""Checks of query rules: each by itself, against the others, and against the products of the index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import isfinite
from typing import TYPE_CHECKING

from opensearch.client import explained
from opensearch.index.fields import FieldPlan
from opensearch.search.filters import ids_filter, parse_filters
from vitrine.errors import QueryError, RulesError

from .query_rule import QueryRule

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_IDS_A_SEARCH = 1_000


def check_rules(
    client: OpenSearch,
    alias: str,
    plan: FieldPlan,
    rules: Sequence[QueryRule],
    before: Sequence[QueryRule] = (),
) -> None:
    """Raise RulesError with one sentence for each problem of a set of rules; those of `before` were checked earlier."""
    problems = list(contradictions(rules, plan, before))
    new = [rule for rule in rules if rule not in before]
    named = dict.fromkeys(product for rule in new for product in (*rule.pin, *rule.bury))
    unknown = set(named) - known_products(client, alias, list(named))
    for rule in new:
        problems += [
            f"rule {rule.name!r} names product {product!r}, which is not in {alias}: write the id of an indexed product"
            for product in dict.fromkeys((*rule.pin, *rule.bury))
            if product in unknown
        ]
    if problems:
        raise RulesError("\n".join(problems))


def contradictions(
    rules: Sequence[QueryRule], plan: FieldPlan, before: Sequence[QueryRule] = ()
) -> Iterator[str]:
    """Yield a sentence for each rule that is no use by itself, and for each two that contradict each other. Pure.

    What `before` alone holds was checked earlier.
    """
    names: set[str] = set()
    for rule in rules:
        if rule.name in names:
            yield f"there are two rules with the name {rule.name!r}: give one of them another"
        names.add(rule.name)
        if rule not in before:
            yield from _faults(rule, plan)
            yield from _conflicts(rule, rule)
    readable = [rule for rule in rules if _has_dates(rule)]
    for first, second in combinations(readable, 2):
        if (first not in before or second not in before) and _meet(first, second):
            yield from _conflicts(first, second)


def known_products(client: OpenSearch, alias: str, ids: Sequence[str]) -> set[str]:
    """Return those of the ids that are in the index."""
    known: set[str] = set()
    for start in range(0, len(ids), _IDS_A_SEARCH):
        part = ids[start : start + _IDS_A_SEARCH]
        body = {"size": len(part), "_source": False, "query": {"bool": {"filter": [ids_filter(part)]}}}
        with explained(client):
            response = client.search(index=alias, body=body, params={"search_pipeline": "_none"})
        known |= {str(hit["_id"]) for hit in response["hits"]["hits"]}
    return known


def _faults(rule: QueryRule, plan: FieldPlan) -> Iterator[str]:
    if not (rule.pin or rule.bury or rule.bury_filters):
        yield f"rule {rule.name!r} does nothing: give it products to pin, or products or filters to bury"
    try:
        parse_filters(rule.bury_filters, plan)
    except QueryError as error:
        yield f"rule {rule.name!r}: {error}"
    for date in (rule.from_, rule.until):
        if date is not None and not _is_date(date):
            yield f"rule {rule.name!r}: {date!r} is not a date; write it as 2026-12, 2026-12-24 or 2026-12-24T18:00"
    if _has_dates(rule):
        start, end = rule.span()
        if isfinite(end) and end <= start:
            yield f"rule {rule.name!r} ends ({rule.until}) before it begins ({rule.from_}): exchange the dates"


def _conflicts(first: QueryRule, second: QueryRule) -> Iterator[str]:
    """Yield what two rules for one search contradict each other in; the rule twice: what it contradicts itself in."""
    alone = first is second
    who = f"rule {first.name!r}" if alone else f"rules {first.name!r} and {second.name!r}"
    for product, position in first.pin.items():
        for other, place in second.pin.items():
            if product != other and position == place and (not alone or product < other):
                yield f"{who} pin two products ({product}, {other}) to position {position} of one search: move one"
            if product == other and position != place:
                yield f"{who} pin {product} to two positions ({position}, {place}) of one search: keep one"
    pairs = [(first, second)] if alone else [(first, second), (second, first)]
    for pinning, burying in pairs:
        for product in pinning.pin:
            if product in burying.bury:
                yield f"{who} pin and bury {product} in one search: do one of them"


def _meet(first: QueryRule, second: QueryRule) -> bool:
    """Return whether both rules can apply to one search at one moment."""
    if first.words != second.words and None not in (first.words, second.words):
        return False
    (start, end), (begin, until) = first.span(), second.span()
    return max(start, begin) < min(end, until)


def _is_date(text: str) -> bool:
    try:
        QueryRule(name="date", from_=text).span()
    except QueryError:
        return False
    return bool(text)


def _has_dates(rule: QueryRule) -> bool:
    return all(date is None or _is_date(date) for date in (rule.from_, rule.until))
