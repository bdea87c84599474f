"""The explanation of one hit on a terminal: what its score is made of."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from rerank.answer import Answer, Hit
from vitrine.errors import QueryError

from .search_tables import movement, title_of

_BAR = 24  # characters of the longest bar
_BASES = {
    "reranked": "the engine's rank alone",
    "engine": "the rest of the engine's score",
    "cheapest": "without its image",
}


def explained_hit(answer: Answer, product: str) -> Hit:
    """Return the hit of a product, or one of the nearest where nothing matches. Raises QueryError."""
    for hit in (*answer.hits, *answer.nearest):
        if hit.id == product:
            return hit
    for hit in answer.hits:
        if product in hit.variant_ids:
            raise QueryError(f"{product!r} is a variant of {hit.id!r}, which is shown: --why {hit.id}")
    raise QueryError(
        f"{product!r} is not among the {len(answer.hits)} hits of this search: it does not match, or it is below the "
        "window; see --window"
    )


def explanation(answer: Answer, hit: Hit) -> Table:
    """Return the table of the parts of a hit's score, with a bar for each; they add up to the score."""
    title = f"{hit.id}: {title_of(hit)}"
    orders = (
        f"rank {hit.rank}, engine's rank {movement(hit)}"
        if answer.order == "reranked"
        else f"rank {hit.rank}"
    )
    table = Table(title=f"{escape(title)}\n{orders}", title_justify="left", header_style="bold")
    table.add_column(f"{answer.order} order", overflow="fold")
    table.add_column("adds", justify="right")
    table.add_column("")
    found = hit.explanation
    parts = {**found.parts, **found.rules} if found else {}
    longest = max((abs(value) for value in parts.values()), default=0.0) or 1.0
    table.add_row(
        _BASES[answer.order], f"{found.base if found and found.base is not None else hit.score:.4f}", ""
    )
    for name, value in parts.items():
        colour = "green" if value >= 0 else "red"
        bar = "█" * round(_BAR * abs(value) / longest)
        table.add_row(escape(name), f"{value:+.4f}", f"[{colour}]{bar}[/{colour}]")
    table.add_section()
    table.add_row("score", f"{hit.score:.4f}", "")
    for name, score in hit.sub_query_scores.items():
        table.add_row(f"[dim]{escape(name)} sub-query, raw score[/dim]", f"[dim]{score:.4f}[/dim]", "")
    return table
