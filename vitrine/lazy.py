"""Public names of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, str], submodules: Collection[str] = ()
) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package (PEP 562), so that importing the package imports nothing heavy.

    `modules` names the module that defines each public name, relative to the package; `submodules` are modules that are
    public themselves. Not the library lazy_loader: type checkers cannot read the `__all__` that it computes, so each
    package would list its names all the same.
    """

    def get(name: str) -> Any:
        if name in modules:
            return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        if name in submodules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
