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


def test_hash_is_hmac_sha256_of_the_id() -> None:
    # RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?"
    expected = "5bdcc146bf60754e6a042426089575c7"
    assert shoppers.shopper_hash("what do ya want for nothing?", key=b"Jefe") == expected


def test_key_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "secret")
    expected = hmac.new(b"secret", b"anna", hashlib.sha256).hexdigest()[:32]
    assert shoppers.shopper_hash("anna") == expected
    assert shoppers.is_hash(expected)
    assert not shoppers.is_hash("anna")


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
