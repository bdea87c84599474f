"""The rows that `vitrine index` loads, with the columns of joined files, and their field plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import click

from indexer.catalogue.from_index import ID_COLUMN, rows_from_index
from indexer.catalogue.plan import (
    SAMPLE_ROWS,
    check_columns,
    completed_plan,
    extended_plan,
    inferred_plan,
    load_plan,
    notation_toml,
    plan_toml,
)
from indexer.catalogue.reader import CatalogueItem, CatalogueRow, CatalogueRows, Remark, read_rows
from indexer.catalogue.unused_columns import is_used
from indexer.join.table import JoinOutcome, JoinTable, joined_rows, require_left_columns
from opensearch.client import connect
from opensearch.index.fields import FieldPlan, IndexSchema
from vitrine.errors import CatalogueError

from .index import IndexOptions

if TYPE_CHECKING:
    from opensearch.client import OpenSearch


@dataclass(frozen=True)
class RowSource:
    """A catalogue or an index, and the tables that are joined to its rows."""

    options: IndexOptions
    client: OpenSearch | None = None  # None: connect when it is needed
    tables: tuple[JoinTable, ...] = ()

    @property
    def name(self) -> str:
        """The name of the catalogue or index in errors."""
        return str(self.options.catalogue or self.options.source)

    def rows(
        self, plan: FieldPlan | None = None, outcomes: Sequence[JoinOutcome] | None = None
    ) -> CatalogueRows:
        """Yield the joined rows from the first on, in the shape of a plan; `outcomes` count what was joined."""
        rows = self._own_rows(plan)
        if not self.tables:
            return rows
        return joined_rows(rows, outcomes or [JoinOutcome(table) for table in self.tables])

    def plan(self, recorded: IndexSchema | None) -> tuple[FieldPlan, list[str]]:
        """Return the plan of --fields, else that of the index, else one inferred from the rows, which is printed.

        With it come the doubts about a plan that was decided from the rows, one sentence each. Raises CatalogueError when
        the rows lack columns of the plan, or a joined file those of its key.
        """
        require_left_columns(self._own_columns, self.tables)
        if self.options.fields:
            stated = self._checked(load_plan(self.options.fields))
            plan, remarks = self._with_notation(stated, None if self.options.rebuild else recorded)
            return self._with_joined(plan, recorded), remarks
        if recorded:
            return self._with_joined(self._checked(self._extended(recorded.plan)), recorded), []
        plan, remarks = self.inferred_plan()
        click.echo("# the inferred field plan; save it, edit it, and pass it with --fields", err=True)
        click.echo(plan_toml(plan), err=True)
        say(remarks)
        return plan, remarks

    def inferred_plan(self) -> tuple[FieldPlan, list[str]]:
        """Return the plan inferred from the first rows, and the doubts about it."""
        with closing(self.rows()) as rows:
            id_column = ID_COLUMN if self.options.source else None
            plan, remarks = inferred_plan(_with_remarks(rows), self.name, id_column)
        return self._with_joined(plan, None), remarks

    def _own_rows(self, plan: FieldPlan | None = None) -> CatalogueRows:
        if self.options.catalogue is not None:
            return read_rows(self.options.catalogue, self.options.encoding, self.options.shape, plan)
        return rows_from_index(self.client or connect(self.options.url), str(self.options.source))

    @cached_property
    def _own_columns(self) -> set[str]:
        """The columns of the first rows without the joined ones; empty when nothing is joined."""
        if not self.tables:
            return set()
        with closing(self._own_rows()) as rows:
            sample = [row.values for row in islice(rows, SAMPLE_ROWS) if isinstance(row, CatalogueRow)]
        return {column for values in sample for column in values}

    @property
    def _joined_columns(self) -> list[str]:
        """The columns that the tables add; one that the catalogue has too is the catalogue's."""
        columns = dict.fromkeys(column for table in self.tables for column in table.columns)
        return [column for column in columns if column not in self._own_columns]

    def _with_joined(self, plan: FieldPlan, recorded: IndexSchema | None) -> FieldPlan:
        earlier = recorded.plan.joined if recorded else ()
        return replace(plan, joined=tuple(dict.fromkeys((*plan.joined, *earlier, *self._joined_columns))))

    def _checked(self, plan: FieldPlan) -> FieldPlan:
        if self.options.catalogue:
            joined = (*plan.joined, *self._joined_columns)
            options = self.options
            check_columns(
                replace(plan, joined=joined), self.options.catalogue, options.encoding, options.shape
            )
        return plan

    def _extended(self, plan: FieldPlan) -> FieldPlan:
        """Return the plan of the index with the further columns of the tables, which need a new version."""
        further = [c for c in self._joined_columns if not is_used(c, plan) and c not in plan.joined]
        if not further:
            return plan
        if not self.options.rebuild:
            raise CatalogueError(
                f"the joined files have columns that index {self.options.alias} does not have ({', '.join(further)}), and "
                "nothing was changed: add --rebuild to load them, or leave them out of the files"
            )
        return extended_plan(plan, self.inferred_plan()[0], further)

    def _with_notation(self, plan: FieldPlan, recorded: IndexSchema | None) -> tuple[FieldPlan, list[str]]:
        """Return the plan with the language and the notation that it does not state, and the doubts about it.

        They are those of the index, so that the same plan file stays the same plan, else decided from the rows and printed.
        """
        if recorded:
            columns = {**recorded.plan.columns, **plan.columns}
            null = recorded.plan.null if plan.null is None else plan.null
            language = plan.language or recorded.plan.language
            return replace(plan, language=language, null=null, columns=columns), []
        with closing(self.rows(plan)) as rows:
            completed, remarks = completed_plan(plan, rows, self.name)
        if completed != plan:
            click.echo("# what the field plan does not state, decided from the rows", err=True)
            click.echo(notation_toml(completed, plan), err=True)
        say(remarks)
        return completed, remarks


def say(remarks: Sequence[str]) -> None:
    """Write remarks on a plan to stderr, one a line."""
    for remark in remarks:
        click.echo(remark, err=True)


def _with_remarks(rows: CatalogueRows) -> Iterator[CatalogueItem]:
    """Pass the rows on and write the remarks among them to stderr."""
    for row in rows:
        if isinstance(row, Remark):
            click.echo(f"# {row.text}", err=True)
        yield row
