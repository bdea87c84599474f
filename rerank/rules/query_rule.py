"""A query rule: products that a shop pins to positions or buries, for one query or any, within dates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from math import inf, log2
from typing import Annotated

import msgspec

from opensearch.search.filters import period
from opensearch.search.lexical import Clause
from opensearch.search.query import WINDOW
from opensearch.search.query_text import clean_words
from opensearch.understanding.plan import QueryPlan

MAX_EXPLORE = 50  # positions
DEFAULT_HALF_LIFE_DAYS = 14.0

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ProductId = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Position = Annotated[int, msgspec.Meta(ge=1, le=WINDOW)]


class QueryRule(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"from_": "from"},
):
    """One rule as a shop writes it; no rule refers to another, so there are no cycles.

    `query` holds the words of the searches that it applies to, None: any. `pin` maps products to positions, counted from
    one. `bury` names products and `bury_filters` filters as `--filter` takes them; a product that matches all of them is
    buried. `from_` and `until` are dates (UTC); a day, month or year of `until` is included.
    """

    name: Name
    query: str | None = None
    pin: dict[ProductId, Position] = {}
    bury: tuple[ProductId, ...] = ()
    bury_filters: tuple[str, ...] = ()
    from_: str | None = None
    until: str | None = None

    @property
    def words(self) -> str | None:
        """The words of the query in the form that queries are compared in; None: any query."""
        return None if self.query is None else normalized_words(self.query)

    def span(self) -> tuple[float, float]:
        """Return the first moment and the first one after the end (seconds since 1970). Raises QueryError."""
        start = _seconds(period(self.from_, self.from_)[0]) if self.from_ else -inf
        return start, _seconds(period(self.until, self.until)[1]) if self.until else inf


class Explore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The promotion of new products: up to `positions`, half as many after each `half_life_days` of the product's age."""

    positions: Annotated[int, msgspec.Meta(ge=1, le=MAX_EXPLORE)]
    half_life_days: Annotated[float, msgspec.Meta(ge=0.1, le=365)] = DEFAULT_HALF_LIFE_DAYS

    def lift(self, age_days: float) -> int:
        """Return how many positions a product of this age may rise; 0 for one of the future."""
        return round(self.positions * 0.5 ** (age_days / self.half_life_days)) if age_days >= 0 else 0

    @property
    def max_age_days(self) -> float:
        """The age from which a product rises by less than half a position, which counts as none."""
        return self.half_life_days * log2(2 * self.positions)


@dataclass(frozen=True)
class Pin:
    """A position that a rule gives a product; `any_query`: the rule applies to every search."""

    position: int
    rule: str
    any_query: bool = False


@dataclass(frozen=True)
class AppliedRules:
    """What the rules of an alias say of one search: pins and burials by product id, and burial clauses by rule name."""

    pins: Mapping[str, Pin] = field(default_factory=dict)
    buried: Mapping[str, str] = field(default_factory=dict)  # the rule's name by product
    bury_clauses: Mapping[str, Clause] = field(default_factory=dict)  # by `BURIED` and the rule's name
    explore: Explore | None = None

    def buried_by(self, product: str, matched: Iterable[str] = ()) -> str | None:
        """Return the name of the rule that buries a product, by its id or by a clause that it matches; None for none."""
        names = [name.removeprefix(BURIED) for name in matched if name in self.bury_clauses]
        return self.buried.get(product) or next(iter(sorted(names)), None)


NO_RULES = AppliedRules()


@dataclass(frozen=True)
class OpenRule:
    """A rule with its moments read, and its filters as one clause of the engine; None without filters."""

    rule: QueryRule
    start: float
    end: float
    clause: Clause | None = None


@dataclass(frozen=True)
class QueryRules:
    """The rules of one alias, ready to be applied. `version` is that of the stored document."""

    version: int = 0
    rules: Sequence[OpenRule] = ()
    explore: Explore | None = None

    @cached_property
    def _by_words(self) -> Mapping[str | None, Sequence[OpenRule]]:
        groups: dict[str | None, list[OpenRule]] = {}
        for one in self.rules:
            groups.setdefault(one.rule.words, []).append(one)
        return groups

    def applied(self, typed: str, plan: QueryPlan | None, as_of: float) -> AppliedRules:
        """Return what the rules say of a search at a moment; its words count as typed and as corrected."""
        if not self.rules:
            return AppliedRules(explore=self.explore) if self.explore else NO_RULES
        words = dict.fromkeys([normalized_words(typed)])
        if plan and plan.corrected:
            words[normalized_words(plan.corrected.searched)] = None
        keys: list[str | None] = [*words, None]
        found = [one for key in keys for one in self._by_words.get(key, ()) if one.start <= as_of < one.end]
        pins: dict[str, Pin] = {}
        taken: set[int] = set()
        for one in found:  # rules of the query come before those of any
            for product, position in one.rule.pin.items():
                if product not in pins and position not in taken:
                    pins[product] = Pin(position, one.rule.name, one.rule.query is None)
                    taken.add(position)
        return AppliedRules(
            pins,
            {product: one.rule.name for one in reversed(found) for product in one.rule.bury},
            {BURIED + one.rule.name: one.clause for one in found if one.clause},
            self.explore,
        )


BURIED = "buried by "  # begins the names of the clauses of `AppliedRules.bury_clauses`


def normalized_words(query: str) -> str:
    """Return the words of a query in one form for all spellings that differ in case, width and spaces only."""
    return " ".join(clean_words(query).casefold().split())


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
