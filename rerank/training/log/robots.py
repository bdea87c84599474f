"""Robots in a log: shoppers that name themselves one, or act faster than people."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

# Searches, clicks, cart additions and purchases of one shopper; people stay well below both.
PER_MINUTE, PER_DAY = 60, 2_000
_MINUTE_S, _DAY_S = 60.0, 86_400.0
# "Cubot" is a telephone.
_AGENT = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|headless|scrap|python-requests|curl/|wget/|httpclient", re.IGNORECASE
)
_AGENT_FIELDS = ("user_agent", "userAgent", "ua")
_PLACES = ("query_attributes", "event_attributes")


class RobotFinder:
    """Collects who did something when, by any key of a shopper, and says which keys are robots."""

    def __init__(self) -> None:
        self._times: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._named: set[str] = set()

    def add(self, key: str, at: float) -> None:
        """Count a search, a click, a cart addition or a purchase; impressions, which pages send, say nothing."""
        self._times[key].append(at)

    def add_agent(self, key: str, record: Mapping[str, Any]) -> None:
        """Look at the user agent of a record."""
        if names_robot(record):
            self._named.add(key)

    def robots(self) -> set[str]:
        """Return the keys with more than 60 actions in a minute or 2,000 in a day, and those that name themselves."""
        return self._named | {key for key, times in self._times.items() if _too_fast(times)}


def names_robot(record: Mapping[str, Any]) -> bool:
    """Return whether a UBI record has a user agent that names a robot."""
    for place in (record, *(record.get(name) for name in _PLACES)):
        if isinstance(place, Mapping):
            agent = next((place[name] for name in _AGENT_FIELDS if place.get(name)), None)
            if agent is not None and _AGENT.search(str(agent)):
                return True
    return False


def _too_fast(times: array[float]) -> bool:
    ordered = np.sort(np.frombuffer(times, dtype=np.float64))
    return any(
        len(ordered) > limit and bool((ordered[limit:] - ordered[:-limit] < span).any())
        for limit, span in ((PER_MINUTE, _MINUTE_S), (PER_DAY, _DAY_S))
    )
