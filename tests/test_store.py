"""Artifacts are written whole or not at all, and never change."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrine.errors import VitrineError
from vitrine.store import Store, content_name, open_store


def _directory(path: Path, text: str = "weights") -> Path:
    (path / "deep").mkdir(parents=True)
    (path / "model.json").write_text(text)
    (path / "deep" / "rows.bin").write_bytes(b"\0\1")
    return path


def test_put_then_get_gives_the_same_files(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    store.put("models", "m1", _directory(tmp_path / "made"))
    found = store.get("models", "m1")
    assert (found / "model.json").read_text() == "weights"
    assert (found / "deep" / "rows.bin").read_bytes() == b"\0\1"
    assert store.names("models") == ["m1"]
    assert store.names("items") == []


def test_a_second_put_changes_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    store.put("models", "m1", _directory(tmp_path / "first", "first"))
    store.put("models", "m1", _directory(tmp_path / "second", "second"))
    assert (store.get("models", "m1") / "model.json").read_text() == "first"


def test_an_artifact_without_its_mark_is_not_there_and_is_replaced(tmp_path: Path) -> None:
    _directory(tmp_path / "store" / "models" / "m1", "half")
    store = Store(str(tmp_path / "store"))
    assert not store.has("models", "m1")
    assert store.names("models") == []
    store.put("models", "m1", _directory(tmp_path / "made", "whole"))
    assert (store.get("models", "m1") / "model.json").read_text() == "whole"


def test_a_missing_artifact_names_itself_the_store_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(VitrineError, match=r"models/m9 is not in the store .*VITRINE_STORE"):
        Store(str(tmp_path)).get("models", "m9")


def test_any_fsspec_url_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = Store("memory://test-store")
    store.put("models", "m1", _directory(tmp_path / "made"))
    assert (store.get("models", "m1") / "deep" / "rows.bin").read_bytes() == b"\0\1"
    assert store.names("models") == ["m1"]


def test_the_place_is_the_argument_else_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_STORE", str(tmp_path / "environment"))
    assert open_store().url == str(tmp_path / "environment")
    assert open_store(str(tmp_path / "argument")).url == str(tmp_path / "argument")


def test_the_name_follows_the_content(tmp_path: Path) -> None:
    one, same, other = (
        _directory(tmp_path / name, text) for name, text in (("a", "x"), ("b", "x"), ("c", "y"))
    )
    assert content_name("m", one) == content_name("m", same) != content_name("m", other)
    assert content_name("m", one).startswith("m-")
