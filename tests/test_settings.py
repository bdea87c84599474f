"""Settings: environment variables over defaults, and the only module that reads them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import opensearch
from vitrine import settings
from vitrine.settings import Setting

ROOT = Path(__file__).parents[1]
PACKAGES = ("vitrine", "encoders", "opensearch", "indexer", "rerank")


def all_settings() -> list[Setting[Any]]:
    return [value for value in vars(settings).values() if isinstance(value, Setting)]


def test_a_setting_is_read_from_the_environment_and_an_empty_one_is_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENSEARCH_URL", raising=False)
    assert settings.OPENSEARCH_URL.read() == "http://127.0.0.1:9200"
    monkeypatch.setenv("OPENSEARCH_URL", "")
    assert settings.OPENSEARCH_URL.read() == "http://127.0.0.1:9200"
    monkeypatch.setenv("OPENSEARCH_URL", "http://a:1")
    assert settings.OPENSEARCH_URL.read() == "http://a:1"


def test_each_setting_is_stored_under_the_name_of_its_variable() -> None:
    assert all_settings()
    assert all(vars(settings)[setting.name] is setting for setting in all_settings())


def test_directories_follow_their_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("VITRINE_CACHE", "VITRINE_NODE_DIR", "VITRINE_STORE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    assert settings.cache_directory() == tmp_path / "VITRINE_CACHE"
    assert settings.node_directory() == tmp_path / "VITRINE_NODE_DIR"
    assert settings.store_url() == str(tmp_path / "VITRINE_STORE")


def test_no_other_module_reads_the_environment() -> None:
    wrong = []
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        if path == ROOT / "vitrine" / "settings.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            reads = isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.getenv", "os.environ.get")
            reads |= isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ"
            named = (
                isinstance(node, ast.keyword)
                and node.arg == "envvar"
                and isinstance(node.value, ast.Constant)
            )
            if reads or named:
                assert isinstance(node, ast.expr | ast.keyword)
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


def test_every_public_name_of_the_engine_package_can_be_imported() -> None:
    assert all(callable(getattr(opensearch, name)) for name in opensearch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        opensearch.nothing  # noqa: B018
