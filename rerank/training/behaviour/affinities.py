"""Affinities of shoppers to prices, other numbers and keywords such as categories, as Ibis expressions.

They are decayed sums over all clicks, cart additions and purchases of a shopper before a moment;
`features.groups.Affinities` says how candidates see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rerank.features.behaviour import AFFINITY_DECAY_S

from .rates import BehaviourLog
from .sums import AT, PROBE, Sums, decay_since, decayed, sums_before

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class ProductColumns:
    """What affinities are about: `numbers` has product, and x0, known0, x1, ...; `keywords` has product and keyword.

    The numbers are scaled, zero where `known` is 0; a keyword is a whole number that tells the columns apart.
    """

    numbers: ir.Table
    keywords: ir.Table
    count: int  # of the numbers


def shopper_weights_before(
    probes: ir.Table, log: BehaviourLog, products: ProductColumns, sums: Sums = sums_before
) -> ir.Table:
    """Return total, mean0, known0, mean1, ... of probes (probe, at, shopper); those without earlier actions are left out.

    `total` is the decayed weight of the shopper's actions, `known` of those on products with the number, and `mean` the
    weighted mean of the number, null without any.
    """
    actions = log.actions.join(products.numbers, "product")
    grown = decayed(actions, AFFINITY_DECAY_S, log.reference)
    parts = {"total": grown}
    for n in range(products.count):
        parts |= {f"sum{n}": grown * actions[f"x{n}"], f"known{n}": grown * actions[f"known{n}"]}
    events = actions.select(AT, "shopper", **parts)
    found = sums(probes, events, ["shopper"], list(parts))
    found = found.filter(found.total > 0).join(probes.select(PROBE, AT), PROBE)
    left = decay_since(found, AFFINITY_DECAY_S, log.reference)
    columns = {"total": found.total * left}
    for n in range(products.count):
        known = found[f"known{n}"]
        columns |= {f"mean{n}": found[f"sum{n}"] / known.nullif(0.0), f"known{n}": known * left}
    return found.select(PROBE, **columns)


def keyword_weights_before(
    probes: ir.Table, log: BehaviourLog, products: ProductColumns, sums: Sums = sums_before
) -> ir.Table:
    """Return the decayed weight of probes (probe, at, shopper, keyword): that of the shopper's actions on the keyword.

    Probes without an earlier action are left out.
    """
    actions = log.actions.join(products.keywords, "product")
    events = actions.select(
        AT, "shopper", "keyword", weight=decayed(actions, AFFINITY_DECAY_S, log.reference)
    )
    found = sums(probes, events, ["shopper", "keyword"], ["weight"])
    found = found.filter(found.weight > 0).join(probes.select(PROBE, AT), PROBE)
    return found.select(PROBE, weight=found.weight * decay_since(found, AFFINITY_DECAY_S, log.reference))
