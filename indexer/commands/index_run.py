"""What `vitrine index` does, from its options to its report."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from encoders.images.fetch import Fetcher
from encoders.images.source import ImagePlaces
from encoders.text import TextSettings
from indexer.catalogue.plan import plan_toml
from indexer.catalogue.reader import count_rows, reader_for
from indexer.join.table import JoinOutcome, JoinTable, read_join
from indexer.load.encoders import language_problem, schema_for
from indexer.load.pipeline import Job, load
from indexer.load.report import LoadReport, RejectedRows
from indexer.load.survey import needs_survey, survey
from indexer.load.target import choose_target, complete, publish_target, recorded_schema
from indexer.load.vector_cache import VectorCache
from indexer.load.vocabulary import store_vocabulary
from opensearch.alias_lock import AliasLock, alias_lock
from opensearch.analysis.survey import Survey
from opensearch.client import connect
from opensearch.index import versions
from opensearch.index.fields import FieldPlan
from opensearch.index.meta import set_joined
from opensearch.index.spaces import IMAGE, TEXT
from opensearch.index.synonyms import SynonymRules, read_rules, set_synonyms
from opensearch.logs.pointer import read_pointer
from opensearch.tuning.weights import restore_weights
from vitrine.progress import ProgressCallback
from vitrine.store import open_store

from .index import IndexOptions
from .index_tables import print_report
from .learn_weights import learn_version_floors, learn_version_weights
from .open_encoders import encoder_names, open_encoders, parse_encoders
from .refresh_run import refresh_joined
from .row_source import RowSource, say
from .text_encoder_choice import catalogue_languages

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


def run(options: IndexOptions) -> int:
    """Do what the options request and return the exit status."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # one per image with damaged metadata
    rules = read_rules(options.synonyms) if options.synonyms else None
    has_rows = options.catalogue is not None or options.source is not None
    _check_options(options, has_rows=has_rows)
    if options.print_plan:
        plan, remarks = RowSource(options, tables=_tables(options)).inferred_plan()
        click.echo(plan_toml(plan), nl=False)
        say(remarks)
        return 0
    tables = () if options.rollback else _tables(options)
    client = connect(options.url)
    with alias_lock(client, options.alias, _command(options), wait_s=options.wait_s) as lock:
        if mended := versions.mend(client, options.alias):
            click.echo(mended, err=True)
        if options.rollback:
            click.echo(f"{options.alias} is {versions.rollback(client, options.alias)} again")
            restore_weights(client, options.alias)
            return 0
        if not has_rows and not tables:
            return _set_synonyms(client, options.alias, rules or SynonymRules({}))
        if has_rows:
            report = _index(options, lock, RowSource(options, client, tables))
        else:
            rejects = RejectedRows(_rejected_path(options))
            report = refresh_joined(options, lock, client, tables, rejects)
        failed = _set_synonyms(client, options.alias, rules) if rules is not None and report.published else 0
    if options.as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        print_report(report, options.alias)
    if report.published:
        _say_next_step(client, options.alias)
    return max(report.exit_code, failed)


def _say_next_step(client: OpenSearch, alias: str) -> None:
    """Name the command that learns a ranker, where there is none yet and the index has the vectors that it needs."""
    if versions.read_schema(client, alias).vectors and read_pointer(client, alias) is None:
        click.echo(
            f"{alias} is searched in the engine's order: `vitrine train --index {alias}` learns a ranker from its products",
            err=True,
        )


def _check_options(options: IndexOptions, *, has_rows: bool) -> None:
    """Raise an error for options that do not go together, or a catalogue that cannot be used, before any connection."""
    if options.rollback:
        return
    if options.join and not options.on:
        raise click.UsageError("--join needs --on COLUMN: the key of the products in both files")
    if options.on and not options.join:
        raise click.UsageError(
            "--on COLUMN is the key of a joined file: give --join FILE too, or leave it out"
        )
    if options.on and len(options.on) not in (1, len(options.join)):
        raise click.UsageError("give --on once, or once for each --join")
    if options.catalogue is not None and options.source is not None:
        raise click.UsageError("name a CATALOGUE, or an index with --from INDEX, not both")
    if not has_rows and not (options.join or options.synonyms):
        raise click.UsageError("name a CATALOGUE, or an index with --from INDEX")
    if not has_rows and (options.rebuild or options.fields or options.print_plan):
        raise click.UsageError(
            "--rebuild, --fields and --print-plan need a CATALOGUE, or an index with --from INDEX"
        )
    if options.catalogue is not None:
        reader_for(options.catalogue, options.encoding)


