"""Smoothed click, cart and purchase rates of products and of query-product pairs, as Ibis expressions.

Clicks are position-normalized: a product is charged with the clicks that its positions receive on average ("clicks over
expected clicks", Zhang and Jones 2007), so a high position alone does not give a high rate. Cart and purchase rates are per
click. Each is the logarithm of a smoothed ratio to the average, so a product without behaviour has zeros; those of a pair
are smoothed towards its product's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rerank.features.behaviour import POPULARITY_DECAY_S
from rerank.features.groups import RATES

from .sums import AT, PROBE, Sums, decay_since, decayed, sums_before, with_sums

if TYPE_CHECKING:
    import ibis.expr.types as ir

# Pseudo-counts of the smoothing: expected clicks at the average rate, clicks at the average conversion, and expected
# clicks and clicks of a pair at its product's own rates.
_PRODUCT_CLICKS, _PRODUCT_CONVERSIONS = 2.0, 10.0
_PAIR_CLICKS, _PAIR_CONVERSIONS = 1.0, 5.0
# Conversions and clicks that stand for the whole log before it begins.
_FIRST_CONVERSIONS, _FIRST_CLICKS = 1.0, 20.0
_SMALLEST = 1e-3  # ratio of a conversion rate to the average

_COUNTS = ("clicks", "carts", "purchases", "expected")
_CONVERSIONS = {"cart": "carts", "purchase": "purchases"}


@dataclass(frozen=True)
class BehaviourLog:
    """The log as tables. Products, queries and shoppers are whole numbers, times seconds since 1970.

    `actions` has at, product, query, shopper, clicks, carts, purchases (0 or 1 each) and weight; `impressions` has at,
    product, query and expected, the clicks that its position receives on average. `reference` is a time near the log's.
    """

    actions: ir.Table
    impressions: ir.Table
    reference: float


def rates_before(probes: ir.Table, log: BehaviourLog, sums: Sums = sums_before) -> ir.Table:
    """Return `groups.RATES` of probes (probe, at, product, query) from what happened before each.

    Popularity is the decayed sum of the actions' weights, not its logarithm. `sums` is `sums_until(moment)` when all
    probes are at one moment.
    """
    import ibis

    actions, impressions = log.actions, log.impressions
    grown = decayed(actions, POPULARITY_DECAY_S, log.reference)
    zero = ibis.literal(0.0)
    events = actions.select(
        AT, "product", "query", "clicks", "carts", "purchases", expected=zero, popularity=grown
    ).union(
        impressions.select(
            AT,
            "product",
            "query",
            **dict.fromkeys(("clicks", "carts", "purchases"), zero),
            expected=impressions.expected,
            popularity=zero,
        )
    )
    of_product = (*_COUNTS, "popularity")
    counted = with_sums(probes, sums(probes, events, ["product"], of_product), of_product)
    pair = sums(probes, events, ["product", "query"], _COUNTS)
    counted = with_sums(counted, pair, _COUNTS, "pair_")
    return _smoothed(_with_averages(counted, actions, sums), log.reference)


def _with_averages(counted: ir.Table, actions: ir.Table, sums: Sums) -> ir.Table:
    """Add the conversions per click over all products before each probe, smoothed so that they are never zero."""
    values = ("clicks", "carts", "purchases")
    moments = counted.group_by(AT).agg(**{PROBE: counted[PROBE].min()})
    all_sums = with_sums(moments, sums(moments, actions, [], values), values, "all_")
    averages = all_sums.select(
        **{f"moment_{AT}": all_sums[AT]},
        **{
            f"average_{kind}": (all_sums[f"all_{column}"] + _FIRST_CONVERSIONS)
            / (all_sums.all_clicks + _FIRST_CLICKS)
            for kind, column in _CONVERSIONS.items()
        },
    )
    return counted.join(averages, counted[AT] == averages[f"moment_{AT}"])


def _smoothed(counted: ir.Table, reference: float) -> ir.Table:
    click = (counted.clicks + _PRODUCT_CLICKS) / (counted.expected + _PRODUCT_CLICKS)
    pair_click = (counted.pair_clicks + _PAIR_CLICKS * click) / (counted.pair_expected + _PAIR_CLICKS)
    columns = {
        "click_rate": click.ln(),
        "query_click_rate": pair_click.ln(),
        "popularity": counted.popularity * decay_since(counted, POPULARITY_DECAY_S, reference),
    }
    for kind, column in _CONVERSIONS.items():
        average = counted[f"average_{kind}"]
        of_product = (counted[column] + _PRODUCT_CONVERSIONS * average) / (
            counted.clicks + _PRODUCT_CONVERSIONS
        )
        of_pair = (counted[f"pair_{column}"] + _PAIR_CONVERSIONS * of_product) / (
            counted.pair_clicks + _PAIR_CONVERSIONS
        )
        columns[f"{kind}_rate"] = (of_product / average).clip(lower=_SMALLEST).ln()
        columns[f"query_{kind}_rate"] = (of_pair / average).clip(lower=_SMALLEST).ln()
    return counted.select(PROBE, **{name: columns[name] for name in RATES})
