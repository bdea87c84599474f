"""The encoders of `vitrine index` by vector space: those that the options name, else those of the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import click

from indexer.load.encoders import Encoder
from opensearch.index.fields import IndexSchema
from opensearch.index.spaces import IMAGE, SPACES, TEXT
from vitrine.errors import EncoderError
from vitrine.store import Store


def _open_text(name: str | None, store: Store) -> Encoder:
    from encoders.text import open_text_encoder

    return open_text_encoder(name, store)


def _open_image(name: str | None, store: Store) -> Encoder:
    from encoders.image import open_image_encoder

    return open_image_encoder(str(name), store)


# How the encoder of a space is opened by name; a space that is not here has a text encoder.
OPENERS: dict[str, Callable[[str | None, Store], Encoder]] = {TEXT: _open_text, IMAGE: _open_image}


def parse_encoders(values: Iterable[str]) -> dict[str, str]:
    """Return the encoder names by space that `--encoder SPACE=NAME` gives. Raises click.BadParameter."""
    names: dict[str, str] = {}
    for value in values:
        space, equals, name = value.partition("=")
        if not equals or not name or space not in SPACES:
            raise click.BadParameter(
                f"{value!r} is not SPACE=NAME with one of the vector spaces {', '.join(SPACES)}",
                param_hint="--encoder",
            )
        names[space] = name
    return names


def open_encoders(
    names: Mapping[str, str | None], recorded: IndexSchema | None, store: Store
) -> dict[str, Encoder]:
    """Return the encoder of each space; `none` and a space without any name get none.

    A missing name is that of the index, and for the first text encoder the default one. Raises EncoderError when the
    store lacks the encoder of the index.
    """
    encoders: dict[str, Encoder] = {}
    for space in SPACES:
        name = names.get(space)
        field = recorded.vectors.get(space) if recorded else None
        if name is None and field:
            _require(store, field.encoder)
            name = field.encoder
        default = space == TEXT and recorded is None
        if name != "none" and (name is not None or default):
            encoders[space] = OPENERS.get(space, _open_text)(name, store)
    return encoders


def _require(store: Store, name: str) -> None:
    if not store.has("encoders", name):
        raise EncoderError(
            f"the index was created with encoder {name}, which is not in the store {store.url}; name the store that"
            " has it with --store, or name an encoder and --rebuild"
        )
