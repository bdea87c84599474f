"""The option that says where image paths of a catalogue lie, for the commands that read images."""

from __future__ import annotations

from urllib.parse import urlsplit

import click


def _checked(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        valid = value is None or (urlsplit(value).scheme in ("http", "https") and urlsplit(value).hostname)
    except ValueError:
        valid = False
    if not valid:
        raise click.BadParameter(f"{value!r} is not a URL; write it as https://shop.example")
    return value


image_base = click.option(
    "--image-base",
    metavar="URL",
    callback=_checked,
    help="Address of the shop, put before image paths of which the catalogue's folder has no file.",
)
