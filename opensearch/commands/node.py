"""The commands `vitrine node up`, `down` and `status`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensearch import options
from vitrine import settings

from .values import plain

if TYPE_CHECKING:
    from opensearch.node.fetch import ProgressCallback

_directory = click.option(
    "--dir",
    "root",
    envvar=settings.VITRINE_NODE_DIR.name,
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    default=settings.VITRINE_NODE_DIR.default,
    help="The node's own directory (default: in the user's data directory; for root /var/lib/vitrine/node).",
)
_docker = click.option(
    "--docker", is_flag=True, help="Run the official image in a Docker engine instead of a process."
)


@click.group()
def node() -> None:
    """Run OpenSearch on this machine, as a process or (--docker) as a container."""


@node.command()
@click.option("--port", default=settings.ENGINE_PORT, show_default=True, help="HTTP port on 127.0.0.1.")
@click.option(
    "--transport-port",
    default=settings.NODE_TRANSPORT_PORT,
    show_default=True,
    help="Port between nodes, on 127.0.0.1.",
)
@click.option("--heap", default="1g", show_default=True, help="Java heap, such as 512m or 2g.")
@_directory
@_docker
def up(port: int, transport_port: int, heap: str, root: Path | None, docker: bool) -> None:
    """Start OpenSearch and wait until it is ready.

    The first start downloads it (about 600 MB).
    """
    if docker:
        from opensearch.node import container

        click.echo(container.up(port, heap, on_message=lambda line: click.echo(line, err=True)))
        return
    from opensearch.node.distribution import missing_bytes
    from opensearch.node.local import LocalNode
    from opensearch.node.node_state import read_record, starting

    local = LocalNode(root or settings.node_directory(), port, transport_port, heap, keep=True)
    if read_record(local.root, alive=True) is None:
        local.check_directory()
    with starting(local.root) as running:
        if running is not None:
            click.echo(f"OpenSearch {running.version} already runs at {running.url} (process {running.pid})")
            return
        with _download_progress(missing_bytes(local.cache)) as on_progress:
            local.up(on_progress)
    pid = local.process.pid if local.process else 0
    click.echo(f"OpenSearch is ready at {local.url} (process {pid}, after {local.took_s:.1f} s)")
    if port != settings.ENGINE_PORT:
        click.echo(f"the other commands find it with: export OPENSEARCH_URL={local.url}", err=True)


@node.command()
@_directory
@_docker
def down(root: Path | None, docker: bool) -> None:
    """Stop the node; its data stay."""
    if docker:
        from opensearch.node import container

        click.echo("stopped" if container.down() else "no container runs")
        return
    from opensearch.node.node_state import stop_recorded

    root = (root or settings.node_directory()).absolute()
    click.echo("stopped" if stop_recorded(root) else f"no node runs in {root}")


@node.command()
@_directory
@_docker
@options.as_json
def status(root: Path | None, docker: bool, as_json: bool) -> None:
    """Show whether the node runs, and where.

    Exit status 1 when it does not run.
    """
    if docker:
        from opensearch.node import container

        facts = container.status()
    else:
        from opensearch.node.node_state import describe

        facts = describe((root or settings.node_directory()).absolute())
    if as_json:
        click.echo(json.dumps(facts))
    elif facts["running"]:
        for name, value in facts.items():
            click.echo(f"{name.replace('_', ' '):<11} {plain(value)}")
    else:
        click.echo(facts["why"])
    if not facts["running"]:
        sys.exit(1)


@contextmanager
def _download_progress(total: int) -> Iterator[ProgressCallback | None]:
    """Show a bar on stderr for `total` bytes; None, and no bar, when nothing has to be downloaded."""
    if not total:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from opensearch.node.pinned import VERSION

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"downloading OpenSearch {VERSION}, once", total=total)

        def on_progress(count: int) -> None:
            bar.advance(task, count)
            if bar.finished:
                bar.stop()

        yield on_progress
