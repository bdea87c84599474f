"""The command group `vitrine encoder`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensearch import options
from vitrine import settings

from . import image_options

if TYPE_CHECKING:
    from encoders.training.schedule import TowerSettings


@click.group()
def encoder() -> None:
    """Train an image tower on a catalogue; quantize a text encoder."""


@encoder.command()
@click.argument("catalogue", type=click.Path(path_type=Path))
@click.option(
    "--fields",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The field plan, a TOML file (default: inferred). Its keyword columns become classification targets.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the trained tower.",
)
@click.option(
    "--epochs", type=click.IntRange(1), default=40, show_default=True, help="Passes over the images."
)
@click.option("--minutes", type=click.FloatRange(0.05), help="Train for this long instead of for --epochs.")
@click.option(
    "--size",
    type=click.IntRange(32, 512),
    default=96,
    show_default=True,
    help="Side of the images in pixels.",
)
@click.option(
    "--arch", default="resnet10t", show_default=True, help="Any timm architecture, from random weights."
)
@click.option(
    "--init", metavar="MODEL/PRETRAINED", help="Start from this open_clip checkpoint (needs a hub)."
)
@click.option(
    "--batch", type=click.IntRange(8), help="Images a step (default: by the size of the catalogue)."
)
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), default=2e-3, show_default=True, help="Learning rate."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of weights, order and augmentation.")
@click.option(
    "--text-encoder",
    envvar=settings.VITRINE_TEXT_ENCODER.name,
    show_envvar=True,
    metavar="NAME|DIR",
    help="Text encoder whose vectors are the targets (default: the packaged MiniLM).",
)
@image_options.image_base
@click.option("--resume", is_flag=True, help="Continue the unfinished run in --out.")
@options.store
@options.as_json
def train(
    catalogue: Path, out: Path, resume: bool, store: str | None, as_json: bool, **training: Any
) -> None:
    """Train an image tower whose vectors can be searched with the text encoder's vectors of words.

    CATALOGUE is a JSONL, CSV or Parquet file whose products have images.
    """
    from .encoder_tables import print_metrics
    from .encoder_training import run_training

    fields = training.pop("fields")
    named = {name: training.pop(name) for name in ("text_encoder", "image_base")}
    result = run_training(catalogue, fields, out, _settings(training), store=store, resume=resume, **named)
    if as_json:
        click.echo(json.dumps(result))
    else:
        print_metrics(result)


def _settings(options: dict[str, Any]) -> TowerSettings:
    from encoders.training.schedule import TowerSettings

    return TowerSettings(**options)


@encoder.command()
@click.argument("name")
@options.store
def quantize(name: str, store: str | None) -> None:
    """Store the 8-bit form of the text encoder artifact NAME, for faster queries, and print its name."""
    from encoders.onnx.quantize import quantize as quantize_encoder
    from vitrine.store import open_store

    click.echo(quantize_encoder(open_store(store), name))
