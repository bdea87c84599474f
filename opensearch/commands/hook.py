"""The commands `vitrine hook install`, `remove` and `status`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from opensearch import options
from vitrine import settings

from .values import plain


@click.group()
def hook() -> None:
    """Rerank inside the engine, through a search pipeline that calls the rerank service."""


@hook.command()
@options.url
@options.index
@click.option(
    "--service",
    envvar=settings.VITRINE_SERVICE.name,
    show_envvar=True,
    default=settings.VITRINE_SERVICE.default,
    show_default=True,
    help="URL of the rerank service, as the engine's nodes reach it.",
)
@click.option(
    "--key",
    envvar=settings.VITRINE_API_KEY.name,
    show_envvar=True,
    default=settings.VITRINE_API_KEY.default,
    help="Bearer token that the engine sends to the service.",
)
@click.option("--default", is_flag=True, help="Rerank every search of the index that names no pipeline.")
@options.as_json
def install(url: str, alias: str, service: str, key: str, default: bool, as_json: bool) -> None:
    """Install the search pipeline that reranks.

    OpenSearch's own `_search` then returns reranked hits. A second installation replaces the first.
    """
    from opensearch.client import connect
    from opensearch.hook.install import SORTED_SEARCHES, install_hook

    installed = install_hook(connect(url), alias, service, key, default=default)
    for message in installed.messages:
        click.echo(message, err=True)
    if as_json:
        click.echo(json.dumps(asdict(installed)))
        return
    usage = "is the default of the index" if default else f"search with ?search_pipeline={installed.pipeline}"
    click.echo(f"pipeline {installed.pipeline} calls {service}/v1/hook/{alias}: {usage}")
    click.echo(SORTED_SEARCHES)


@hook.command()
@options.url
@options.index
def remove(url: str, alias: str) -> None:
    """Remove the search pipeline and its model.

    Searches then return the engine's order again.
    """
    from opensearch.client import connect
    from opensearch.hook.install import remove_hook

    removed = remove_hook(connect(url), alias)
    click.echo("removed " + ", ".join(removed) if removed else f"there is no hook of {alias}")


@hook.command()
@options.url
@options.index
@options.as_json
def status(url: str, alias: str, as_json: bool) -> None:
    """Show whether the hook works.

    Prints the installed pipelines and model, and calls the service once through the engine. Exit status 1 when the
    service does not answer.
    """
    from opensearch.client import connect
    from opensearch.hook.install import SORTED_SEARCHES, hook_status

    current = hook_status(connect(url), alias)
    if as_json:
        click.echo(json.dumps(asdict(current)))
    else:
        for name, value in asdict(current).items():
            if name not in ("messages", "reasons"):
                click.echo(f"{name:<10} {plain(value)}")
        for reason in current.reasons:
            click.echo(f"{'refused':<10} {reason}")
        if current.failures and not current.reasons:
            click.echo(
                f"{'refused':<10} none since the service started: the failures are searches without `ext.rerank`, or "
                "calls that the service did not answer in time"
            )
        if current.installed:
            click.echo(f"{'sorting':<10} {SORTED_SEARCHES}")
        for message in current.messages:
            click.echo(message, err=True)
    if not current.answers:
        sys.exit(1)
