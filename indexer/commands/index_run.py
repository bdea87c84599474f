"""What `vitrine index` does, from its options to its report."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.catalogue.from_index import ID_COLUMN, rows_from_index
from indexer.catalogue.plan import (
    check_columns,
    completed_plan,
    inferred_plan,
    load_plan,
    notation_toml,
    plan_toml,
)
from indexer.catalogue.reader import (
    CatalogueItem,
    CatalogueRows,
    Remark,
    count_rows,
    read_rows,
    reader_for,
)
from indexer.images.fetch import Fetcher
from indexer.images.source import ImagePlaces
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
from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.index.spaces import IMAGE, TEXT
from opensearch.index.synonyms import SynonymRules, read_rules, set_synonyms
from opensearch.tuning.weights import restore_weights
from vitrine.progress import ProgressCallback
from vitrine.store import open_store

from .index import IndexOptions
from .index_tables import print_report
from .learn_weights import learn_version_floors, learn_version_weights
from .open_encoders import open_encoders, parse_encoders

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


def run(options: IndexOptions) -> int:
    """Do what the options request and return the exit status."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # one per image with damaged metadata
    rules = read_rules(options.synonyms) if options.synonyms else None
    only_synonyms = rules is not None and options.catalogue is None and options.source is None
    if not (options.rollback or only_synonyms):
        _require_rows(options)
    if options.print_plan:
        engine = connect(options.url) if options.source else None
        plan, remarks = _inferred_plan(options, engine)
        click.echo(plan_toml(plan), nl=False)
        _say(remarks)
        return 0
    client = connect(options.url)
    with alias_lock(client, options.alias, _command(options), wait_s=options.wait_s) as lock:
        if mended := versions.mend(client, options.alias):
            click.echo(mended, err=True)
        if options.rollback:
            click.echo(f"{options.alias} is {versions.rollback(client, options.alias)} again")
            restore_weights(client, options.alias)
            return 0
        if rules is not None and only_synonyms:
            return _set_synonyms(client, options.alias, rules)
        recorded = recorded_schema(client, options.alias, rebuild=options.rebuild)
        plan, remarks = _plan(options, client, recorded)
        report = _index(options, lock, client, plan, recorded)
        report.notes += remarks
        failed = _set_synonyms(client, options.alias, rules) if rules is not None and report.published else 0
    if options.as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        print_report(report, options.alias)
    return max(report.exit_code, failed)


def _require_rows(options: IndexOptions) -> None:
    """Raise an error for options without rows, or a catalogue that cannot be used, before any connection."""
    if (options.catalogue is None) == (options.source is None):
        raise click.UsageError("name a CATALOGUE, or an index with --from INDEX")
    if options.catalogue is not None:
        reader_for(options.catalogue, options.encoding)


def _command(options: IndexOptions) -> str:
    """Return the command as another run that has to wait is told about it."""
    flags = {"--rollback": options.rollback, "--rebuild": options.rebuild, "--sync": options.sync}
    return " ".join(["vitrine index", *(flag for flag, given in flags.items() if given)])


def _set_synonyms(client: OpenSearch, alias: str, rules: SynonymRules) -> int:
    """Apply the rules, name those that were left out, and return the exit status."""
    changed = set_synonyms(client, alias, rules)
    for problem in changed.problems:
        click.echo(f"synonyms, {problem}", err=True)
    click.echo(f"{alias} is {changed.index}, searched with {changed.rules} synonym rules", err=True)
    return 1 if changed.problems else 0


