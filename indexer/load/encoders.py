"""The encoders of a load by vector space, and the schema that an index records of them.

The image space loads, decodes and embeds several images per product. Every other space has one content per product, a
text (`document.content`), and its encoder has the interface of a text encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from encoders.protocol import ImageEncoder, TextEncoder
from indexer.catalogue.notation.languages import language_name
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.spaces import IMAGE, SPACES, TEXT, space_names
from vitrine.errors import EncoderError

Encoder = TextEncoder | ImageEncoder
Encoders = Mapping[str, Encoder]  # by space


def content_encoders(encoders: Encoders) -> dict[str, TextEncoder]:
    """Return the encoders of the spaces with one content per product, in table order."""
    return {name: cast(TextEncoder, encoders[name]) for name in space_names(encoders) if name != IMAGE}


def image_encoder(encoders: Encoders) -> ImageEncoder | None:
    """Return the encoder of the image space, None without one."""
    encoder = encoders.get(IMAGE)
    return None if encoder is None else cast(ImageEncoder, encoder)


def query_encoder(encoder: Encoder) -> str:
    """Return the name of the encoder that makes the query vectors: its own where it names no other."""
    return str(getattr(encoder, "query_encoder", encoder.name))


def language_problem(plan: FieldPlan, encoders: Encoders) -> str | None:
    """Return the sentence that the text encoder does not know the catalogue's language; None where it does."""
    encoder = encoders.get(TEXT)
    if encoder is None or not encoder.languages or plan.language in encoder.languages:
        return None
    language = language_name(plan.language)
    known = ", ".join(map(language_name, encoder.languages[:5])) + (
        ", ..." if len(encoder.languages) > 5 else ""
    )
    return (
        f"the catalogue is in {language}, and the text encoder {encoder.name} knows {known}: {language} texts get no "
        "vector and are found by their words alone; name an encoder that knows the language with --text-encoder NAME and "
        '--rebuild, or write language = "CODE" into the field plan if the language is another'
    )


def schema_for(plan: FieldPlan, encoders: Encoders) -> IndexSchema:
    """Return the schema of an index with the vectors of these encoders.

    Raises EncoderError for a space that `SPACES` lacks, and for nested vectors other than those of images.
    """
    unknown = sorted(set(encoders) - set(SPACES))
    if unknown:
        raise EncoderError(
            f"there is no vector space {', '.join(unknown)}; the table in opensearch/index/spaces.py has "
            f"{', '.join(SPACES)}"
        )
    nested = [name for name in encoders if name != IMAGE and SPACES[name].nested]
    if nested:
        raise EncoderError(
            f"the vectors of {', '.join(nested)} lie in nested objects ({SPACES[nested[0]].path}), which only images can: "
            "give the space a path without a dot"
        )
    fields = {
        name: VectorField(encoder.name, query_encoder(encoder), encoder.dimension, tuple(encoder.languages))
        for name, encoder in ((name, encoders[name]) for name in space_names(encoders))
    }
    return IndexSchema(plan, fields)
