"""The encoders of `vitrine index` by vector space: those that the options name, else those of the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import click

from encoders.card import TextCard, require_card
from encoders.onnx.packed_e5 import is_installed
from encoders.text import TextSettings, open_text_encoder
from indexer.load.encoders import Encoder
from opensearch.index.fields import IndexSchema
from opensearch.index.spaces import IMAGE, SPACES, TEXT
from vitrine.errors import EncoderError
from vitrine.store import Store

from .text_encoder_choice import choose_text_encoder


def _open_text(name: str, store: Store) -> Encoder:
    return open_text_encoder(name, store)


def _open_image(name: str, store: Store) -> Encoder:
    from encoders.image import open_image_encoder

    return open_image_encoder(name, store)


AUTO = "auto"  # of the option for the text encoder: by the catalogue's languages, whatever the index has

# How the encoder of a space is opened by name; a space that is not here has a text encoder.
OPENERS: dict[str, Callable[[str, Store], Encoder]] = {IMAGE: _open_image}


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


def encoder_names(
    names: Mapping[str, str | None], recorded: IndexSchema | None, languages: Callable[[], Sequence[str]]
) -> dict[str, str]:
    """Return the encoder's name of each space that gets one: of the options, else of the index.

    A new index without any name for its texts, and one whose option is `AUTO`, get the packaged encoder that knows the
    catalogue's languages, and a sentence on stderr says which.
    """
    chosen: dict[str, str] = {}
    for space in SPACES:
        name = names.get(space)
        field = recorded.vectors.get(space) if recorded else None
        if name is None and field:
            name = field.encoder
        if space == TEXT and (name == AUTO or (name is None and recorded is None)):
            choice = choose_text_encoder(languages(), is_installed())
            click.echo(choice.sentence, err=True)
            name = choice.name
        if name not in (None, "none"):
            chosen[space] = str(name)
    return chosen


def open_encoders(
    names: Mapping[str, str], recorded: IndexSchema | None, store: Store, text: TextSettings
) -> dict[str, Encoder]:
    """Return the encoder of each named space; `text` are the options of the text encoder.

    Raises EncoderError when the store lacks the encoder of the index.
    """
    encoders: dict[str, Encoder] = {}
    for space, name in names.items():
        field = recorded.vectors.get(space) if recorded else None
        if field and field.encoder == name:
            _require(store, name)
        if space == TEXT:
            encoders[space] = open_text_encoder(name, store, text)
            _show_prompts(encoders[space].name, store)
        else:
            encoders[space] = OPENERS.get(space, _open_text)(name, store)
    return encoders


def _show_prompts(name: str, store: Store) -> None:
    """Write the prompts of a text encoder that has any to stderr: a wrong one costs much and shows nowhere."""
    card = require_card(store.get("encoders", name), name, TextCard)
    if card.query_prompt or card.document_prompt:
        click.echo(
            f"text encoder {name}: queries are embedded after {card.query_prompt!r}, products after "
            f"{card.document_prompt!r} (--query-prompt, --document-prompt)",
            err=True,
        )


def _require(store: Store, name: str) -> None:
    if not store.has("encoders", name):
        raise EncoderError(
            f"the index was created with encoder {name}, which is not in the store {store.url}; name the store that"
            " has it with --store, or name an encoder and --rebuild"
        )
