"""Keyed hashes of shopper ids."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from rerank import shoppers
from vitrine.errors import RerankError


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VITRINE_SHOPPER_KEY", raising=False)
    monkeypatch.setattr("vitrine.settings.data_directory", lambda: tmp_path / "vitrine")
    return tmp_path / "vitrine"


def test_hash_is_hmac_sha256_of_the_id_and_of_that() -> None:
    # RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?"
    begin = "5bdcc146bf60754e6a042426089575c7"[:24]
    check = hmac.new(b"Jefe", begin.encode(), hashlib.sha256).hexdigest()[:8]
    assert shoppers.shopper_hash("what do ya want for nothing?", key=b"Jefe") == begin + check


def test_a_hash_is_told_from_another_id_of_its_form_by_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "secret")
    hashed = shoppers.shopper_hash("anna")
    md5 = hashlib.md5(b"anna@example.com").hexdigest()
    assert shoppers.is_hash(hashed)
    assert shoppers.shopper_hash(hashed) == hashed  # never hashed twice
    assert not shoppers.is_hash("anna")
    assert not shoppers.is_hash(md5)
    assert not shoppers.is_hash(hashed, key=b"another key")
    assert shoppers.shopper_hash(md5)[:24] != md5[:24]


def test_a_bare_hmac_of_an_earlier_release_becomes_the_hash_of_now() -> None:
    bare = hmac.new(b"secret", b"anna", hashlib.sha256).hexdigest()[:32]
    assert shoppers.sealed(bare, key=b"secret") == shoppers.shopper_hash("anna", key=b"secret") != bare


def test_the_key_file_is_created_once_and_readable_by_its_owner_only(data_dir: Path) -> None:
    first = shoppers.shopper_hash("anna")
    mode = stat.S_IMODE((data_dir / "shopper.key").stat().st_mode)
    assert mode == 0o600
    assert shoppers.shopper_hash("anna") == first
    assert [p.name for p in data_dir.iterdir()] == ["shopper.key"]


def test_another_key_gives_another_hash(data_dir: Path) -> None:
    first = shoppers.shopper_hash("anna")
    (data_dir / "shopper.key").unlink()
    assert shoppers.shopper_hash("anna") != first


def test_an_empty_key_file_is_refused(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "shopper.key").write_bytes(b"")
    with pytest.raises(RerankError, match=r"shopper\.key is empty"):
        shoppers.shopper_hash("anna")
