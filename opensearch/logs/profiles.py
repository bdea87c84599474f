"""Shopper profiles: the latest clicks of each shopper, identified by a keyed hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearchpy.exceptions import NotFoundError

from opensearch.client import explained
from opensearch.index.bulk import Action, write
from opensearch.index.create import ensure_index_async, strict_body
from opensearch.index.scan import scan

from .records import KEYWORD, write_records

if TYPE_CHECKING:
    from opensearchpy import AsyncOpenSearch, OpenSearch

    from opensearch.index.bulk import Outcome

SHOPPERS = "vitrine-shoppers"
MAX_CLICKS = 50  # newest clicks of a shopper that a profile keeps

_PROPERTIES = {
    **dict.fromkeys(("alias", "shopper"), KEYWORD),
    "clicks": {"type": "object", "enabled": False},
}
_CONFLICT_RETRIES = 10  # concurrent clicks of one shopper
_APPEND = """
def clicks = ctx._source.clicks;
for (click in params.clicks) {
  boolean exists = false;
  for (other in clicks) { if (other.id == click.id && other.at == click.at) { exists = true; } }
  if (!exists) { clicks.add(click); }
}
clicks.sort((a, b) -> Double.compare(((Number) a.at).doubleValue(), ((Number) b.at).doubleValue()));
while (clicks.size() > params.max) { clicks.remove(0); }
"""


class Click(NamedTuple):
    """A clicked product and the time of the click (seconds since 1970)."""

    id: str
    at: float


def write_profiles(client: OpenSearch, alias: str, profiles: Mapping[str, Iterable[Click]]) -> list[Outcome]:
    """Replace the profiles of these shoppers (keyed hashes) and return the refused ones."""
    records = (
        (_profile_id(alias, shopper), _profile(alias, shopper, clicks))
        for shopper, clicks in profiles.items()
    )
    return write_records(client, SHOPPERS, strict_body(_PROPERTIES), records)


async def append_clicks(client: AsyncOpenSearch, alias: str, shopper: str, clicks: Sequence[Click]) -> None:
    """Add clicks to a shopper's profile, which keeps the newest `MAX_CLICKS`; a repeated click counts once."""
    if not clicks:
        return
    await ensure_index_async(client, SHOPPERS, strict_body(_PROPERTIES))
    addition = _profile(alias, shopper, clicks)
    script = {
        "lang": "painless",
        "source": _APPEND,
        "params": {"clicks": addition["clicks"], "max": MAX_CLICKS},
    }
    with explained(client):
        await client.update(
            index=SHOPPERS,
            id=_profile_id(alias, shopper),
            body={"scripted_upsert": True, "script": script, "upsert": {**addition, "clicks": []}},
            params={"retry_on_conflict": _CONFLICT_RETRIES},
        )


def read_profile(client: OpenSearch, alias: str, shopper: str) -> list[Click]:
    """Return a shopper's clicks, oldest first, including those just written; empty for an unknown shopper."""
    return read_profiles(client, alias, [shopper])[shopper]


async def read_profile_async(client: AsyncOpenSearch, alias: str, shopper: str) -> list[Click]:
    """`read_profile` without blocking the event loop."""
    with explained(client):
        try:
            document = await client.get(index=SHOPPERS, id=_profile_id(alias, shopper))
        except NotFoundError:  # an unknown shopper, or no profile exists yet
            return []
    return _clicks(document)


def read_profiles(client: OpenSearch, alias: str, shoppers: Iterable[str]) -> dict[str, list[Click]]:
    """Return the clicks of several shoppers, each oldest first."""
    names = list(dict.fromkeys(shoppers))
    if not names:
        return {}
    with explained(client):
        try:
            body = {"ids": [_profile_id(alias, shopper) for shopper in names]}
            documents = client.mget(index=SHOPPERS, body=body)["docs"]
        except NotFoundError:  # no profile exists yet
            return {shopper: [] for shopper in names}
    return {shopper: _clicks(document) for shopper, document in zip(names, documents, strict=True)}


def profile_names(client: OpenSearch, alias: str) -> list[str]:
    """Return the shoppers of an alias that have a profile, as their profiles name them."""
    with explained(client):
        try:
            client.indices.refresh(index=SHOPPERS)
        except NotFoundError:  # no profile exists yet
            return []
    query = {"term": {"alias": alias}}
    return [str(source["shopper"]) for _, source in scan(client, SHOPPERS, includes=["shopper"], query=query)]


def delete_profiles(client: OpenSearch, alias: str, shoppers: Iterable[str]) -> None:
    """Delete the profiles of these shoppers."""
    actions = (Action("delete", _profile_id(alias, shopper)) for shopper in shoppers)
    for _ in write(client, SHOPPERS, actions):
        pass  # a profile that is gone already is as good


def _clicks(document: Mapping[str, Any]) -> list[Click]:
    clicks = document.get("_source", {}).get("clicks", [])
    return [Click(str(click["id"]), float(click["at"])) for click in clicks]


def _profile(alias: str, shopper: str, clicks: Iterable[Click]) -> dict[str, Any]:
    newest = sorted(clicks, key=lambda click: click.at)[-MAX_CLICKS:]
    return {
        "alias": alias,
        "shopper": shopper,
        "clicks": [{"id": click.id, "at": float(click.at)} for click in newest],
    }


def _profile_id(alias: str, shopper: str) -> str:
    return f"{alias}:{shopper}"
