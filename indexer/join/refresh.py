"""Joined columns refreshed on an existing index: nothing is embedded, and no vector is read or changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from indexer.catalogue.names import suggestion
from indexer.catalogue.product import is_extra, read_product
from indexer.catalogue.unused_columns import is_used
from indexer.load.document import OPTIONAL, fields_of, stored_product, with_columns
from indexer.load.report import LoadReport, RejectedRows
from indexer.load.target import Target, may_lose
from opensearch.index.bulk import Action, write
from opensearch.index.fields import HASHES, IMAGES, ROW_HASH, FieldPlan
from opensearch.index.patch import patch
from opensearch.index.scan import scan
from opensearch.index.spaces import SPACES
from opensearch.index.versions import refresh
from vitrine.errors import CatalogueError

from .table import JoinOutcome, JoinTable

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_MAX_LOOKED_UP = 10_000  # keys that are looked up; of more, the whole index is read
_KEYS_PER_QUERY = 1_000

Documents = Iterator[tuple[str, dict[str, Any]]]  # id and source, without vectors and images
Guard = Callable[[Iterator[Action]], Iterator[Action]]


def check_refresh(table: JoinTable, plan: FieldPlan, alias: str) -> None:
    """Raise CatalogueError when the columns of a table, or its key, cannot be refreshed on an index with this plan."""
    unknown = [c for c in table.columns if not is_used(c, plan) and c not in plan.joined]
    if unknown:
        raise CatalogueError(
            f"{table.name} has columns that index {alias} does not have ({', '.join(unknown)}), and nothing was changed: "
            f"add them with `vitrine index CATALOGUE --join {table.name} --on {table.left} --rebuild`, or leave them out"
        )
    fixed = [c for c in table.columns if is_used(c, plan) and not _can_be_refreshed(c, plan)]
    if fixed:
        raise CatalogueError(
            f"{table.name} has columns that are embedded or identify the product ({', '.join(fixed)}), and nothing was "
            f"changed: load them with `vitrine index CATALOGUE --join {table.name} --on {table.left}`, or leave them out"
        )
    keys = (plan.id, *plan.keywords, *plan.numbers, *([plan.group] if plan.group else []))
    if table.left not in keys and not is_extra(table.left, plan):
        raise CatalogueError(
            f"the products of index {alias} have no value of {table.left!r} to join {table.name} by"
            f"{suggestion(table.left, keys)}: name another column with --on, or --on COLUMN=FILE_COLUMN"
        )


def refresh_columns(
    target: Target,
    plan: FieldPlan,
    table: JoinTable,
    report: LoadReport,
    rejects: RejectedRows,
    *,
    clear: bool = False,
    confirmed: bool = False,
    guard: Guard = iter,
) -> JoinOutcome:
    """Write the columns of a table to the products of an index, and return what was joined; counts go to the report.

    Products without a row keep their values, or lose them with `clear`; more of them than `may_lose` allows have to be
    `confirmed`. Raises EngineError when the engine stops writing.
    """
    outcome = JoinOutcome(table)
    report.read += len(table.rows) + len(table.repeated) + len(table.bad)
    refresh(target.client, target.index)
    if clear and not confirmed and (refused := _reason_against_clearing(target, table, plan)):
        report.refused, clear = refused, False
    documents = _documents(target.client, target.index, table, plan, everything=clear)
    languages = target.languages
    actions = guard(_actions(documents, table, plan, report, outcome, clear=clear, languages=languages))
    for written in write(target.client, target.index, actions):
        if written.status == "failed":
            report.failed += 1
            rejects.add_row(0, written.id, written.reason or "the engine refused it", None)
        elif written.status == "updated":
            report.updated += 1
        else:
            report.unchanged += 1
    refresh(target.client, target.index)
    return outcome


def _reason_against_clearing(target: Target, table: JoinTable, plan: FieldPlan) -> str | None:
    """Return why the values of products without a row are kept; None when few enough would lose theirs."""
    products = without = 0
    for id, source in scan(target.client, target.index, includes=["keywords", "numbers", "extra", "group"]):
        products += 1
        without += table.row_of(_value(id, source, table.left, plan)) is None
    if without <= may_lose(products):
        return None
    return (
        f"{without} of {products} products have no row in {table.name}; their values were kept; "
        "pass --yes with --sync if they are to go"
    )


def changes_words(table: JoinTable, plan: FieldPlan) -> bool:
    """Return whether a column of the table is one whose words are searched."""
    return any(column in plan.keywords or is_extra(column, plan) for column in table.columns)


def _actions(
    documents: Documents,
    table: JoinTable,
    plan: FieldPlan,
    report: LoadReport,
    outcome: JoinOutcome,
    *,
    clear: bool,
    languages: Collection[str],
) -> Iterator[Action]:
    columns = [column for column in table.columns if is_used(column, plan)]
    for id, source in documents:
        found = table.row_of(_value(id, source, table.left, plan))
        if found is None:
            outcome.without += 1
            if not clear:
                continue
        else:
            outcome.products += 1
            outcome.matched.add(found[0])
        values = {**(found[1].values if found else {}), plan.id: id}
        product, dropped = read_product(values, plan)
        for cell in dropped:
            report.add_dropped_cell(found[1].line if found else 0, cell)
        report.unused_columns.add(values, plan)
        changed = with_columns(stored_product(source), product, columns, plan)
        fields = fields_of(changed, languages=languages)
        action = _action(id, source, fields)
        if action is None:
            report.unchanged += 1
        else:
            yield action


def _action(id: str, source: Mapping[str, Any], fields: dict[str, Any]) -> Action | None:
    """Return the update from the stored fields to the new ones; None when they are equal."""
    hashes = {**source.get(HASHES, {}), ROW_HASH: fields.pop(HASHES)[ROW_HASH]}
    replace = {name: value for name, value in fields.items() if source.get(name) != value}
    remove = [name for name in OPTIONAL if name in source and name not in fields]
    if not replace and not remove:
        return None
    return patch(id, {**replace, HASHES: hashes}, remove=remove)


def _documents(
    client: OpenSearch, index: str, table: JoinTable, plan: FieldPlan, *, everything: bool
) -> Documents:
    """Yield the products that may have a row in the table; all products with `everything`."""
    excludes = [IMAGES, *(space.path for space in SPACES.values())]
    is_looked_up = table.left == plan.id or table.left in plan.keywords
    if everything or not is_looked_up or len(table.rows) > _MAX_LOOKED_UP:
        yield from scan(client, index, excludes=excludes)
        return
    keys = list(table.rows)
    seen: set[str] = set()  # a product with several keys is found by each
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        some = keys[start : start + _KEYS_PER_QUERY]
        query = {"ids": {"values": some}}
        if table.left != plan.id:
            query = {"terms": {f"keywords.{table.left}": some}}
        for id, source in scan(client, index, excludes=excludes, query=query):
            if id not in seen:
                seen.add(id)
                yield id, source


def _value(id: str, source: Mapping[str, Any], column: str, plan: FieldPlan) -> Any:
    if column == plan.id:
        return id
    sections = (source.get(name) or {} for name in ("keywords", "numbers", "extra"))
    value = next((section[column] for section in sections if column in section), None)
    return source.get("group") if value is None and column == plan.group else value


def _can_be_refreshed(column: str, plan: FieldPlan) -> bool:
    embedded = (plan.id, plan.title, *plan.text, *plan.images, plan.language_field)
    spaces = (name for columns in plan.vectors.values() for name in columns)
    return column not in embedded and column not in spaces