def _tables(options: IndexOptions) -> tuple[JoinTable, ...]:
    keys = options.on * len(options.join) if len(options.on) == 1 else options.on
    return tuple(read_join(path, on, options.encoding) for path, on in zip(options.join, keys, strict=True))


def _command(options: IndexOptions) -> str:
    """Return the command as another run that has to wait is told about it."""
    flags = {
        "--rollback": options.rollback,
        "--rebuild": options.rebuild,
        "--sync": options.sync,
        "--join": bool(options.join),
    }
    return " ".join(["vitrine index", *(flag for flag, given in flags.items() if given)])


def _set_synonyms(client: OpenSearch, alias: str, rules: SynonymRules) -> int:
    """Apply the rules, name those that were left out, and return the exit status."""
    changed = set_synonyms(client, alias, rules)
    for problem in changed.problems:
        click.echo(f"synonyms, {problem}", err=True)
    click.echo(f"{alias} is {changed.index}, searched with {changed.rules} synonym rules", err=True)
    return 1 if changed.problems else 0


def _index(options: IndexOptions, lock: AliasLock, source: RowSource) -> LoadReport:
    client = lock.client
    recorded = recorded_schema(client, options.alias, rebuild=options.rebuild)
    plan, remarks = source.plan(recorded)
    store = open_store(options.store)
    names = {TEXT: options.text_encoder, IMAGE: options.image_encoder, **parse_encoders(options.encoder)}
    chosen = encoder_names(names, recorded, lambda: _languages(source, plan))
    encoders = open_encoders(chosen, recorded, store, _text_settings(options))
    if plan.images and IMAGE not in encoders:
        click.echo(
            "images are not embedded: neither --image-encoder nor the index names an image encoder", err=True
        )
    if problem := language_problem(plan, encoders):
        click.echo(problem, err=True)
    schema = schema_for(plan, encoders)
    layout = (options.shards, options.replicas)
    target = choose_target(
        client,
        options.alias,
        schema,
        rebuild=options.rebuild,
        layout=layout,
        survey=partial(_survey, source, plan),
    )
    places = ImagePlaces(options.catalogue.parent if options.catalogue else None, options.image_base)
    fetch = Fetcher(allow_private=options.allow_private_urls)
    job = Job(target, plan, encoders, places, fetch, options.refetch)
    rejected_rows = RejectedRows(_rejected_path(options))
    with closing(VectorCache()) as cache, _progress_bar(options.catalogue) as on_progress:
        joins = [JoinOutcome(table) for table in source.tables]
        report, seen_ids = load(lock.guard(source.rows(plan, joins)), job, cache, rejected_rows, on_progress)
    report.joins = joins
    report.notes += remarks
    report.stopped = report.stopped or lock.problem()
    if complete(target, report, seen_ids, sync=options.sync, confirmed=options.yes):
        store_vocabulary(target, store, report)
        if options.learn_weights and not target.in_service:
            learn_version_weights(target, encoders, store, report)
            learn_version_floors(target, encoders, store, report)
        set_joined(client, target.index, plan.joined)
        publish_target(target, report)
    return report


def _survey(source: RowSource, plan: FieldPlan) -> Survey:
    if not needs_survey(plan):
        return Survey()
    with closing(source.rows(plan)) as rows:
        return survey(rows, plan)


def _languages(source: RowSource, plan: FieldPlan) -> list[str]:
    with closing(source.rows(plan)) as rows:
        return catalogue_languages(rows, plan)


def _text_settings(options: IndexOptions) -> TextSettings:
    return TextSettings(
        options.query_prompt, options.document_prompt, options.dimension, options.trust_remote_code
    )


def _rejected_path(options: IndexOptions) -> Path:
    """Return --rejected, else a file beside the catalogue, or in the working directory if that folder is read-only."""
    if options.rejected is not None:
        return options.rejected
    source = options.catalogue or (Path(options.source) if options.source else options.join[0])
    name = f"{source.name}.rejected.jsonl"
    return source.with_name(name) if os.access(source.parent, os.W_OK) else Path(name)


@contextmanager
def _progress_bar(catalogue: Path | None) -> Iterator[ProgressCallback]:
    """Show a bar with rate and remaining time on stderr; nothing when stderr is not a terminal."""
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
    with Progress(*columns, console=console) as progress:
        total = count_rows(catalogue) if catalogue else None
        task = progress.add_task("indexing", total=total, rate="-")

        def on_progress(rows: int) -> None:
            progress.advance(task, rows)
            speed = progress.tasks[0].speed
            progress.update(task, rate=f"{speed:.0f}" if speed else "-")

        yield on_progress
