"""A search on a terminal: tables of hits in one order or both side by side, and of facets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from opensearch.index.fields import IndexSchema
from opensearch.index.spaces import sub_queries
from opensearch.search.filter_columns import price_column
from opensearch.understanding.plan import QueryPlan
from rerank.answer import Answer, Hit


def one_order(answer: Answer, hits: Sequence[Hit], schema: IndexSchema, explain: bool) -> Table:
    """Return the table of hits in one order; `explain` adds the raw score of each sub-query."""
    table = Table(title=_title(answer), title_justify="left", header_style="bold")
    fill_table(table, answer.order == "reranked", hits, schema, sub_queries() if explain else ())
    return table


def nearest(answer: Answer, schema: IndexSchema, explain: bool) -> Table:
    """Return the table of the products that come nearest to a query that nothing matches."""
    table = Table(header_style="bold")
    fill_table(table, False, answer.nearest, schema, sub_queries() if explain else ())
    return table


def no_match_line(answer: Answer, words: str) -> str:
    """Return the sentence that says that there are no hits, before a table of the nearest products if there is one."""
    if answer.similarity_threshold is not None:
        threshold = f"{answer.similarity_threshold:.5f}"
        return f"no product is as near to the image as the similarity threshold of {threshold} requires"
    if not answer.nearest:
        return "no products match; try other words, or fewer filters"
    return (
        f"no product matches {words!r}; nearest:"
        if words.strip()
        else "no product matches the image; nearest:"
    )


def fill_table(
    table: Table, reranked: bool, hits: Sequence[Hit], schema: IndexSchema, names: Sequence[str]
) -> None:
    """Add the columns of hits in one order to a table, and a row for each hit; `names` are the sub-queries shown."""
    table.add_column("#", justify="right")
    if reranked:
        table.add_column("engine", justify="right")
    table.add_column("id", overflow="fold")
    table.add_column("title", overflow="fold")
    price = price_column(schema.plan)
    if price:
        table.add_column(price, justify="right")
    with_variants = any((hit.variants or 1) > 1 for hit in hits)
    if with_variants:
        table.add_column("variants", justify="right")
    table.add_column("score", justify="right")
    for name in names:
        table.add_column(name, justify="right")
    with_rules = any(hit.rule for hit in hits)
    if with_rules:
        table.add_column("rule", overflow="fold")
    for hit in hits:
        cells = [str(hit.rank), *([movement(hit)] if reranked else [])]
        cells += [escape(hit.id), escape(title_of(hit)), *([_number(hit, price)] if price else [])]
        cells += [str(hit.variants)] if with_variants else []
        cells.append(f"{hit.score:.4f}")
        cells += [
            f"{hit.sub_query_scores[name]:.4f}" if name in hit.sub_query_scores else "-" for name in names
        ]
        table.add_row(*cells, *([escape(hit.rule or "")] if with_rules else []))


def both_orders(answer: Answer, hits: Sequence[Hit], schema: IndexSchema) -> Table:
    """Return the table of the engine's order beside the reranked one, rank by rank."""
    table = Table(title=_title(answer), title_justify="left", header_style="bold")
    price = price_column(schema.plan)
    for order in ("engine", "reranked"):
        table.add_column("#" if order == "engine" else "from", justify="right")
        table.add_column(f"{order}: id", overflow="fold")
        table.add_column("title", overflow="fold")
        if price:
            table.add_column(price, justify="right")
    first = hits[0].rank - 1 if hits else 0
    for left, right in zip(answer.in_engine_order()[first:], hits, strict=False):
        table.add_row(str(left.engine_rank), *_product(left, price), movement(right), *_product(right, price))
    return table


def facets(counts: dict[str, dict[str, Any]]) -> Iterable[Table]:
    """Yield one small table for each facet, counted over all matching products."""
    for name, facet in counts.items():
        table = Table(title=escape(name), title_justify="left", show_header=False)
        for row in facet.get("values", []):
            table.add_row(escape(str(row["value"])), str(row["count"]))
        if facet.get("other"):
            table.add_row("others", str(facet["other"]))
        for row in facet.get("ranges", []):
            table.add_row(f"{_end(row['from'])} .. {_end(row['to'])}", str(row["count"]))
        if "count" in facet:
            table.add_row("from, to, mean", f"{facet['min']}, {facet['max']}, {facet['mean']}")
            table.add_row("known for", str(facet["count"]))
        yield table


def understood_lines(plan: QueryPlan | None) -> Iterable[str]:
    """Yield one line for the correction of the words, and one for the constraints found in them."""
    if plan and plan.corrected:
        yield (
            f"showing results for {plan.corrected.searched!r} "
            f"(search instead for {plan.corrected.typed!r}: --verbatim)"
        )
    if plan and plan.constraints:
        what = "only products with" if plan.filters else "preferred:"
        yield f"{what} {', '.join(map(str, plan.constraints))} (--constraints boost|filter|off)"


def movement(hit: Hit) -> str:
    """Return the engine's rank and how far the reranker moved the hit."""
    change = hit.engine_rank - hit.rank
    if not change:
        return f"{hit.engine_rank} ="
    colour, arrow = ("green", "▲") if change > 0 else ("red", "▼")
    return f"{hit.engine_rank} [{colour}]{arrow}{abs(change)}[/{colour}]"


def title_of(hit: Hit) -> str:
    """Return the title of the product."""
    return str(hit.product.get("title") or "")


def _title(answer: Answer) -> str:
    groups = answer.retrieved.groups is not None
    more = "" if answer.retrieved.total_is_exact else " or more"
    count = f"{answer.retrieved.total}{more} {'groups of products' if groups else 'products'} match"
    if answer.order == "cheapest":
        return f"{count} the image with a cosine of {answer.similarity_threshold:.5f} or more; cheapest first"
    return f"{count}; {answer.order} order"


def _product(hit: Hit, price: str | None) -> list[str]:
    return [escape(hit.id), escape(title_of(hit)), *([_number(hit, price)] if price else [])]


def _number(hit: Hit, name: str) -> str:
    value = (hit.product.get("numbers") or {}).get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    ends = (
        sorted({min(values), max(values)}) if values else []
    )  # of a price range, or of the prices of variants
    return " to ".join(f"{end:,.2f}" for end in ends) or "-"


def _end(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
