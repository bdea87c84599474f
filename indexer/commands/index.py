"""The commands `vitrine index` and `vitrine delete`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from opensearch import options
from vitrine import settings

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("catalogue", required=False, type=click.Path(path_type=Path))
@click.option(
    "--fields", type=_FILE, help="The field plan, a TOML file (default: the index's own, else inferred)."
)
@options.index
@options.url
@options.store
@click.option(
    "--text-encoder",
    envvar=settings.VITRINE_TEXT_ENCODER.name,
    show_envvar=True,
    metavar="NAME|DIR|none",
    help="sentence-transformers name or directory, or an artifact (default: the index's own, else MiniLM).",
)
@click.option(
    "--image-encoder",
    envvar=settings.VITRINE_IMAGE_ENCODER.name,
    show_envvar=True,
    metavar="NAME|DIR|none",
    help="open_clip name, directory of a trained tower, or an artifact (default: the index's own, else none).",
)
@click.option(
    "--from",
    "source",
    metavar="INDEX",
    help="Index the documents of this index beside it; no CATALOGUE then.",
)
@click.option(
    "--rebuild", is_flag=True, help="Load a new version beside the one in service and swap when it is whole."
)
@click.option("--rollback", is_flag=True, help="Put the version before this one back in service, and stop.")
@click.option(
    "--learn-weights/--no-learn-weights",
    default=True,
    show_default=True,
    help="Learn from a new version's own products how much words, text and pictures count, before it goes into service.",
)
@click.option(
    "--synonyms",
    type=_FILE,
    help="Rules such as `sofa, couch` or `tv => television`, one a line; without CATALOGUE nothing else is done.",
)
@click.option("--sync", is_flag=True, help="Delete products that are no longer in the catalogue.")
@click.option("--print-plan", is_flag=True, help="Write the field plan to stdout as TOML, and stop.")
@click.option("--encoding", help="Of a text catalogue that is not UTF-8, such as latin-1 or gb18030.")
@click.option(
    "--rejected", type=_FILE, help="Where failed rows are kept (default: CATALOGUE.rejected.jsonl)."
)
@click.option("--allow-private-urls", is_flag=True, help="Also fetch pictures from private addresses.")
@click.option("--refetch", is_flag=True, help="Fetch picture URLs that the index knows once more.")
@click.option("--shards", default=1, show_default=True, type=click.IntRange(1), help="Of a new version.")
@click.option("--replicas", default=0, show_default=True, type=click.IntRange(0), help="Of a new version.")
@options.as_json
def index(**given: Any) -> None:
    """Bulk-index CATALOGUE (JSONL, CSV, both also .gz, or Parquet) behind an alias.

    A second run writes only what changed. Failed rows are kept in a file with the reason; the exit status is 1
    when there are any.
    """
    from .index_run import IndexOptions, run

    sys.exit(run(IndexOptions(**given)))


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--ids-file", type=click.File("r", encoding="utf-8"), help="One id a line; - is stdin.")
@options.index
@options.url
@options.as_json
def delete(ids: tuple[str, ...], ids_file: TextIO | None, alias: str, url: str, as_json: bool) -> None:
    """Delete products from an index by id."""
    named = [*ids, *(line.strip() for line in ids_file or () if line.strip())]
    if not named:
        raise click.UsageError("name the ids to delete, or a file of them with --ids-file")
    from opensearch.client import connect
    from opensearch.index.bulk import Action, write
    from opensearch.index.versions import refresh, require_current

    client = connect(url)
    target = require_current(client, alias)
    outcomes = list(write(client, target, (Action("delete", id) for id in dict.fromkeys(named))))
    refresh(client, target)
    failed = {outcome.id: outcome.reason for outcome in outcomes if outcome.status == "failed"}
    missing = sorted(outcome.id for outcome in outcomes if outcome.status == "noop")
    deleted = sum(outcome.status == "deleted" for outcome in outcomes)
    if as_json:
        click.echo(json.dumps({"index": target, "deleted": deleted, "missing": missing, "failed": failed}))
    else:
        there = (
            f"; not there: {', '.join(missing[:20])}{', ...' if len(missing) > 20 else ''}" if missing else ""
        )
        click.echo(f"deleted {deleted} products from {alias}{there}")
        for id, reason in failed.items():
            click.echo(f"{id} was not deleted: {reason}", err=True)
    sys.exit(1 if failed else 0)
