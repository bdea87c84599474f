"""What `vitrine index` does, from its options to its report."""

from __future__ import annotations

import gzip
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.catalogue.from_index import ID, foreign_rows
from indexer.catalogue.plan import check_columns, load_plan, plan_from_rows, plan_toml
from indexer.catalogue.reader import BadRow, CatalogueRow, catalogue_format, parquet_rows, read_rows
from indexer.images.fetch import Fetcher
from indexer.load.encoders import schema_for
from indexer.load.pipeline import Job, load
from indexer.load.report import RejectedRows, Report, Tick
from indexer.load.target import choose_target, complete, publish, recorded_schema
from indexer.load.vector_cache import VectorCache
from opensearch.client import connect
from opensearch.index import versions
from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.index.spaces import IMAGE, TEXT
from opensearch.index.synonyms import read_rules, set_synonyms
from opensearch.tuning.weights import restore_weights
from vitrine.errors import CatalogueError
from vitrine.store import open_store

from .index_tables import report_table
from .learn_weights import learn_version_weights
from .open_encoders import open_encoders, parse_encoders

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


@dataclass(frozen=True)
class IndexOptions:
    """The options of `vitrine index`, by their names."""

    catalogue: Path | None
    fields: Path | None
    alias: str
    url: str
    store: str | None
    text_encoder: str | None
    image_encoder: str | None
    encoder: tuple[str, ...]
    source: str | None
    rebuild: bool
    rollback: bool
    learn_weights: bool
    synonyms: Path | None
    sync: bool
    print_plan: bool
    encoding: str | None
    rejected: Path | None
    allow_private_urls: bool
    refetch: bool
    shards: int
    replicas: int
    as_json: bool


def run(chosen: IndexOptions) -> int:
    """Do what the options say; the exit status."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # its word on damaged metadata, thousands of times
    if chosen.rollback:
        client = connect(chosen.url)
        click.echo(f"{chosen.alias} is {versions.rollback(client, chosen.alias)} again")
        restore_weights(client, chosen.alias)
        return 0
    rules = read_rules(chosen.synonyms) if chosen.synonyms else None
    if rules is not None and chosen.catalogue is None and chosen.source is None:
        _put_synonyms(connect(chosen.url), chosen.alias, rules)
        return 0
    if (chosen.catalogue is None) == (chosen.source is None):
        raise click.UsageError("name a CATALOGUE, or an index with --from INDEX")
    if chosen.catalogue is not None:
        catalogue_format(chosen.catalogue)  # what is wrong with the file is said before anything is asked
    if chosen.print_plan:
        engine = connect(chosen.url) if chosen.source else None
        click.echo(plan_toml(_inferred(chosen, engine)), nl=False)
        return 0
    client = connect(chosen.url)
    recorded = recorded_schema(client, chosen.alias)
    plan = _plan(chosen, client, recorded)
    report = _index(chosen, client, plan, recorded)
    if rules is not None and report.published:
        _put_synonyms(client, chosen.alias, rules)
    if chosen.as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        report_table(report, chosen.alias)
    return report.exit_code


def _put_synonyms(client: OpenSearch, alias: str, rules: list[str]) -> None:
    index = set_synonyms(client, alias, rules)
    click.echo(f"{alias} is {index}, searched with {len(rules)} synonym rules", err=True)


def _index(chosen: IndexOptions, client: OpenSearch, plan: FieldPlan, recorded: IndexSchema | None) -> Report:
    store = open_store(chosen.store)
    names = {TEXT: chosen.text_encoder, IMAGE: chosen.image_encoder, **parse_encoders(chosen.encoder)}
    encoders = open_encoders(names, recorded, store)
    if plan.images and IMAGE not in encoders:
        click.echo("pictures are not embedded: no --image-encoder is named and the index has none", err=True)
    schema = schema_for(plan, encoders)
    layout = (chosen.shards, chosen.replicas)
    target = choose_target(client, chosen.alias, schema, rebuild=chosen.rebuild, layout=layout)
    folder = chosen.catalogue.parent if chosen.catalogue else None
    fetch = Fetcher(allow_private=chosen.allow_private_urls)
    job = Job(target, plan, encoders, folder, fetch, chosen.refetch)
    with closing(VectorCache()) as cache, _progress(chosen) as tick:
        report, seen = load(_rows(chosen, client), job, cache, RejectedRows(_rejected_path(chosen)), tick)
    if complete(target, report, seen, sync=chosen.sync):
        if chosen.learn_weights and not target.in_service:
            learn_version_weights(target, encoders, store, report)
        publish(target, report)
    return report


def _rows(chosen: IndexOptions, client: OpenSearch | None) -> Iterator[CatalogueRow | BadRow]:
    if chosen.catalogue is not None:
        return read_rows(chosen.catalogue, chosen.encoding)
    return foreign_rows(client or connect(chosen.url), str(chosen.source))


def _rejected_path(chosen: IndexOptions) -> Path:
    """--rejected, else beside the catalogue, else (it may lie on a read-only disk) in the working directory."""
    beside = chosen.catalogue or Path(str(chosen.source))
    if chosen.rejected is None and not os.access(beside.parent, os.W_OK):
        beside = Path(beside.name)
    return chosen.rejected or beside.with_name(f"{beside.name}.rejected.jsonl")


def _plan(chosen: IndexOptions, client: OpenSearch, recorded: IndexSchema | None) -> FieldPlan:
    """The plan that --fields names, else the index's own, else one inferred from the rows and printed."""
    if chosen.fields:
        plan = load_plan(chosen.fields)
    elif recorded:
        plan = recorded.plan
    else:
        plan = _inferred(chosen, client)
        click.echo("# the field plan, inferred; save it, edit it, and pass it with --fields", err=True)
        click.echo(plan_toml(plan), err=True)
        return plan
    if chosen.catalogue:
        check_columns(plan, chosen.catalogue, chosen.encoding)
    return plan


def _inferred(chosen: IndexOptions, client: OpenSearch | None) -> FieldPlan:
    rows = _rows(chosen, client)
    with closing(rows):  # type: ignore[type-var]
        return plan_from_rows(rows, str(chosen.catalogue or chosen.source), ID if chosen.source else None)


@contextmanager
def _progress(chosen: IndexOptions) -> Iterator[Tick]:
    """A bar with rate and time left on stderr; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda rows: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} rows/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("indexing", total=_count(chosen.catalogue), rate="-")

        def tick(rows: int) -> None:
            bar.advance(task, rows)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:.0f}" if speed else "-")

        yield tick


def _count(catalogue: Path | None) -> int | None:
    """The rows of a catalogue, nearly: lines, blank ones and those inside a quoted cell included."""
    if catalogue is None:
        return None
    if catalogue_format(catalogue) == ".parquet":
        return parquet_rows(catalogue)
    try:
        with gzip.open(catalogue) if catalogue.suffix == ".gz" else catalogue.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except (OSError, EOFError) as error:
        if isinstance(error, FileNotFoundError):
            raise CatalogueError(f"there is no file {catalogue}") from error
        return None  # a broken archive: the rows before the break are still read
