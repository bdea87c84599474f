"""The commands of `vitrine rules`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensearch import options
from vitrine.errors import RulesError

if TYPE_CHECKING:
    from rerank.rules.query_rule import QueryRule
    from rerank.rules.stored import RuleFile


@click.group()
def rules() -> None:
    """Query rules of an alias: products that are pinned or buried for a query, and the promotion of new ones."""


@rules.command("list")
@options.index
@options.url
@options.as_json
def list_rules(alias: str, url: str, as_json: bool) -> None:
    """List the rules in service."""
    from opensearch.client import connect
    from opensearch.logs.query_rules import read_query_rules
    from rerank.rules.stored import rule_file_of

    stored = read_query_rules(connect(url), alias)
    if as_json:
        click.echo(
            json.dumps({"version": stored.version, **rule_file_of(stored).to_dict()}, ensure_ascii=False)
        )
    elif not stored.rules and not stored.explore:
        click.echo(f"No rules for {alias} yet: see `vitrine rules add --help`.")
    else:
        _print_rules(rule_file_of(stored))


@rules.command()
@click.argument("name")
@options.index
@click.option("--query", help="The words of the searches that the rule applies to.  [default: any search]")
@click.option("--pin", "pins", multiple=True, metavar="ID=POSITION", help="Again for more products.")
@click.option("--bury", multiple=True, metavar="ID", help="Show this product late; again for more.")
@click.option(
    "--bury-filter", "filters", multiple=True, help="Show products late that match, such as 'brand=Acme'."
)
@click.option("--from", "from_", metavar="DATE", help="Such as 2026-12-01; UTC.")
@click.option("--until", metavar="DATE", help="The last day, month or year; UTC.")
@options.url
@options.as_json
def add(
    name: str,
    alias: str,
    query: str | None,
    pins: Sequence[str],
    bury: Sequence[str],
    filters: Sequence[str],
    from_: str | None,
    until: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Add the rule NAME, or refuse it with the reason."""
    from rerank.rules.stored import rules_of

    fields = {
        "name": name,
        "query": query,
        "pin": _positions(pins),
        "bury": list(bury),
        "bury_filters": list(filters),
        "from": from_,
        "until": until,
    }
    (rule,) = rules_of([fields])
    version = _edit(alias, url, lambda file: file.with_rules([*file.rules, rule]))
    _tell(as_json, version, f"{alias}: rule {name!r} is in service.")


@rules.command()
@click.argument("names", nargs=-1, required=True)
@options.index
@options.url
@options.as_json
def remove(names: Sequence[str], alias: str, url: str, as_json: bool) -> None:
    """Remove the rules NAMES."""

    def without(file: RuleFile) -> RuleFile:
        known = [rule.name for rule in file.rules]
        missing = [name for name in names if name not in known]
        if missing:
            raise RulesError(
                f"{alias} has no rule {missing[0]!r}; it has: {', '.join(map(repr, known)) or 'none'}"
            )
        return file.with_rules([rule for rule in file.rules if rule.name not in names])

    version = _edit(alias, url, without)
    _tell(as_json, version, f"{alias}: {len(set(names))} rules removed.")


@rules.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@options.index
@options.url
@options.as_json
def import_rules(path: Path, alias: str, url: str, as_json: bool) -> None:
    """Put the rules of FILE (`vitrine rules export` writes one) in place of all rules, once all of it is checked."""
    from rerank.rules.stored import read_rule_file

    file = read_rule_file(path)
    version = _edit(alias, url, lambda _: file)
    _tell(as_json, version, f"{alias}: {len(file.rules)} rules are in service.")


@rules.command("export")
@options.index
@options.url
@options.as_json
def export_rules(alias: str, url: str, as_json: bool) -> None:
    """Write the rules to stdout as JSON, as `vitrine rules import` reads them."""
    from opensearch.client import connect
    from opensearch.logs.query_rules import read_query_rules
    from rerank.rules.stored import rule_file_of

    file = rule_file_of(read_query_rules(connect(url), alias))
    click.echo(json.dumps(file.to_dict(), ensure_ascii=False, indent=None if as_json else 1))


@rules.command("set")
@click.option(
    "--explore",
    type=click.IntRange(0, 50),
    required=True,
    metavar="POSITIONS",
    help="A new product rises by up to so many positions; 0: no promotion.",
)
@click.option(
    "--half-life",
    "half_life_days",
    type=click.FloatRange(0.1, 365),
    default=14.0,
    show_default=True,
    metavar="DAYS",
    help="The age at which a product rises by half of that.",
)
@options.index
@options.url
@options.as_json
def set_explore(explore: int, half_life_days: float, alias: str, url: str, as_json: bool) -> None:
    """Promote new products by a few positions, the fewer the older they are."""
    from dataclasses import replace

    from rerank.rules.query_rule import Explore

    wanted = Explore(explore, half_life_days) if explore else None
    version = _edit(alias, url, lambda file: replace(file, explore=wanted))
    _tell(as_json, version, f"{alias}: {_explore_text(wanted)}")


def _edit(alias: str, url: str, edit: Any) -> int:
    from opensearch.client import connect
    from rerank.rules.stored import edit_rules

    return edit_rules(connect(url), alias, edit).version


def _tell(as_json: bool, version: int, line: str) -> None:
    click.echo(json.dumps({"version": version}) if as_json else line)


def _positions(pins: Sequence[str]) -> dict[str, int]:
    """Return the position of each product of `ID=POSITION`. Raises RulesError."""
    positions: dict[str, int] = {}
    for text in pins:
        product, _, place = text.rpartition("=")
        if not product or not place.isdecimal():
            raise RulesError(f"--pin {text!r} is not a product and its position: write it as ID=1")
        if positions.setdefault(product, int(place)) != int(place):
            raise RulesError(f"--pin names {product} twice, with other positions: keep one")
    return positions


def _print_rules(file: RuleFile) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for head in ("rule", "query", "pins", "buries", "dates", ""):
        table.add_column(head)
    for rule in file.rules:
        pins = ", ".join(f"{product} at {place}" for product, place in rule.pin.items())
        buries = ", ".join([*rule.bury, " and ".join(rule.bury_filters)]).strip(", ")
        dates = f"{rule.from_ or ''}..{rule.until or ''}" if rule.from_ or rule.until else ""
        query = "any" if rule.query is None else rule.query
        table.add_row(*map(escape, (rule.name, query, pins, buries, dates, _status(rule))))
    if file.rules:
        Console(width=None if sys.stdout.isatty() else 160).print(table)
    click.echo(_explore_text(file.explore))


def _status(rule: QueryRule) -> str:
    start, end = rule.span()
    now = time.time()
    return "not yet" if now < start else "over" if now >= end else ""


def _explore_text(explore: Any) -> str:
    if explore is None:
        return "new products are not promoted."
    return f"new products rise by up to {explore.positions} positions, half as many after {explore.half_life_days:g} days."
