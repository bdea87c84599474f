"""The index that a load writes to: the one in service, an unfinished version, or a new version beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch.analysis.languages import ALWAYS
from opensearch.analysis.survey import Survey
from opensearch.index import versions
from opensearch.index.bulk import Action, write
from opensearch.index.fields import IndexSchema
from opensearch.index.meta import readable_schema, require_same_schema, schema_of
from opensearch.index.scan import count, scan
from opensearch.index.schema import Sharding, differences
from opensearch.index.synonyms import read_synonyms, set_synonyms
from opensearch.tuning.weights import restore_weights
from vitrine.errors import SchemaMismatchError

from .report import LoadReport
from .seen_ids import SeenIds

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


MAX_LOSS = 0.2  # of the products in service; a run that would drop more must be confirmed
_IDS_PER_PAGE = 5000


@dataclass(frozen=True)
class Target:
    """One index to write to."""

    client: OpenSearch
    alias: str
    index: str
    in_service: bool  # the alias names it; otherwise it is published after the load
    empty: bool  # it was just created, so there is nothing to look up
    languages: tuple[str, ...] = ALWAYS  # that have a field for their words


def recorded_schema(client: OpenSearch, alias: str, *, rebuild: bool = False) -> IndexSchema | None:
    """Return the schema of the index in service, else of an unfinished first load, else None.

    With `rebuild`, a schema that this release cannot read is None too; without it, raises SchemaMismatchError.
    """
    index = versions.current(client, alias) or versions.unfinished(client, alias)
    if index is None:
        return None
    return readable_schema(client, index) if rebuild else schema_of(client, index)


def choose_target(
    client: OpenSearch,
    alias: str,
    schema: IndexSchema,
    *,
    rebuild: bool,
    layout: tuple[int, int] = (1, 0),
    survey: Callable[[], Survey] = Survey,
) -> Target:
    """Return the index in service if it has this schema; with `rebuild`, or without an index, a version beside it.

    An interrupted load of the same schema is resumed. `layout`: shards and replicas of a new version, for which `survey`
    reads the catalogue. Raises SchemaMismatchError when the index in service has another schema.
    """
    live = versions.current(client, alias)
    if live and not rebuild:
        try:
            require_same_schema(alias, schema_of(client, live), schema)
        except SchemaMismatchError as error:
            raise SchemaMismatchError(f"{error} (--rebuild does it, with no failed search)") from error
        return Target(client, alias, live, in_service=True, empty=False, languages=_languages(client, live))
    unfinished = versions.unfinished(client, alias)
    started = readable_schema(client, unfinished) if unfinished else None
    if unfinished and started and not differences(started, schema):
        languages = tuple(started.chains)
        return Target(client, alias, unfinished, in_service=False, empty=False, languages=languages)
    index = versions.create_version(client, alias, schema, layout=Sharding(*layout), survey=survey())
    return Target(client, alias, index, in_service=False, empty=True, languages=_languages(client, index))


def _languages(client: OpenSearch, index: str) -> tuple[str, ...]:
    return tuple(schema_of(client, index).chains)


def complete(
    target: Target, report: LoadReport, seen_ids: SeenIds, *, sync: bool, confirmed: bool = False
) -> bool:
    """Make the written documents searchable, and return whether the index can be published.

    Products that the catalogue no longer has are counted in the index in service, or deleted with `sync`; a version that
    is not in service never holds them. A load that stopped, or with too few products, is noted in the report; so is the
    loss of more products than `may_lose` allows, which has to be `confirmed`.
    """
    if report.stopped:
        report.notes.append(_resume_note(target))
        return False
    if not target.in_service and (reason := _reason_against_publishing(report)):
        report.notes.append(f"{target.index} is not put in service: {reason}")
        return False
    versions.refresh(target.client, target.index)
    if target.in_service:
        if sync:
            _delete_orphaned(target, report, seen_ids, confirmed=confirmed)
        else:
            report.orphaned = max(0, count(target.client, target.index) - len(seen_ids))
        return True
    if not target.empty:
        _delete_orphaned(target, report, seen_ids, confirmed=True)  # of the interrupted load
    return confirmed or not _loses_too_many(target, report, seen_ids)


def may_lose(products: int) -> float:
    """Return how many of the products in service a run may drop unasked: a fifth, and of a tiny catalogue two."""
    return max(MAX_LOSS * products, min(2, products / 2))


def publish_target(target: Target, report: LoadReport) -> None:
    """Put a complete version in service; nothing is left to do for an index that is."""
    if not target.in_service:
        rules = read_synonyms(target.client, target.alias)
        versions.publish(target.client, target.alias, target.index)
        set_synonyms(target.client, target.alias, rules)  # in case they changed during the load
        restore_weights(target.client, target.alias)  # and hybrid queries that name no pipeline are fused
        versions.prune(target.client, target.alias)
    report.published = True


def _reason_against_publishing(report: LoadReport) -> str | None:
    if not report.products:
        return "no row of the catalogue became a product"
    if report.rejected + report.failed > report.products:
        return f"{report.rejected + report.failed} of {report.read} rows failed; correct them and run again"
    return None


def _resume_note(target: Target) -> str:
    if target.in_service:
        return "written documents stay; the same command resumes the load"
    return f"{target.alias} is unchanged; the same command resumes the load of {target.index}"


def _delete_orphaned(target: Target, report: LoadReport, seen_ids: SeenIds, *, confirmed: bool) -> None:
    if report.unreadable:
        report.notes.append(
            f"nothing was deleted: {report.unreadable} rows could not be read, and any product may be one of them"
        )
        return
    if not confirmed:
        gone, products = _gone(target.client, target.index, seen_ids)
        if gone > may_lose(products):
            report.orphaned = gone
            report.refused = (
                f"{gone} of {products} products are no longer in the catalogue; nothing was deleted; "
                "pass --yes with --sync if that is meant"
            )
            return
    documents = scan(target.client, target.index, includes=[], page=_IDS_PER_PAGE)
    orphaned = (Action("delete", id) for id, _ in documents if id not in seen_ids)
    for outcome in write(target.client, target.index, orphaned):
        report.deleted += outcome.status == "deleted"
    versions.refresh(target.client, target.index)


def _loses_too_many(target: Target, report: LoadReport, seen_ids: SeenIds) -> bool:
    """Return whether the version in service has too many products that the new version lacks; the report says so."""
    live = versions.current(target.client, target.alias)
    if live is None:
        return False
    gone, products = _gone(target.client, live, seen_ids)
    gone = min(products, gone + report.failed)  # the engine refused their documents
    if gone <= may_lose(products):
        return False
    report.orphaned = gone
    report.refused = (
        f"{gone} of {products} products in service are not in the new version; {target.index} is not put in service; "
        "run the same command with --yes if that is meant"
    )
    return True


def _gone(client: OpenSearch, index: str, seen_ids: SeenIds) -> tuple[int, int]:
    """Return how many documents of an index the catalogue no longer has, and how many there are."""
    gone = products = 0
    for id, _ in scan(client, index, includes=[], page=_IDS_PER_PAGE):
        products += 1
        gone += id not in seen_ids
    return gone, products
