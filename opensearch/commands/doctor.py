"""The command `vitrine doctor`: run every check and print the findings."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from opensearch import options

if TYPE_CHECKING:
    from vitrine.doctor import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@options.url
@options.index
@options.store
@options.as_json
def doctor(url: str, alias: str, store: str | None, as_json: bool) -> None:
    """Check cluster, index and search pipelines; exit status 1 when a check fails."""
    from dataclasses import asdict

    from opensearch.client import connect, explained
    from vitrine.doctor import Context, examine
    from vitrine.store import open_store

    client = connect(url)
    with explained(client):
        client.info()  # an engine that does not answer is an error of the command, not a finding
    findings = list(examine(Context(client, alias, open_store(store))))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        _show(findings)
    if any(finding.level == "fail" for finding in findings):
        sys.exit(1)


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("", "subject", "result", "advice"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        level = f"[{_COLOURS[finding.level]}]{finding.level}[/]"
        table.add_row(level, *map(escape, (finding.subject, finding.result, finding.advice)))
    Console().print(table)
    count = {level: sum(finding.level == level for finding in findings) for level in _COLOURS}
    click.echo(f"{count['ok']} ok, {count['warn']} warnings, {count['fail']} failed")
