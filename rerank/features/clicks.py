"""The clicks of every shopper, looked up as of any moment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import chain

MAX_HISTORY = 50  # clicks of a shopper that a ranker reads


class ShopperClicks:
    """Clicks as (shopper, product row, time in seconds since 1970), kept by shopper in order of time."""

    def __init__(self, clicks: Iterable[tuple[str, int, float]] = ()) -> None:
        self._rows: dict[str, list[int]] = {}
        self._times: dict[str, list[float]] = {}
        for shopper, row, at in sorted(clicks, key=lambda click: click[2]):
            self._rows.setdefault(shopper, []).append(row)
            self._times.setdefault(shopper, []).append(at)

    @property
    def times(self) -> list[float]:
        """The times of all clicks, oldest first."""
        return sorted(chain.from_iterable(self._times.values()))

    def before(self, shopper: str | None, moment: float) -> list[tuple[int, float]]:
        """Return the latest `MAX_HISTORY` clicks of a shopper before a moment as (row, time), oldest first."""
        if shopper is None or shopper not in self._rows:
            return []
        times = self._times[shopper]
        end = bisect_left(times, moment)
        part = slice(max(0, end - MAX_HISTORY), end)
        return list(zip(self._rows[shopper][part], times[part], strict=True))

    def all_before(self, moment: float) -> dict[str, list[tuple[int, float]]]:
        """Return `before` of every shopper that has a click before the moment."""
        found = {shopper: self.before(shopper, moment) for shopper in self._rows}
        return {shopper: clicks for shopper, clicks in found.items() if clicks}
