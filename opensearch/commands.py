"""The commands that concern the engine itself: `vitrine node`, `vitrine hook` and `vitrine doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from opensearch.checks.findings import Finding
    from opensearch.node.distribution import Arrived

_directory = click.option(
    "--dir",
    "root",
    envvar="VITRINE_NODE_DIR",
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="The node's own directory (default: in the user's data directory; for root /var/lib/vitrine/node).",
)
_docker = click.option(
    "--docker", is_flag=True, help="The official image through a Docker engine instead of a process."
)


@click.group()
def node() -> None:
    """A real OpenSearch on this machine, without Docker (or with: --docker)."""


@node.command()
@click.option("--port", default=9200, show_default=True, help="HTTP port on 127.0.0.1.")
@click.option("--transport-port", default=9300, show_default=True, help="Port between nodes, on 127.0.0.1.")
@click.option("--heap", default="1g", show_default=True, help="Java heap, such as 512m or 2g.")
@_directory
@_docker
def up(port: int, transport_port: int, heap: str, root: Path | None, docker: bool) -> None:
    """Fetch OpenSearch once, start it, and return when it is ready."""
    if docker:
        from opensearch.node import container

        click.echo(container.up(port, heap, say=lambda line: click.echo(line, err=True)))
        return
    from opensearch.node.distribution import missing_bytes
    from opensearch.node.local import LocalNode, default_root
    from opensearch.node.node_state import read_record, starting

    started = LocalNode(root or default_root(), port, transport_port, heap, keep=True)
    if read_record(started.root, alive=True) is None:
        started.check_directory()
    with starting(started.root) as running:
        if running is not None:
            click.echo(f"OpenSearch {running.version} already runs at {running.url} (process {running.pid})")
            return
        with _fetching(missing_bytes(started.cache)) as arrived:
            started.up(arrived)
    pid = started.process.pid if started.process else 0
    click.echo(f"OpenSearch is ready at {started.url} (process {pid}, after {started.took_s:.1f} s)")
    if port != 9200:  # where the other commands look by themselves
        click.echo(f"the other commands find it with: export OPENSEARCH_URL={started.url}", err=True)


@node.command()
@_directory
@_docker
def down(root: Path | None, docker: bool) -> None:
    """Stop the node; its data stay."""
    if docker:
        from opensearch.node import container

        click.echo("stopped" if container.down() else "no container runs")
        return
    from opensearch.node.local import default_root
    from opensearch.node.node_state import stop_recorded

    root = (root or default_root()).absolute()
    click.echo("stopped" if stop_recorded(root) else f"no node runs in {root}")


@node.command()
@_directory
@_docker
@options.as_json
def status(root: Path | None, docker: bool, as_json: bool) -> None:
    """Tell whether the node runs, where and how; exit status 1 when it does not."""
    if docker:
        from opensearch.node import container

        facts = container.status()
    else:
        from opensearch.node.local import default_root
        from opensearch.node.node_state import describe

        facts = describe((root or default_root()).absolute())
    if as_json:
        click.echo(json.dumps(facts))
    elif facts["running"]:
        for name, value in facts.items():
            click.echo(f"{name.replace('_', ' '):<11} {_plain(value)}")
    else:
        click.echo(facts["why"])
    if not facts["running"]:
        sys.exit(1)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


@contextmanager
def _fetching(total: int) -> Iterator[Arrived | None]:
    """Show a bar on stderr until `total` bytes have come; nothing when nothing has to be fetched."""
    if not total:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from opensearch.node.pinned import VERSION

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"fetching OpenSearch {VERSION}, once", total=total)

        def arrived(count: int) -> None:
            bar.advance(task, count)
            if bar.finished:
                bar.stop()

        yield arrived


@click.group()
def hook() -> None:
    """The engine's own search pipeline that asks the rerank service."""


@hook.command()
@options.url
@options.index
@click.option(
    "--service",
    envvar="VITRINE_SERVICE",
    show_envvar=True,
    default="http://127.0.0.1:8060",
    show_default=True,
    help="The rerank service, as the engine's nodes reach it.",
)
@click.option(
    "--key",
    envvar="VITRINE_API_KEY",
    show_envvar=True,
    default="",
    help="Sent to the service as bearer token.",
)
@click.option("--default", is_flag=True, help="Rerank every search of the index that names no pipeline.")
@options.as_json
def install(url: str, alias: str, service: str, key: str, default: bool, as_json: bool) -> None:
    """Let OpenSearch's own `_search` give reranked hits; a second run replaces the first."""
    from dataclasses import asdict

    from opensearch.hook.install import install_hook

    from .client import connect

    made = install_hook(connect(url), alias, service, key, default=default)
    for line in made.told:
        click.echo(line, err=True)
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    named = "is the default of the index" if default else f"search with ?search_pipeline={made.pipeline}"
    click.echo(f"pipeline {made.pipeline} calls {service}/v1/hook/{alias}: {named}")


@hook.command()
@options.url
@options.index
def remove(url: str, alias: str) -> None:
    """Take pipeline and model out of the engine; searches are answered in its own order again."""
    from opensearch.hook.install import remove_hook

    from .client import connect

    removed = remove_hook(connect(url), alias)
    click.echo("removed " + ", ".join(removed) if removed else f"there is no hook of {alias}")


@hook.command(name="status")
@options.url
@options.index
@options.as_json
def hook_status(url: str, alias: str, as_json: bool) -> None:
    """Tell what of the hook is there and whether the service answers; exit status 1 when it does not."""
    from dataclasses import asdict

    from opensearch.hook import install as installed

    from .client import connect

    found = installed.hook_status(connect(url), alias)
    if as_json:
        click.echo(json.dumps(asdict(found)))
    else:
        for name, value in asdict(found).items():
            if name != "told":
                click.echo(f"{name:<10} {', '.join(value) if isinstance(value, list) else _plain(value)}")
        for line in found.told:
            click.echo(line, err=True)
    if not found.answers:
        sys.exit(1)


@click.command()
@options.url
@options.index
@options.store
@options.as_json
def doctor(url: str, alias: str, store: str | None, as_json: bool) -> None:
    """Check cluster, index and pipelines against the known traps; exit status 1 when something fails."""
    from dataclasses import asdict

    from vitrine.doctor import examine
    from vitrine.store import open_store

    from .client import connect

    findings = examine(connect(url), alias, open_store(store))
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

    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        level = f"[{colours[finding.level]}]{finding.level}[/]"
        table.add_row(level, *map(escape, (finding.subject, finding.found, finding.advice)))
    Console().print(table)
    count = {level: sum(finding.level == level for finding in findings) for level in colours}
    click.echo(f"{count['ok']} well, {count['warn']} to look at, {count['fail']} to mend")
