"""The options that say which part of the UBI log is read, and what its events mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click

NAMES = ("until", "applications", "actions", "keep_robots")  # the fields of LogOptions


def _moment(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Return seconds since 1970 of an ISO 8601 moment, UTC where it names no zone."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no ISO 8601 moment such as 2026-01-31T12:00") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _actions(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:
    """Return what each named action means, by its normalised name."""
    from rerank.training.log.actions import KINDS, normalised

    actions = {}
    for value in (part for given in values for part in given.split(",") if part.strip()):
        name, separator, kind = value.rpartition("=")
        if not separator or not normalised(name) or kind.strip().lower() not in KINDS:
            raise click.BadParameter(f"{value!r} is not NAME=KIND with one of {', '.join(KINDS)}")
        actions[normalised(name)] = kind.strip().lower()
    return actions


actions = click.option(
    "--action",
    "--actions",
    "actions",
    metavar="NAME=KIND",
    multiple=True,
    callback=_actions,
    help="Events of this name are a click, cart, purchase, or ignore. Repeatable, or several with commas between them; "
    "the usual names are known.",
)
applications = click.option(
    "--application",
    "applications",
    metavar="NAME",
    multiple=True,
    help="Read the UBI records of this application; '' for those that name none. Repeatable.  [default: the alias]",
)
keep_robots = click.option(
    "--keep-robots",
    is_flag=True,
    help="Read those too who act faster than people or name themselves a robot.",
)
until = click.option(
    "--until", callback=_moment, help="Use the log up to this ISO 8601 moment.  [default: the whole log]"
)
