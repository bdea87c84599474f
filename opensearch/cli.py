"""The commands that concern the engine itself: `vitrine node`."""

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
    from .distribution import Arrived

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
        from . import container

        click.echo(container.up(port, heap, say=lambda line: click.echo(line, err=True)))
        return
    from .distribution import missing_bytes
    from .local import LocalNode, default_root
    from .record import read_record, starting

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
        from . import container

        click.echo("stopped" if container.down() else "no container runs")
        return
    from .local import default_root
    from .record import stop_recorded

    root = (root or default_root()).absolute()
    click.echo("stopped" if stop_recorded(root) else f"no node runs in {root}")


@node.command()
@_directory
@_docker
@options.as_json
def status(root: Path | None, docker: bool, as_json: bool) -> None:
    """Tell whether the node runs, where and how; exit status 1 when it does not."""
    if docker:
        from . import container

        facts = container.status()
    else:
        from .local import default_root
        from .record import describe

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

    from .pinned import VERSION

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"fetching OpenSearch {VERSION}, once", total=total)

        def arrived(count: int) -> None:
            bar.advance(task, count)
            if bar.finished:
                bar.stop()

        yield arrived
