"""Sums of what happened before a moment: the one step that every rate and affinity is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

PROBE, AT = "probe", "at"
Sums = Callable[["ir.Table", "ir.Table", Sequence[str], Sequence[str]], "ir.Table"]
_HAPPENED = "happened"


def sums_before(probes: ir.Table, events: ir.Table, keys: Sequence[str], values: Sequence[str]) -> ir.Table:
    """Return, for each probe, the sums of `values` over the events with its `keys` and an earlier time.

    `probes` has `probe` (a number), `at` and the keys; `events` has `at`, the keys and the values. An event at a probe's
    own moment is not counted. A probe without an event of its keys is left out when there are keys.
    """
    import ibis

    asked = probes.semi_join(events, list(keys)) if keys else probes
    rows = asked.select(
        PROBE, AT, *keys, **{name: ibis.literal(0.0) for name in values}, **{_HAPPENED: ibis.literal(0)}
    ).union(
        events.select(
            **{PROBE: ibis.literal(-1).cast("int64")},
            **{name: events[name] for name in (AT, *keys, *values)},
            **{_HAPPENED: ibis.literal(1)},
        )
    )
    # of rows at one moment the probes come first, so that they do not see its events
    earlier = ibis.window(group_by=list(keys) or None, order_by=[rows[AT], rows[_HAPPENED]], rows=(None, 0))
    sums = rows.select(PROBE, _HAPPENED, **{name: rows[name].sum().over(earlier) for name in values})
    return sums.filter(sums[_HAPPENED] == 0).select(PROBE, *values)


def sums_until(moment: float) -> Sums:
    """Return `sums_before` for probes that are all at one moment: the same sums, by grouping instead of ordering."""

    def sums(probes: ir.Table, events: ir.Table, keys: Sequence[str], values: Sequence[str]) -> ir.Table:
        earlier = events.filter(events[AT] < moment)
        totals = {name: earlier[name].sum() for name in values}
        if not keys:
            return probes.cross_join(earlier.agg(**totals)).select(PROBE, *values)
        return probes.join(earlier.group_by(list(keys)).agg(**totals), list(keys)).select(PROBE, *values)

    return sums


def with_sums(probes: ir.Table, sums: ir.Table, values: Sequence[str], prefix: str = "") -> ir.Table:
    """Return the probes with their sums, zero where a probe has none, as columns `prefix` + value."""
    renamed = sums.select(PROBE, **{f"_{prefix}{name}": sums[name] for name in values})
    joined = probes.left_join(renamed, PROBE)
    return joined.select(
        *probes.columns, **{f"{prefix}{name}": joined[f"_{prefix}{name}"].fill_null(0.0) for name in values}
    )


def decayed(table: ir.Table, decay_s: float, reference: float) -> ir.FloatingValue:
    """Return `weight` grown by exp((at - reference) / decay); `decay_since` undoes it at the moment of a probe."""
    return table.weight * ((table[AT] - reference) / decay_s).exp()


def decay_since(probes: ir.Table, decay_s: float, reference: float) -> ir.FloatingValue:
    """Return exp((reference - at) / decay), the factor that turns a sum of `decayed` into one as of the probe."""
    return ((reference - probes[AT]) / decay_s).clip(upper=_MAX_EXPONENT).exp()


# An event so many decays before the reference weighs nothing; the limit keeps exp() finite.
_MAX_EXPONENT = 300.0
