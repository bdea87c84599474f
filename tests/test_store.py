"""The artifact store: artifacts are written whole or not at all, and never change."""

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


def test_get_returns_the_files_that_were_put(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    store.put("models", "m1", _directory(tmp_path / "source"))
    directory = store.get("models", "m1")
    assert (directory / "model.json").read_text() == "weights"
    assert (directory / "deep" / "rows.bin").read_bytes() == b"\0\1"
    assert store.names("models") == ["m1"]
    assert store.names("items") == []


def test_a_second_put_changes_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    store.put("models", "m1", _directory(tmp_path / "first", "first"))
    store.put("models", "m1", _directory(tmp_path / "second", "second"))
    assert (store.get("models", "m1") / "model.json").read_text() == "first"


def test_an_incomplete_artifact_does_not_count_and_is_replaced(tmp_path: Path) -> None:
    _directory(tmp_path / "store" / "models" / "m1", "half")
    store = Store(str(tmp_path / "store"))
    assert not store.has("models", "m1")
    assert store.names("models") == []
    store.put("models", "m1", _directory(tmp_path / "source", "whole"))
    assert (store.get("models", "m1") / "model.json").read_text() == "whole"


def test_the_error_for_a_missing_artifact_names_artifact_store_and_setting(tmp_path: Path) -> None:
    with pytest.raises(VitrineError, match=r"models/m9 is not in the store .*VITRINE_STORE"):
        Store(str(tmp_path)).get("models", "m9")


def test_an_fsspec_url_is_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = Store("memory://test-store")
    store.put("models", "m1", _directory(tmp_path / "source"))
    assert (store.get("models", "m1") / "deep" / "rows.bin").read_bytes() == b"\0\1"
    assert store.names("models") == ["m1"]


def test_the_url_comes_from_the_argument_else_from_the_environment(
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
