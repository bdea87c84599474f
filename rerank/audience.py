"""The likely audience of a product: the shoppers whose clicks make the served model rank it highest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from opensearch.index.indexed_state import read_sources
from opensearch.index.scan import sample
from opensearch.logs.profiles import Click, profile_names, read_profiles
from rerank.models.ranker import Ranker
from vitrine.errors import RerankError

from .request import RerankRequest, this_minute

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_SHARE = 0.1  # of the shoppers who count as the audience
_MIN_AUDIENCE = 5
_MAX_SHOPPERS = 2_000
_OTHERS = 50  # products that the product is ranked among
_BATCH = 500

Histories = Mapping[str, Sequence[Click]]
Values = Mapping[str, Mapping[str, Any]]  # keyword columns by product


@dataclass(frozen=True)
class Affinity:
    """A value of a keyword column, and the share of clicks on products with it: of the audience, of all shoppers."""

    column: str
    value: str
    audience: float
    everyone: float


@dataclass(frozen=True)
class Audience:
    """The likely audience of a product: how many of `shoppers` are meant, and what sets their clicks apart."""

    product: str
    shoppers: int
    audience: int
    affinities: list[Affinity]

    def to_dict(self) -> dict[str, Any]:
        """Return the audience as JSON values."""
        return asdict(self)


def read_audience(client: OpenSearch, alias: str, ranker: Ranker, product: str) -> Audience:
    """Return the likely audience of a product among the shoppers of an alias, at most 2,000 of them.

    Raises RerankError for a product that is not indexed, without profiles, and for a model that reads no clicks.
    """
    if not read_sources(client, alias, [product], ["id"]):
        raise RerankError(f"product {product!r} is not in {alias}: name the id of an indexed product")
    shoppers = sorted(profile_names(client, alias))[:_MAX_SHOPPERS]  # hashes, so these are drawn by chance
    histories: dict[str, Sequence[Click]] = {}
    for start in range(0, len(shoppers), _BATCH):
        histories |= read_profiles(client, alias, shoppers[start : start + _BATCH])
    others = [id for id, _ in sample(client, alias, _OTHERS + 1, includes=["id"]) if id != product][:_OTHERS]
    clicked = sorted({click.id for clicks in histories.values() for click in clicks})
    values: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(clicked), _BATCH):
        sources = read_sources(client, alias, clicked[start : start + _BATCH], ["keywords"])
        values |= {id: source.get("keywords") or {} for id, source in sources.items()}
    return likely_audience(ranker, product, others, histories, values, this_minute())


def likely_audience(
    ranker: Ranker, product: str, others: Sequence[str], histories: Histories, values: Values, as_of: float
) -> Audience:
    """Return the tenth of the shoppers for whom the product stands out most among `others`, by the ranker's scores.

    No query takes part: the product's score is compared with the mean and deviation of the others' for the same shopper.
    Raises RerankError as `read_audience` does.
    """
    histories = {shopper: clicks for shopper, clicks in histories.items() if clicks}
    if len(histories) < _MIN_AUDIENCE:
        raise RerankError(
            f"{len(histories)} shoppers have clicks, and at least {_MIN_AUDIENCE} are needed: `vitrine train` writes their "
            "profiles from the log"
        )
    standing = {
        shopper: _standing(ranker, product, others, shopper, clicks, as_of)
        for shopper, clicks in histories.items()
    }
    if len({round(value, 5) for value in standing.values()}) == 1:
        raise RerankError(
            f"model {ranker.artifacts.model} ranks {product} alike for every shopper, so it names no audience: that needs "
            "a model that reads clicks (`vitrine train` with a log) and knows the product"
        )
    ordered = sorted(standing, key=lambda shopper: (-standing[shopper], shopper))
    audience = ordered[: max(_MIN_AUDIENCE, ceil(_SHARE * len(ordered)))]
    affinities = _affinities(histories, audience, values)
    return Audience(product, len(ordered), len(audience), affinities)


def _standing(
    ranker: Ranker, product: str, others: Sequence[str], shopper: str, clicks: Sequence[Click], as_of: float
) -> float:
    """Return how far a product's score is above the mean of the others, in their standard deviations."""
    request = RerankRequest([product, *others], vectors={}, history=clicks, shopper=shopper, as_of=as_of)
    scores = np.asarray(ranker.score(ranker.inputs(request)), dtype=np.float64)
    return float((scores[0] - scores[1:].mean()) / (scores[1:].std() + 1e-9)) if len(others) else 0.0


def _affinities(histories: Histories, audience: Sequence[str], values: Values) -> list[Affinity]:
    """Return the values that more of the audience's clicks are on than of all shoppers', by that difference."""
    everyone = _click_shares(histories, list(histories), values)
    own = _click_shares(histories, audience, values)
    found = [Affinity(*key, share, everyone[key]) for key, share in own.items() if share > everyone[key]]
    return sorted(found, key=lambda one: (one.everyone - one.audience, one.column, one.value))


def _click_shares(
    histories: Histories, shoppers: Sequence[str], values: Values
) -> dict[tuple[str, str], float]:
    """Return by column and value the share of a shopper's clicks on products with it, the mean over the shoppers."""
    shares: defaultdict[tuple[str, str], float] = defaultdict(float)
    for shopper in shoppers:
        clicks = histories[shopper]
        for click in clicks:
            for column, cell in values.get(click.id, {}).items():
                for value in dict.fromkeys(cell) if isinstance(cell, list) else [cell]:
                    shares[column, str(value)] += 1 / (len(clicks) * len(shoppers))
    return shares
