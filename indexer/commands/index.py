"""The commands `vitrine index` and `vitrine delete`."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from indexer.catalogue.shapes.shape import NO_SHAPE, SHAPES
from opensearch import options
from vitrine import settings
from vitrine.help_sections import SectionedCommand

from . import image_options

_FILE = click.Path(dir_okay=False, path_type=Path)
_MAX_LISTED_IDS = 20


@dataclass(frozen=True)
class IndexOptions:
    """The options of `vitrine index`."""

    catalogue: Path | None
    fields: Path | None
    alias: str
    url: str
    store: str | None
    text_encoder: str | None
    query_prompt: str | None
    document_prompt: str | None
    dimension: int | None
    trust_remote_code: bool
    image_encoder: str | None
    encoder: tuple[str, ...]
    source: str | None
    join: tuple[Path, ...]
    on: tuple[str, ...]
    rebuild: bool
    rollback: bool
    learn_weights: bool
    synonyms: Path | None
    sync: bool
    yes: bool
    wait_s: float
    print_plan: bool
    encoding: str | None
    shape: str | None
    rejected: Path | None
    image_base: str | None
    allow_private_urls: bool
    refetch: bool
    shards: int
    replicas: int
    as_json: bool


def _as_index_options(command: Callable[[IndexOptions], None]) -> Callable[..., None]:
    """Collect click's keyword arguments in one IndexOptions."""

    @functools.wraps(command)
    def call(**values: Any) -> None:
        command(IndexOptions(**values))

    return call


# the sections of `vitrine index --help`, by the parameters' names
_SECTIONS = {
    "What is loaded": ("source", "fields", "shape", "encoding", "join", "on", "print_plan"),
    "Where to": (
        "alias",
        "url",
        "store",
        "rebuild",
        "rollback",
        "sync",
        "yes",
        "wait_s",
        "shards",
        "replicas",
    ),
    "Encoders": (
        "text_encoder",
        "image_encoder",
        "encoder",
        "query_prompt",
        "document_prompt",
        "dimension",
        "trust_remote_code",
    ),
    "Images": ("image_base", "allow_private_urls", "refetch"),
    "Search": ("synonyms", "learn_weights"),
    "Output": ("rejected", "as_json"),
}


