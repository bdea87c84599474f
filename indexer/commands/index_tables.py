"""The report of a load as a table on stderr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from indexer.catalogue.notation.languages import language_name
from indexer.load.report import LoadReport
from opensearch.index.spaces import IMAGE, SPACES, TEXT
from opensearch.tuning.floors import Floor

from .column_lines import column_lines


def print_report(report: LoadReport, alias: str) -> None:
    """Write the report to stderr, one line per count; some counts are left out when they are zero."""
    console = Console(stderr=True, highlight=False)
    table = Table(title=f"{alias}: {report.index}", title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for count, label in _main_counts(report):
        table.add_row(f"{count:,}", label)
    for count, label in _other_counts(report):
        if count:
            table.add_row(f"{count:,}", label)
    console.print(table)
    console.print(f"{report.seconds:.1f} s, {report.rows_per_second:.0f} rows/s", markup=False)
    for reason, count in report.skipped.most_common():
        line = f"rows that are no products of their own: {count:,} ({reason})"
        console.print(line, markup=False, soft_wrap=True)
    for line in column_lines(report):
        console.print(line, markup=False, soft_wrap=True)
    if report.weights:
        console.print(_weights_line(report.weights), markup=False)
    if report.floors:
        console.print(_floors_line(report.floors), markup=False)
    for join in report.joins:
        console.print(join.sentence(), markup=False)
    for note in report.notes:
        console.print(note, markup=False)
    if report.rejected_file:
        console.print(f"rejected rows and images with their reasons: {report.rejected_file}", markup=False)
    if report.refused:
        console.print(f"error: {report.refused}", markup=False)
    if report.stopped:
        console.print(f"error: {report.stopped}", markup=False)


def _weights_line(learned: Mapping[str, Any]) -> str:
    weights = ", ".join(f"{name} {weight:g}" for name, weight in learned["weights"].items() if weight)
    mrr = ", ".join(f"{name} {value:.3f}" for name, value in learned["mrr"].items())
    return f"sub-query weights, learned from {learned['queries']} known-item queries: {weights} (MRR: {mrr})"


def _floors_line(learned: Mapping[str, Mapping[str, Any]]) -> str:
    floors = ", ".join(f"{name} {Floor(**floor)}" for name, floor in learned.items())
    return f"cosine from which a neighbour matches: {floors}"


def _main_counts(report: LoadReport) -> list[tuple[int, str]]:
    return [
        (report.read, "rows read"),
        (report.indexed, "products new in the index"),
        (report.updated, "products updated"),
        (report.unchanged, "products unchanged, not written"),
        (report.rejected, "rows rejected: unreadable, no usable id, or a repeated id"),
        *((report.embedded[space], f"{space} vectors computed") for space in (TEXT, IMAGE)),
    ]


def _other_counts(report: LoadReport) -> list[tuple[int, str]]:
    further = [space for space in SPACES if space not in (TEXT, IMAGE)]
    return [
        (report.failed, "products rejected by the engine"),
        (report.deleted, "products deleted: no longer in the catalogue"),
        (report.orphaned, "products no longer in the catalogue (--sync deletes them)"),
        *((report.embedded[space], f"{space} vectors computed") for space in further),
        *((report.cached[space], f"{space} vectors from the cache") for space in SPACES),
        (report.texts_unsupported.total(), _unsupported(report.texts_unsupported)),
        (report.images_failed, "images that could not be fetched or read; their products are indexed"),
    ]


def _unsupported(texts: Counter[str]) -> str:
    languages = ", ".join(f"{language_name(code)} {count:,}" for code, count in texts.most_common(5))
    more = ", ..." if len(texts) > 5 else ""
    return f"texts without vector: the text encoder does not know their language ({languages}{more})"
