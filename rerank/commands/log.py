"""The commands `vitrine log import`, `show`, `query-set`, `judgments` and `from-workbench`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensearch import options

from . import log_options

if TYPE_CHECKING:
    from opensearch.client import OpenSearch
    from rerank.training.log.events import Log
    from rerank.training.log.importing import ImportReport, SourceReport
    from rerank.training.log.ubi_files import Row


@click.group()
def log() -> None:
    """Click logs: import them, show what training reads, and exchange query sets and judgments."""


@log.command("import")
@click.argument("queries")
@click.argument("events")
@options.index
@log_options.actions
@click.option(
    "--indices",
    is_flag=True,
    help="QUERIES and EVENTS are indices of the engine, such as ubi_queries and ubi_events.",
)
@click.option(
    "--application",
    "applications",
    metavar="NAME",
    multiple=True,
    help="With --indices: import the records of this application. Repeatable.  [default: all]",
)
@log_options.keep_robots
@click.option(
    "--rejected",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=Path(),
    help="Folder of the files that keep the rows which cannot be imported.  [default: the working folder]",
)
@options.url
@options.as_json
def import_(
    queries: str,
    events: str,
    alias: str,
    indices: bool,
    applications: tuple[str, ...],
    rejected: Path,
    url: str,
    as_json: bool,
    **values: Any,
) -> None:
    """Import UBI queries and events, so that `vitrine train` reads them as the log of an index.

    QUERIES and EVENTS are files of JSON lines or JSON arrays, plain or gzip, in the shape of UBI 1.3 or an older one. Ids
    of shoppers become keyed hashes. Robots are left out. Importing the same rows again changes nothing. Exit status 1 when
    rows could not be imported: they are counted by reason and kept in a file.
    """
    from opensearch.client import connect
    from opensearch.index.versions import require_current
    from rerank.training.log.importing import LogImport

    if applications and not indices:
        raise click.UsageError("--application goes with --indices; records of a file are all imported")
    client = connect(url)
    require_current(client, alias)
    job = LogImport(client, alias, values["actions"], values["keep_robots"], rejected)
    sources = [_source(client, alias, place, indices, applications) for place in (queries, events)]
    report = job.run(*sources)
    if as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        _print_import(alias, report)
    if report.failed:
        sys.exit(1)


def _source(client: OpenSearch, alias: str, place: str, is_index: bool, applications: tuple[str, ...]) -> Any:
    """Return the function that reads a source, a file or an index, from its beginning."""
    from opensearch.logs.ubi import UBI_LOGS, read_other_log
    from rerank.training.log.ubi_files import Row, read_ubi_rows

    if not is_index:
        return lambda: read_ubi_rows(Path(place))
    if place in {ubi.name for ubi in UBI_LOGS} and (not applications or alias in applications):
        raise click.UsageError(
            f"the records of {alias} in {place} are read where they are: run `vitrine train --index {alias}`, or name "
            "another application to import with --application"
        )

    if not client.indices.exists(index=place):
        raise click.UsageError(
            f"there is no index {place!r} to import from; a file is imported without --indices"
        )

    def rows() -> Iterator[Row]:
        for number, record in enumerate(read_other_log(client, place, applications), start=1):
            yield Row(number, record.source, at=record.at)

    return rows


def _print_import(alias: str, report: ImportReport) -> None:
    for name in ("queries", "events"):
        _print_source(name, getattr(report, name))
    if report.robots:
        click.echo(
            f"robots: {report.robots:,} left out, which name themselves one or act more than 60 times in a minute or 2,000 "
            "times in a day; `--keep-robots` imports them"
        )
    click.echo(f"{report.in_slate_log:,} of {report.searches:,} searches are in the slate log of {alias}")
    if report.of_no_search:
        click.echo(f"{report.of_no_search:,} events belong to a search that no log of {alias} holds")
    click.echo(f"Next: `vitrine log show --index {alias}`, then `vitrine train --index {alias}`.")


def _print_source(name: str, report: SourceReport) -> None:
    parts = {
        "written": report.written,
        "duplicates": report.duplicates,
        "of robots": report.robots,
        "ignored by --actions": report.ignored,
        "not imported": report.bad_rows,
    }
    text = ", ".join(f"{count:,} {what}" for what, count in parts.items() if count or what == "written")
    click.echo(f"{name}: {report.read:,} rows, {text}")
    for reason, count in sorted(report.bad.items(), key=lambda item: -item[1]):
        click.echo(f"  {count:,}: {reason}", err=True)
    if report.kept_aside:
        click.echo(f"  kept in {report.kept_aside}", err=True)


@log.command()
@options.index
@log_options.actions
@log_options.applications
@log_options.keep_robots
@log_options.until
@options.url
@options.as_json
def show(alias: str, url: str, as_json: bool, **values: Any) -> None:
    """Show what training reads of the log of an index, and why it leaves records out."""
    from rerank.training.log.notes import names_with_counts

    read = _read(url, alias, values)
    shoppers = {slate.shopper for slate in read.slates if slate.shopper}
    kinds = Counter(event.action for event in read.events)
    counts = {
        "searches": len(read.slates),
        "searches in the slate log": sum(bool(slate.alias) for slate in read.slates),
        "shoppers": len(shoppers),
        "events": len(read.events),
    }
    if as_json:
        notes = [note.to_dict() for note in read.notes]
        click.echo(json.dumps({**counts, "actions": kinds, "notes": notes}, ensure_ascii=False))
        return
    for name, count in counts.items():
        click.echo(f"{name}: {count:,}")
    if kinds:
        click.echo(f"actions: {names_with_counts(kinds)}")
    for note in read.notes:
        click.echo(f"log: {note}")


@log.command("query-set")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@options.index
@click.option("--size", type=click.IntRange(1), default=100, show_default=True, help="Number of queries.")
@click.option("--name", help="Name of the query set.  [default: the alias]")
@log_options.applications
@options.url
def query_set_command(out: Path, alias: str, size: int, name: str | None, url: str, **values: Any) -> None:
    """Write the most frequent queries of the log as a query set of the Search Relevance Workbench.

    OUT is the body of `PUT _plugins/_search_relevance/query_sets`.
    """
    from rerank.training.log.workbench import query_set

    body = query_set(_read(url, alias, values), name or alias, size)
    _write(out, json.dumps(body, ensure_ascii=False, indent=1) + "\n")
    click.echo(f"{out}: {len(body['querySetQueries']):,} queries")


@log.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@options.index
@click.option("--name", help="Name of the judgment list.  [default: the alias]")
@click.option(
    "--min-searches",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Judge the queries that were searched so often.",
)
@log_options.actions
@log_options.applications
@options.url
def judgments(out: Path, alias: str, name: str | None, min_searches: int, url: str, **values: Any) -> None:
    """Write judgments from the clicks of the log as a judgment list of the Search Relevance Workbench.

    OUT is the body of `PUT _plugins/_search_relevance/judgments`. A rating is the product's clicks for the query over the
    clicks that its positions receive on average, smoothed: an average product has 1.
    """
    from rerank.training.behaviour.ratings import log_ratings
    from rerank.training.log.workbench import judgment_list

    ratings = log_ratings(_read(url, alias, values), min_searches)
    _write(out, json.dumps(judgment_list(ratings, name or alias), ensure_ascii=False, indent=1) + "\n")
    click.echo(f"{out}: {sum(map(len, ratings.values())):,} judgments of {len(ratings):,} queries")


@log.command("from-workbench")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--queries",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Write the queries here, for `vitrine search --queries FILE`.",
)
@click.option(
    "--qrels",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the judgments here, for `vitrine evaluate --qrels FILE`.",
)
def from_workbench(file: Path, queries: Path, qrels: Path | None) -> None:
    """Read a query set or a judgment list of the Search Relevance Workbench.

    Whole-number ratings become grades as they are, others the nearest of four grades up to the largest rating.
    """
    from rerank.training.log.workbench import grades, read_workbench
    from vitrine.errors import LogFileError

    texts, ratings = read_workbench(file)
    if qrels and not ratings:
        raise LogFileError(f"{file} is a query set, which has no judgments; leave out --qrels")
    ids = {text: f"q{number}" for number, text in enumerate(texts, start=1)}
    lines = [json.dumps({"id": ids[text], "query": text}, ensure_ascii=False) for text in texts]
    _write(queries, "\n".join(lines) + "\n")
    click.echo(f"{queries}: {len(texts):,} queries")
    if qrels:
        graded = grades(ratings)
        rows = [
            f"{ids[q]} 0 {product} {grade}" for q, given in graded.items() for product, grade in given.items()
        ]
        _write(qrels, "\n".join(rows) + "\n")
        click.echo(f"{qrels}: {len(rows):,} judgments of {len(graded):,} queries")


def _read(url: str, alias: str, values: dict[str, Any]) -> Log:
    from opensearch.client import connect
    from rerank.training.log.source import LogOptions, read_alias_log

    return read_alias_log(connect(url), alias, LogOptions(**values))


def _write(path: Path, text: str) -> None:
    from vitrine.errors import LogFileError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LogFileError(f"{path} cannot be written: {error.strerror}; name another file") from error
