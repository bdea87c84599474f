"""The comparison of rankers as tables for a terminal."""

from __future__ import annotations

from rich.table import Table

from rerank.models.rrf import ENGINE

from .compare import ENGINE_ORDER, Comparison, Figure


def comparison_table(comparison: Comparison) -> Table:
    """Return the comparison for a terminal; a star marks a difference whose interval excludes zero."""
    table = Table(
        title=f"{comparison.slates} held-out searches, {comparison.random_slates} of them shown in random order",
        caption="[ ]: difference to engine order, 95 % paired bootstrap; *: not zero. Clicks as logged favour the\n"
        "shown order; without position bias: a click weighed by 1 / examination probability of its position",
    )
    table.add_column("ranked by")
    for head in ("nDCG@10", "MRR", "without position bias", "random order only"):
        table.add_column(head, justify="right")
    for row in comparison.rows:
        figures = (row.ndcg, row.unbiased, row.random)
        ndcg, unbiased, random = (_cell(figure, is_baseline=row.ranker == ENGINE_ORDER) for figure in figures)
        table.add_row(row.ranker, ndcg, f"{row.mrr.mean:.3f}", unbiased, random)
    return table


def ablation_table(comparison: Comparison, ranker: str) -> Table:
    """Return the ablation for a terminal; a star marks a difference whose interval excludes zero."""
    table = Table(title=f"the {ranker} without one signal", caption="[ ]: difference to all signals")
    table.add_column("without")
    table.add_column("without position bias", justify="right")
    for row in comparison.ablations:
        name = "the engine's rank" if row.signal == ENGINE else row.signal
        table.add_row(name, _cell(row.unbiased, is_baseline=False))
    return table


def orders_table(comparison: Comparison) -> Table:
    """Return the estimates from random orders for a terminal."""
    least = min(comparison.orders, key=lambda row: row.effective_sample_size)
    size = (
        f"effective sample size at least {least.effective_sample_size:,.0f} of {least.decisions:,} positions"
    )
    table = Table(
        title="clicks on the first ten places of a search, from held-out searches in random order",
        caption="\n".join(["95 % intervals; " + size, *([least.warning] if least.warning else [])]),
    )
    table.add_column("ranked by")
    estimators = list(dict.fromkeys(name for row in comparison.orders for name in row.clicks))
    for name in estimators:
        table.add_column(name, justify="right")
    for row in comparison.orders:
        cells = (row.clicks.get(name) for name in estimators)
        table.add_row(
            row.ranker, *(f"{c.mean:.3f} \\[{c.low:.3f} {c.high:.3f}]" if c else "-" for c in cells)
        )
    return table


def _cell(figure: Figure | None, *, is_baseline: bool) -> str:
    if figure is None:
        return "-"
    if is_baseline:
        return f"{figure.mean:.3f}"
    difference = figure.difference
    star = "*" if difference.excludes_zero else " "
    return f"{figure.mean:.3f} \\[{difference.low:+.3f} {difference.high:+.3f}]{star}"