def _index(
    options: IndexOptions,
    lock: AliasLock,
    client: OpenSearch,
    plan: FieldPlan,
    recorded: IndexSchema | None,
) -> LoadReport:
    store = open_store(options.store)
    names = {TEXT: options.text_encoder, IMAGE: options.image_encoder, **parse_encoders(options.encoder)}
    encoders = open_encoders(names, recorded, store)
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
        survey=partial(_survey, options, client, plan),
    )
    places = ImagePlaces(options.catalogue.parent if options.catalogue else None, options.image_base)
    fetch = Fetcher(allow_private=options.allow_private_urls)
    job = Job(target, plan, encoders, places, fetch, options.refetch)
    rejected_rows = RejectedRows(_rejected_path(options))
    with closing(VectorCache()) as cache, _progress_bar(options.catalogue) as on_progress:
        report, seen_ids = load(
            lock.guard(_rows(options, client, plan)), job, cache, rejected_rows, on_progress
        )
    report.stopped = report.stopped or lock.problem()
    if complete(target, report, seen_ids, sync=options.sync, confirmed=options.yes):
        store_vocabulary(target, store, report)
        if options.learn_weights and not target.in_service:
            learn_version_weights(target, encoders, store, report)
            learn_version_floors(target, encoders, store, report)
        publish_target(target, report)
    return report


def _survey(options: IndexOptions, client: OpenSearch, plan: FieldPlan) -> Survey:
    if not needs_survey(plan):
        return Survey()
    with closing(_rows(options, client, plan)) as rows:
        return survey(rows, plan)


def _rows(options: IndexOptions, client: OpenSearch | None, plan: FieldPlan | None = None) -> CatalogueRows:
    if options.catalogue is not None:
        return read_rows(options.catalogue, options.encoding, options.shape, plan)
    return rows_from_index(client or connect(options.url), str(options.source))


def _rejected_path(options: IndexOptions) -> Path:
    """Return --rejected, else a file beside the catalogue, or in the working directory if that folder is read-only."""
    if options.rejected is not None:
        return options.rejected
    source = options.catalogue or Path(str(options.source))
    name = f"{source.name}.rejected.jsonl"
    return source.with_name(name) if os.access(source.parent, os.W_OK) else Path(name)


def _plan(
    options: IndexOptions, client: OpenSearch, recorded: IndexSchema | None
) -> tuple[FieldPlan, list[str]]:
    """Return the plan of --fields, else that of the index, else one inferred from the rows, which is printed.

    With it come the doubts about a plan that was decided from the rows, one sentence each.
    """
    if options.fields:
        plan = load_plan(options.fields)
        if options.catalogue:
            check_columns(plan, options.catalogue, options.encoding, options.shape)
        return _with_notation(plan, options, client, None if options.rebuild else recorded)
    if recorded:
        plan = recorded.plan
    else:
        plan, remarks = _inferred_plan(options, client)
        click.echo("# the inferred field plan; save it, edit it, and pass it with --fields", err=True)
        click.echo(plan_toml(plan), err=True)
        _say(remarks)
        return plan, remarks
    if options.catalogue:
        check_columns(plan, options.catalogue, options.encoding, options.shape)
    return plan, []


def _with_notation(
    plan: FieldPlan, options: IndexOptions, client: OpenSearch, recorded: IndexSchema | None
) -> tuple[FieldPlan, list[str]]:
    """Return the plan with the language and the notation that it does not state, and the doubts about it.

    They are those of the index, so that the same plan file stays the same plan, else decided from the rows and printed.
    """
    if recorded:
        columns = {**recorded.plan.columns, **plan.columns}
        null = recorded.plan.null if plan.null is None else plan.null
        return replace(plan, language=plan.language or recorded.plan.language, null=null, columns=columns), []
    with closing(_rows(options, client, plan)) as rows:
        completed, remarks = completed_plan(plan, rows, str(options.catalogue or options.source))
    if completed != plan:
        click.echo("# what the field plan does not state, decided from the rows", err=True)
        click.echo(notation_toml(completed, plan), err=True)
    _say(remarks)
    return completed, remarks


def _say(remarks: list[str]) -> None:
    for remark in remarks:
        click.echo(remark, err=True)


def _inferred_plan(options: IndexOptions, client: OpenSearch | None) -> tuple[FieldPlan, list[str]]:
    source = str(options.catalogue or options.source)
    with closing(_rows(options, client)) as rows:
        return inferred_plan(_with_remarks(rows), source, ID_COLUMN if options.source else None)


def _with_remarks(rows: CatalogueRows) -> Iterator[CatalogueItem]:
    """Pass the rows on and write the remarks among them to stderr."""
    for row in rows:
        if isinstance(row, Remark):
            click.echo(f"# {row.text}", err=True)
        yield row


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
