"""Command-line options that several commands share, each with its environment variable."""

from __future__ import annotations

import click

url = click.option(
    "--url",
    envvar="OPENSEARCH_URL",
    show_envvar=True,
    default="http://127.0.0.1:9200",
    show_default=True,
    help="OpenSearch; OPENSEARCH_USER, OPENSEARCH_PASSWORD and OPENSEARCH_CA are read too.",
)
index = click.option(
    "--index",
    "alias",
    envvar="VITRINE_INDEX",
    show_envvar=True,
    default="products",
    show_default=True,
    help="The alias of the product index.",
)
store = click.option(
    "--store",
    envvar="VITRINE_STORE",
    show_envvar=True,
    default=None,
    help="Folder or fsspec URL of the artifacts (default: a folder in the user's data directory).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Machine-readable output on stdout.")
