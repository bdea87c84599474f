"""The report of a load as a table on stderr."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from indexer.load.report import LoadReport
from opensearch.index.spaces import IMAGE, SPACES, TEXT

_MAX_COLUMNS = 8  # columns with dropped cells that are listed
_USE_COLUMN = (
    "name it in a plan under search, text, keywords, numbers, dates or images and pass --fields and --rebuild"
)


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
    for column, count in report.cells_dropped.most_common(_MAX_COLUMNS):
        example = report.dropped_cell_examples[column]
        console.print(f"column {column}: {count} cells left out ({example})", markup=False)
    for line in _column_lines(report):
        console.print(line, markup=False)
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


def _column_lines(report: LoadReport) -> list[str]:
    """Return a line about the null words, and one about the columns that the field plan does not use."""
    lines = []
    if report.cells_null:
        columns = ", ".join(
            f"{column} {count:,}" for column, count in report.cells_null.most_common(_MAX_COLUMNS)
        )
        more = ", ..." if len(report.cells_null) > _MAX_COLUMNS else ""
        lines.append(
            f"cells with a word for an empty cell (`null` in the field plan), by column: {columns}{more}"
        )
    unused = report.unused_columns
    if unused.cells:
        columns = ", ".join(
            f"{column} ({count:,} cells: {unused.reason(column)})"
            for column, count in unused.cells.most_common()
        )
        lines.append(f"columns that the field plan does not use: {columns}; to use one, {_USE_COLUMN}")
    return lines


def _weights_line(learned: Mapping[str, Any]) -> str:
    weights = ", ".join(f"{name} {weight:g}" for name, weight in learned["weights"].items() if weight)
    mrr = ", ".join(f"{name} {value:.3f}" for name, value in learned["mrr"].items())
    return f"sub-query weights, learned from {learned['queries']} known-item queries: {weights} (MRR: {mrr})"


def _floors_line(learned: Mapping[str, Mapping[str, float]]) -> str:
    floors = ", ".join(
        f"{name} {floor['cosine']:g} (kept: {100 * floor['kept']:.0f} % of queries that fit, "
        f"rejected: {100 * floor['rejected']:.0f} % of nonsense)"
        for name, floor in learned.items()
    )
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
        (report.texts_unsupported, "texts without vector: language not supported by the text encoder"),
        (report.images_failed, "images that could not be fetched or read; their products are indexed"),
    ]
