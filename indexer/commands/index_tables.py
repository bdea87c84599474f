"""The report of a load as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from indexer.load.report import Report
from opensearch.index.spaces import IMAGE, SPACES, TEXT

_SHOWN = 8  # columns with dropped cells that are listed


def report_table(report: Report, alias: str) -> None:
    """Write the report to stderr: one line a count, those that are zero and say nothing left out."""
    console = Console(stderr=True, highlight=False)
    table = Table(title=f"{alias}: {report.index}", title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for count, meaning, always in _lines(report):
        if count or always:
            table.add_row(f"{count:,}", meaning)
    console.print(table)
    console.print(f"{report.seconds:.1f} s, {report.rows_per_second:.0f} rows/s", markup=False)
    for column, dropped in report.cells_dropped.most_common(_SHOWN):
        console.print(f"column {column}: {dropped} cells left out ({report.examples[column]})", markup=False)
    if report.weights:
        console.print(_weights(report.weights), markup=False)
    for note in report.notes:
        console.print(note, markup=False)
    if report.rejected_file:
        console.print(f"what failed and why is in {report.rejected_file}", markup=False)
    if report.stopped:
        console.print(f"error: {report.stopped}", markup=False)


def _weights(learned: Mapping[str, Any]) -> str:
    legs = ", ".join(f"{leg} {share:g}" for leg, share in learned["weights"].items() if share)
    found = ", ".join(f"{name} {value:.3f}" for name, value in learned["mrr"].items())
    return f"weights of the legs, learned from {learned['queries']} known items: {legs} (reciprocal rank: {found})"


def _lines(report: Report) -> list[tuple[int, str, bool]]:
    return [
        (report.read, "rows read", True),
        (report.indexed, "products indexed for the first time", True),
        (report.updated, "updated", True),
        (report.unchanged, "unchanged, nothing written", True),
        (report.rejected, "rejected: the row is no product", True),
        (report.failed, "refused by the engine", False),
        (report.deleted, "deleted, no longer in the catalogue", False),
        (report.orphaned, "no longer in the catalogue, kept (--sync deletes them)", False),
        *((report.embedded[space], f"{space} vectors computed", space in (TEXT, IMAGE)) for space in SPACES),
        *((report.cached[space], f"{space} vectors from the cache", False) for space in SPACES),
        (report.texts_foreign, "texts in a language that the text encoder does not know: words only", False),
        (report.pictures_failed, "pictures that could not be had or read; their products are indexed", False),
    ]
