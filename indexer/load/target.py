"""Which index a load writes to: the one in service, one that a killed run left, or a new version beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from encoders.protocol import ImageEncoder, TextEncoder
from opensearch.index import versions
from opensearch.index.bulk import Action, write
from opensearch.index.fields import IndexSchema, VectorField
from opensearch.index.scan import count, scan
from opensearch.index.schema import differences
from opensearch.index.synonyms import read_synonyms, set_synonyms
from opensearch.tuning.leg_weights import restore_weights
from vitrine.errors import SchemaMismatchError

from .report import LoadReport
from .seen_ids import SeenIds

if TYPE_CHECKING:
    from opensearch.client import OpenSearch
    from opensearch.index.fields import FieldPlan


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


def choose_target(
    client: OpenSearch, alias: str, schema: IndexSchema, *, rebuild: bool, layout: tuple[int, int] = (1, 0)
) -> Target:
    """The index in service when it fits; with `rebuild`, or when there is none, a version beside it.

    `layout`: shards and replicas of a version that is made.

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
    if left and not differences(versions.schema_of(client, left), schema):
        return Target(client, alias, left, in_service=False, empty=False)
    made = versions.create_version(client, alias, schema, shards=layout[0], replicas=layout[1])
    return Target(client, alias, made, in_service=False, empty=True)


def finish(
    target: Target,
    report: LoadReport,
    seen: SeenIds,
    *,
    sync: bool,
    before: Callable[[Target, LoadReport], None] | None = None,
) -> None:
    """Make what was written searchable; what is no longer in the catalogue is counted, or deleted with `sync`.

    A version that is not in service yet is published, and always without what the catalogue no longer has; `before`
    that it is handed over whole and searchable.
    """
    if report.stopped:
        report.notes.append(_resumed(target))
        return
    if not target.in_service and (reason := _unfit(report)):
        report.notes.append(f"{target.index} is not put in service: {reason}")
        return
    versions.refresh(target.client, target.index)
    if not target.empty:
        if sync or not target.in_service:
            _delete_vanished(target, report, seen)
        else:
            report.orphaned = max(0, count(target.client, target.index) - len(seen))
    if target.in_service:
        report.published = True
        return
    if before:
        before(target, report)
    rules = read_synonyms(target.client, target.alias)
    versions.publish(target.client, target.alias, target.index)
    set_synonyms(target.client, target.alias, rules)  # when they were changed while this was loading
    restore_weights(target.client, target.alias)  # and a hybrid query that names no pipeline is fused
    report.published = True
    versions.prune(target.client, target.alias)


def _unfit(report: LoadReport) -> str | None:
    if report.settled == report.rejected + report.failed:
        return "no row of the catalogue became a product"
    if report.rejected + report.failed > report.read / 2:
        return f"{report.rejected + report.failed} of {report.read} rows failed; mend them and run again"
    return None


def _resumed(target: Target) -> str:
    if target.in_service:
        return "what was written stays; the same command goes on from there"
    return f"{target.alias} is as it was; the same command goes on with {target.index}"


def _delete_vanished(target: Target, report: LoadReport, seen: SeenIds) -> None:
    if report.unreadable:
        report.notes.append(
            f"nothing was deleted: {report.unreadable} rows could not be read, and any product may be theirs"
        )
        return
    found = scan(target.client, target.index, includes=[], page=5000)
    gone = (Action("delete", id) for id, _ in found if id not in seen)
    for outcome in write(target.client, target.index, gone):
        report.deleted += outcome.status == "deleted"
    versions.refresh(target.client, target.index)