@click.command(cls=SectionedCommand, sections=_SECTIONS)
@click.argument("catalogue", required=False, type=click.Path(path_type=Path))
@click.option(
    "--fields", type=_FILE, help="Field plan, a TOML file (default: that of the index, else inferred)."
)
@options.index
@options.url
@options.store
@click.option(
    "--text-encoder",
    envvar=settings.VITRINE_TEXT_ENCODER.name,
    show_envvar=True,
    metavar="NAME|DIR|auto|none",
    help="minilm, multilingual, a sentence-transformers name or directory, an artifact also of `vitrine encoder "
    "quantize`, or auto: by the catalogue's languages (default: that of the index, else auto).",
)
@click.option(
    "--query-prompt", metavar="TEXT", help="Words before each query (default: as the text encoder has them)."
)
@click.option(
    "--document-prompt",
    metavar="TEXT",
    help="Words before each product's text (default: as the text encoder has them).",
)
@click.option(
    "--dimension",
    type=click.IntRange(1),
    help="Keep this many first values of a text vector; for encoders trained for it (Matryoshka).",
)
@click.option(
    "--trust-remote-code",
    is_flag=True,
    help="Run Python code that the text encoder brings, once, to export it.",
)
@click.option(
    "--image-encoder",
    envvar=settings.VITRINE_IMAGE_ENCODER.name,
    show_envvar=True,
    metavar="NAME|DIR|none",
    help="open_clip name, directory of a trained tower, or an artifact (default: that of the index, else none).",
)
@click.option(
    "--encoder",
    multiple=True,
    metavar="SPACE=NAME",
    help="Encoder of a further vector space, whose columns [fields.vectors] names; can be given several times.",
)
@click.option(
    "--from",
    "source",
    metavar="INDEX",
    help="Index the documents of this index instead of a CATALOGUE; the index itself is not changed.",
)
@click.option(
    "--join",
    type=_FILE,
    multiple=True,
    help="File whose columns are added to the products, such as market prices; without CATALOGUE only these columns are "
    "refreshed, and nothing is embedded. Can be given several times.",
)
@click.option(
    "--on",
    multiple=True,
    metavar="COLUMN|COLUMN=FILE_COLUMN",
    help="Key of the products in the catalogue and in the file of --join.",
)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Load a new version beside the one in service; the alias moves when the load is complete.",
)
@click.option("--rollback", is_flag=True, help="Put the previous version back in service and exit.")
@click.option(
    "--learn-weights/--no-learn-weights",
    default=True,
    show_default=True,
    help="Learn the sub-query weights from the products of a new version before it goes into service.",
)
@click.option(
    "--synonyms",
    type=_FILE,
    help="Synonym rules such as `sofa, couch` or `tv => television`, one per line; also without CATALOGUE.",
)
@click.option(
    "--sync",
    is_flag=True,
    help="Delete products that are no longer in the catalogue; in a refresh by --join alone, values without a row.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Let --sync or --rebuild drop more than a fifth of the products in service.",
)
@options.wait
@click.option("--print-plan", is_flag=True, help="Write the inferred field plan to stdout as TOML and exit.")
@click.option(
    "--encoding", help="Encoding of a text catalogue that is not UTF-8, such as latin-1 or gb18030."
)
@click.option(
    "--shape",
    type=click.Choice([*SHAPES, NO_SHAPE]),
    help="Export of a shop system (default: by the columns); none: every row is a product as it is.",
)
@click.option(
    "--rejected",
    type=_FILE,
    help="File for rejected rows and images with reasons (default: CATALOGUE.rejected.jsonl).",
)
@image_options.image_base
@click.option("--allow-private-urls", is_flag=True, help="Also fetch images from private addresses.")
@click.option("--refetch", is_flag=True, help="Fetch image URLs again that are in the index already.")
@click.option(
    "--shards", default=1, show_default=True, type=click.IntRange(1), help="Shards of a new version."
)
@click.option(
    "--replicas", default=0, show_default=True, type=click.IntRange(0), help="Replicas of a new version."
)
@options.as_json
@_as_index_options
def index(index_options: IndexOptions) -> None:
    """Index CATALOGUE in bulk behind an alias: CSV, TSV, JSON of every layout, XML, xlsx or Parquet, also packed.

    The exports of Shopify, WooCommerce, Magento and Google Merchant are recognized: docs/catalogues.md.

    A second run writes only what changed. Rejected rows and images are written to a file with their reasons. The exit
    status is 1 when a row was rejected, products that are gone were kept, or the new version is not in service, and 2 when
    another run is changing the alias.
    """
    from .index_run import run

    sys.exit(run(index_options))


@click.command()
@click.argument("ids", nargs=-1)
@click.option(
    "--ids-file", type=click.File("r", encoding="utf-8"), help="File with one id per line; - is stdin."
)
@options.index
@options.url
@options.wait
@options.as_json
def delete(
    ids: tuple[str, ...], ids_file: TextIO | None, alias: str, url: str, wait_s: float, as_json: bool
) -> None:
    """Delete products from an index by id."""
    all_ids = [*ids, *(line.strip() for line in ids_file or () if line.strip())]
    if not all_ids:
        raise click.UsageError("name the ids to delete, or a file of them with --ids-file")
    from opensearch.alias_lock import alias_lock
    from opensearch.client import connect
    from opensearch.index.bulk import Action, write
    from opensearch.index.versions import mend, refresh, require_current

    client = connect(url)
    with alias_lock(client, alias, "vitrine delete", wait_s=wait_s):
        if mended := mend(client, alias):
            click.echo(mended, err=True)
        target = require_current(client, alias)
        outcomes = list(write(client, target, (Action("delete", id) for id in dict.fromkeys(all_ids))))
        refresh(client, target)
    failed = {outcome.id: outcome.reason for outcome in outcomes if outcome.status == "failed"}
    missing = sorted(outcome.id for outcome in outcomes if outcome.status == "noop")
    deleted = sum(outcome.status == "deleted" for outcome in outcomes)
    if as_json:
        click.echo(json.dumps({"index": target, "deleted": deleted, "missing": missing, "failed": failed}))
    else:
        click.echo(f"deleted {deleted} products from {alias}{_not_in_index(missing)}")
        for id, reason in failed.items():
            click.echo(f"{id} was not deleted: {reason}", err=True)
    sys.exit(1 if failed else 0)


def _not_in_index(missing: list[str]) -> str:
    if not missing:
        return ""
    more = ", ..." if len(missing) > _MAX_LISTED_IDS else ""
    return f"; not in the index: {', '.join(missing[:_MAX_LISTED_IDS])}{more}"
