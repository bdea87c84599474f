"""Reads the log of an alias from the engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from opensearch.index.fields import FieldPlan
from opensearch.index.meta import schema_of
from opensearch.index.scan import scan
from opensearch.index.versions import require_current
from opensearch.logs.slates import read_slates
from opensearch.logs.ubi import (
    accept_own_fields,
    count_actions,
    count_applications,
    read_events,
    read_queries,
)

from .actions import GAINS, kind_of
from .events import Log
from .product_ids import ProductIds, column_values
from .reader import LogReader

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


@dataclass(frozen=True)
class LogOptions:
    """Which part of the UBI log belongs to an alias, and what its events mean.

    `until` is in seconds since 1970, None for the whole log. `applications` are the values of `application`, by default
    the alias; "" stands for records without one. `actions` maps normalised names of events to click, cart, purchase or
    ignore. `keep_robots`: those who act faster than people are read too.
    """

    until: float | None = None
    applications: tuple[str, ...] = ()
    actions: Mapping[str, str] = field(default_factory=dict)
    keep_robots: bool = False


@dataclass(frozen=True)
class Catalogue:
    """The products that a log speaks of: those of one index, with its field plan."""

    index: str
    plan: FieldPlan
    ids: Collection[str]


def read_log(client: OpenSearch, alias: str, catalogue: Catalogue, options: LogOptions) -> Log:
    """Return the slate log with the UBI queries and events of an alias; an index of an earlier release is opened first."""
    accept_own_fields(client)
    index, plan = catalogue.index, catalogue.plan
    ids = ProductIds(catalogue.ids, plan, lambda column: column_values(client, index, plan, column))
    reader = LogReader(ids, options.actions, keep_robots=options.keep_robots)
    applications, until = options.applications or (alias,), options.until
    others = {name: n for name, n in count_applications(client).items() if name not in applications}
    reader.count_elsewhere(others)
    read = {name: _actions_to_read(client, name, reader, options) for name in applications}
    return reader.read(
        read_slates(client, alias, until),
        chain.from_iterable(read_queries(client, name, until) for name in applications),
        chain.from_iterable(
            read_events(client, name, until, actions=actions or ())
            for name, actions in read.items()
            if actions is None or actions
        ),
    )


def read_alias_log(client: OpenSearch, alias: str, options: LogOptions) -> Log:
    """Return the log of an alias with the products of its index. Raises IndexMissingError without an index."""
    index = require_current(client, alias)
    ids = frozenset(product for product, _ in scan(client, index, includes=["id"]))
    return read_log(client, alias, Catalogue(index, schema_of(client, index).plan, ids), options)


def _actions_to_read(
    client: OpenSearch, application: str, reader: LogReader, options: LogOptions
) -> list[str] | None:
    """Return the names of events that mean something, and count the others; None to read all events."""
    counts = count_actions(client, application)
    if counts is None:
        return None
    used = [name for name in counts if kind_of(name, options.actions) in GAINS]
    reader.count_unread({name: count for name, count in counts.items() if name not in used})
    return used
