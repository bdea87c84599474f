"""Shoppers: keyed hashes in place of their ids, and the clicks of a hash."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opensearch.logs.profiles import Click, read_profile, read_profile_async
from rerank.features.clicks import MAX_HISTORY
from vitrine import settings
from vitrine.errors import RerankError

if TYPE_CHECKING:
    from opensearch.client import AsyncOpenSearch, OpenSearch

_HASH = re.compile(r"[0-9a-f]{32}")
_CHECKED = 24  # hexadecimal digits of the id's own hash; the others check them


def shopper_hash(raw_id: str, key: bytes | None = None) -> str:
    """Return the keyed hash of a shopper's id, 32 hexadecimal digits; a hash of ours is returned as it is.

    The first 24 digits begin the HMAC-SHA256 of the id, the last 8 begin the HMAC-SHA256 of those 24. So a hash can be
    told from an MD5 or a UUID of the same form by the key alone, wherever it comes from, and no id is hashed twice. `key`
    None: `shopper_key()`.
    """
    key = key or shopper_key()
    return raw_id if is_hash(raw_id, key) else sealed(_hmac(key, raw_id), key)


def hash_of_request(shopper: str | None, hashed: str | None) -> str | None:
    """Return the keyed hash of a request that names a shopper by the caller's own id, or by a hash of the caller."""
    if shopper:
        return shopper_hash(shopper)
    return sealed(hashed) if hashed else None


def is_hash(text: str, key: bytes | None = None) -> bool:
    """Return whether the text is a `shopper_hash` made with this key; another text is one by a chance of 1 in 4 billion."""
    return _HASH.fullmatch(text) is not None and sealed(text, key) == text


def sealed(digest: str, key: bytes | None = None) -> str:
    """Return a hash that is known to be one, such as the bare HMAC of an earlier release, in the form of `shopper_hash`."""
    head = digest[:_CHECKED]
    return head + _hmac(key or shopper_key(), head)[: len(digest) - _CHECKED]


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:32]


def shopper_key() -> bytes:
    """Return VITRINE_SHOPPER_KEY, else the key in the user's data directory, which the first call creates."""
    key = settings.VITRINE_SHOPPER_KEY.read()
    if key:
        return key.encode()
    path = settings.data_directory() / "shopper.key"
    return _read_key(path) if path.exists() else _create_key(path)


def _read_key(path: Path) -> bytes:
    key = path.read_bytes().strip()
    if not key:
        raise RerankError(f"the shopper key {path} is empty; restore it or set VITRINE_SHOPPER_KEY")
    return key


def _create_key(path: Path) -> bytes:
    """Write a new key atomically, readable by its owner only; the first of several processes wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_hex(32).encode())
    with contextlib.suppress(FileExistsError):  # another process wrote the key after this one found none
        os.link(staged, path)
    staged.unlink()
    return _read_key(path)


def read_history(client: OpenSearch, alias: str, shopper: str) -> tuple[Click, ...]:
    """Return the latest clicks of a shopper (keyed hash), oldest first; empty for an unknown one."""
    return _latest(read_profile(client, alias, shopper))


async def read_history_async(client: AsyncOpenSearch, alias: str, shopper: str) -> tuple[Click, ...]:
    """Return `read_history` without blocking the event loop."""
    return _latest(await read_profile_async(client, alias, shopper))


def _latest(profile: Sequence[Click]) -> tuple[Click, ...]:
    return tuple(sorted(profile, key=lambda click: click.at)[-MAX_HISTORY:])
