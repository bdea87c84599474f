"""Product ids as a log names them: by the index's own id, or by the values of another column such as a SKU or an EAN."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, Literal

from opensearch.analysis.codes import CODES, code_forms
from opensearch.index.fields import FieldPlan
from opensearch.index.scan import scan
from opensearch.search.filter_columns import filter_columns

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

Problem = Literal["unknown column", "ambiguous id"]
# value of a column -> the one product that has it, None where several do
Values = Mapping[str, str | None]
_OWN_ID = ("", "id", "_id")


class ProductIds:
    """Finds the product that a log's id stands for. `lookup` gives the values of a column, None for an unknown one."""

    def __init__(
        self, known: Container[str], plan: FieldPlan, lookup: Callable[[str], Values | None]
    ) -> None:
        self.known = known
        self._own = {*_OWN_ID, plan.id}
        self._lookup = lookup
        self._columns: dict[str, Values | None] = {}

    def find(self, value: Any, column: Any) -> tuple[str, Problem | None]:
        """Return the product id of a value of a column, and why none was found; the value itself is returned then."""
        text, name = id_text(value), str(column or "")
        if name in self._own:
            return text, None
        if name not in self._columns:
            self._columns[name] = self._lookup(name)
        values = self._columns[name]
        for form in (text, *code_forms(text)):
            if values is not None and form in values:
                product = values[form]
                return (product, None) if product is not None else (text, "ambiguous id")
        return text, None if values is not None or text in self.known else "unknown column"


def column_values(client: OpenSearch, index: str, plan: FieldPlan, name: str) -> Values | None:
    """Return the products of an index by the values of a column; None when it has no such column.

    Code columns, such as SKU and EAN, share one field of the index: its codes are returned for each of them.
    """
    field = _field_of(plan, name)
    if field is None:
        return None
    products: dict[str, str | None] = {}
    for product, source in scan(client, index, includes=[field]):
        for value in _values(source, field):
            text = id_text(value)
            products[text] = product if products.get(text, product) == product else None
    return products


def id_text(value: Any) -> str:
    """Return an id as text; a whole number without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _field_of(plan: FieldPlan, name: str) -> str | None:
    """Return the field of a column, whatever the case of its name."""
    fields = {column.name: column.field for column in filter_columns(plan).values()}
    fields |= dict.fromkeys(plan.codes, CODES)
    return fields.get(name) or {known.lower(): field for known, field in fields.items()}.get(name.lower())


def _values(source: Mapping[str, Any], path: str) -> list[Any]:
    """Return the values at a path whose first part is an object of columns; a column's own name may hold dots."""
    head, _, rest = path.partition(".")
    value = source.get(head)
    if rest and isinstance(value, Mapping):
        value = value.get(rest)
    return value if isinstance(value, list) else [] if value is None else [value]
