"""Shoppers as the system knows them: keyed hashes instead of ids, and what a hash has clicked."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from opensearch.client import explained

from .errors import RerankError
from .ranker import HISTORY, Click

if TYPE_CHECKING:
    from opensearch.client import AsyncOpenSearch, OpenSearch

PROFILES = "vitrine-shoppers"
_READ = {"ignore": 404, "_source_includes": "clicks"}  # no profile, and no index yet, mean a stranger
_MILLISECONDS = 1e11  # numbers beyond cannot be seconds of this age
_HASH = re.compile(r"[0-9a-f]{32}")


def shopper_hash(raw_id: str, key: bytes | None = None) -> str:
    """HMAC-SHA256 of a shopper's id, cut to 32 hex characters; `key` defaults to this installation's own."""
    return hmac.new(key or shopper_key(), raw_id.encode(), hashlib.sha256).hexdigest()[:32]


def is_hash(text: str) -> bool:
    """True for the 32 hex characters that `shopper_hash` gives."""
    return _HASH.fullmatch(text) is not None


def shopper_key() -> bytes:
    """VITRINE_SHOPPER_KEY, else the key file in the user's data directory, made on first use."""
    given = os.environ.get("VITRINE_SHOPPER_KEY")
    if given:
        return given.encode()
    path = Path(platformdirs.user_data_dir("vitrine")) / "shopper.key"
    return _read_key(path) if path.exists() else _make_key(path)


def _read_key(path: Path) -> bytes:
    key = path.read_bytes().strip()
    if not key:
        raise RerankError(f"the shopper key {path} is empty; restore it or set VITRINE_SHOPPER_KEY")
    return key


def _make_key(path: Path) -> bytes:
    """Write a new key whole and readable by its owner only; the first of several processes wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_hex(32).encode())
    with contextlib.suppress(FileExistsError):  # another process made it between our look and our write
        os.link(staged, path)
    staged.unlink()
    return _read_key(path)


def read_history(client: OpenSearch, alias: str, shopper: str) -> tuple[Click, ...]:
    """What a shopper (keyed hash) clicked, oldest first; empty for a stranger."""
    with explained(client):
        found = client.get(index=PROFILES, id=profile_id(alias, shopper), params=_READ)
    return clicks_of(found)


async def read_history_async(client: AsyncOpenSearch, alias: str, shopper: str) -> tuple[Click, ...]:
    """`read_history` without blocking the event loop."""
    with explained(client):
        found = await client.get(index=PROFILES, id=profile_id(alias, shopper), params=_READ)
    return clicks_of(found)


def profile_id(alias: str, shopper: str) -> str:
    """The id of a shopper's profile document."""
    return f"{alias}:{shopper}"


def clicks_of(found: Mapping[str, Any]) -> tuple[Click, ...]:
    """The clicks of a profile document, oldest first; what cannot be read is left out."""
    clicks = (found.get("_source") or {}).get("clicks") or []
    read = [Click(str(click["id"]), at) for click in clicks if (at := _seconds(click.get("at"))) is not None]
    return tuple(sorted(read, key=lambda click: click.at)[-HISTORY:])


def _seconds(moment: Any) -> float | None:
    """Seconds since 1970 of an ISO time, of epoch seconds or of epoch milliseconds."""
    if isinstance(moment, (int, float)):
        return float(moment) / 1000 if moment > _MILLISECONDS else float(moment)
    try:
        read = datetime.fromisoformat(str(moment))
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
