"""Command-line options that several commands share, each with its environment variable."""

from __future__ import annotations

import click

from vitrine import settings

url = click.option(
    "--url",
    envvar=settings.OPENSEARCH_URL.name,
    show_envvar=True,
    default=settings.OPENSEARCH_URL.default,
    show_default=True,
    help="URL of OpenSearch; OPENSEARCH_USER, OPENSEARCH_PASSWORD and OPENSEARCH_CA are read too.",
)
index = click.option(
    "--index",
    "alias",
    envvar=settings.VITRINE_INDEX.name,
    show_envvar=True,
    default=settings.VITRINE_INDEX.default,
    show_default=True,
    help="The alias of the product index.",
)
store = click.option(
    "--store",
    envvar=settings.VITRINE_STORE.name,
    show_envvar=True,
    default=settings.VITRINE_STORE.default,
    help="Folder or fsspec URL of the artifacts (default: a folder in the user's data directory).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Write machine-readable output to stdout.")
wait = click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Wait so long for another run that is changing the alias, instead of stopping at once.",
)
