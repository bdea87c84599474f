"""Which index a load writes to: the one in service, one that a killed run left, or a new version beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch import index as versions
from opensearch.errors import SchemaMismatchError
from opensearch.fields import IndexSchema, VectorField

from .encoders.protocol import ImageEncoder, TextEncoder

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch.fields import FieldPlan


@dataclass(frozen=True)
class Target:
    """One index to write to."""

    client: OpenSearch
    alias: str
    index: str
    in_service: bool  # the alias names it already; otherwise it is published when the load is whole
    empty: bool  # it was made just now, so that nothing needs to be looked up in it


def recorded_schema(client: OpenSearch, alias: str) -> IndexSchema | None:
    """What the index behind the alias was made with, else what an unfinished first load was made with."""
    index = versions.current(client, alias) or versions.unfinished(client, alias)
    return versions.schema_of(client, index) if index else None


def schema_for(plan: FieldPlan, text: TextEncoder | None, image: ImageEncoder | None) -> IndexSchema:
    return IndexSchema(
        plan,
        VectorField(text.name, text.name, text.dimension, tuple(text.languages)) if text else None,
        VectorField(image.name, image.query_encoder, image.dimension, tuple(image.languages))
        if image
        else None,
    )


def choose_target(client: OpenSearch, alias: str, schema: IndexSchema, *, rebuild: bool) -> Target:
    """The index in service when it fits; with `rebuild`, or when there is none, a version beside it.

    A version that a killed run left is gone on with when its plan and encoders are the same.
    SchemaMismatchError when the index in service was made otherwise.
    """
    live = versions.current(client, alias)
    if live and not rebuild:
        try:
            versions.require_same_schema(alias, versions.schema_of(client, live), schema)
        except SchemaMismatchError as error:
            raise SchemaMismatchError(f"{error} (--rebuild does it, with no failed search)") from error
        return Target(client, alias, live, in_service=True, empty=False)
    left = versions.unfinished(client, alias)
    if left and versions.schema_of(client, left) == schema:
        return Target(client, alias, left, in_service=False, empty=False)
    return Target(client, alias, versions.create_version(client, alias, schema), in_service=False, empty=True)
