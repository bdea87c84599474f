"""The commands of `vitrine model`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from opensearch import options

if TYPE_CHECKING:
    from rerank.training.release import Release


@click.group()
def model() -> None:
    """The rerankers of an alias: list, use, rollback, and the likely audience of a product."""


@model.command("list")
@options.index
@options.url
@options.store
@options.as_json
def list_models(alias: str, url: str, store: str | None, as_json: bool) -> None:
    """List every model that was in service, newest first, with its figures on held-out searches.

    Models that training set aside come last, each with the reason; `vitrine model use` puts one in service.
    """
    from opensearch.client import connect
    from rerank.training.release import releases
    from vitrine.store import open_store

    models = releases(connect(url), open_store(store), alias)
    if as_json:
        click.echo(json.dumps([release.to_dict() for release in models], ensure_ascii=False))
    elif not models:
        click.echo(f"No model for {alias} yet: run `vitrine train`.")
    else:
        _print_models(models)


def _print_models(models: list[Release]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for head in ("", "model", "since", "index", "without position bias", "engine order"):
        table.add_column(head, no_wrap=head == "model")
    for release in models:
        values = release.to_dict()
        rows = (values["comparison"] or {}).get("rows") or [{}]
        figures = [f"{row['unbiased']['mean']:.3f}" if row else "-" for row in (rows[-1], rows[0])]
        status = "in service" if release.current else "set aside" if release.aside else ""
        index = values["index"] or "not in the store"
        table.add_row(status, values["model"], values["since"], index, *figures)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    for release in models:
        if release.aside:
            click.echo(f"{release.pointer.model} was set aside: {release.aside}")


@model.command()
@click.argument("name")
@options.index
@options.url
@options.store
def use(name: str, alias: str, url: str, store: str | None) -> None:
    """Put a model of the list in service."""
    from opensearch.client import connect
    from rerank.training.release import use_model
    from vitrine.store import open_store

    pointer = use_model(connect(url), open_store(store), alias, name)
    click.echo(f"{alias} is now ranked by {pointer.model}.")


@model.command()
@options.index
@options.url
@options.store
def rollback(alias: str, url: str, store: str | None) -> None:
    """Put the model before the current one in service; run again to go one further back."""
    from opensearch.client import connect
    from rerank.training import release
    from vitrine.store import open_store

    pointer = release.roll_back_model(connect(url), open_store(store), alias)
    click.echo(f"{alias} is now ranked by {pointer.model}.")


@model.command()
@click.argument("product")
@options.index
@click.option(
    "--top", type=click.IntRange(1, 100), default=10, show_default=True, help="Values that are shown."
)
@options.url
@options.store
@options.as_json
def audience(product: str, alias: str, top: int, url: str, store: str | None, as_json: bool) -> None:
    """Show what sets the shoppers apart for whom the model in service ranks PRODUCT highest.

    The shoppers are a tenth of those with clicks; a line names a value of a column, and the share of their clicks, and of
    those of all shoppers, that are on products with it.
    """
    from opensearch.client import connect
    from rerank.audience import read_audience
    from rerank.serving_context import open_context
    from vitrine.errors import ArtifactError
    from vitrine.store import open_store

    client = connect(url)
    context = open_context(client, open_store(store), alias)
    if context.ranker is None:
        raise ArtifactError(context.degraded or f"no model for alias {alias} yet: run `vitrine train`")
    found = read_audience(client, alias, context.ranker, product)
    if as_json:
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    click.echo(f"{found.audience} of {found.shoppers} shoppers, for whom {product} stands out most:")
    for one in found.affinities[:top]:
        click.echo(
            f"  {one.column} {one.value}: {one.audience:.0%} of their clicks, {one.everyone:.0%} of all shoppers'"
        )
    if not found.affinities:
        click.echo("  no value of a column sets their clicks apart.")
