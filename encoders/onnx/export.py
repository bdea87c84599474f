"""Encoders as ONNX graphs: pooling, scaling and unit length inside, the same bytes on every run."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch
from torch import nn

from vitrine.errors import EncoderError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class _TextModules(nn.Module):
    """The modules of a sentence-transformers model in a row, then unit length."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.stages = nn.ModuleList(model)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        pooling_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        from sentence_transformers.sentence_transformer.modules import Pooling

        features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        for stage in self.stages:
            if isinstance(stage, Pooling):
                if pooling_mask is not None and "weightedmean" in stage.pooling_mode:
                    raise EncoderError("weighted pooling that leaves out the prompt has no exported form")
                mask = attention_mask if pooling_mask is None else pooling_mask
                features["attention_mask"] = mask.to(torch.int32)  # ONNX Runtime has no ArgMax of int64
            features = stage(features)
        return nn.functional.normalize(features["sentence_embedding"].float(), dim=-1)


def export_text_onnx(
    model: SentenceTransformer, path: Path, max_tokens: int, prompt_pooled: bool = True
) -> None:
    """Write input_ids, attention_mask (n, t) int64 -> vector (n, d) float32 of unit length.

    Without `prompt_pooled` there is a third input, `pooling_mask` (n, t): the tokens that enter the vector.
    """
    names = ["input_ids", "attention_mask", *([] if prompt_pooled else ["pooling_mask"])]
    export_token_onnx(_TextModules(model).eval(), path, max_tokens, names)


def export_token_onnx(
    module: nn.Module, path: Path, max_tokens: int, names: Sequence[str] = ("input_ids", "attention_mask")
) -> None:
    """Write a module that maps token ids and masks (n, t), its inputs by name, to unit vectors (n, d)."""
    rows, tokens = torch.export.Dim("n"), torch.export.Dim("t", max=max_tokens)
    ids = torch.randint(5, 10, (3, min(9, max_tokens)))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    inputs = (ids, *(mask.clone() for _ in names[1:]))
    _export(module, inputs, path, list(names), tuple({0: rows, 1: tokens} for _ in names))


def export_image_onnx(tower: nn.Module, path: Path, size: int) -> None:
    """Write pixels (n, size, size, 3) uint8 -> vector (n, d) float32; `tower` takes exactly these pixels."""
    pixels = torch.randint(0, 255, (2, size, size, 3), dtype=torch.uint8)
    _export(tower.eval(), (pixels,), path, ["pixels"], ({0: torch.export.Dim("n")},))


def _export(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], path: Path, names: list[str], shapes: tuple[Any, ...]
) -> None:
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            module,
            inputs,
            input_names=names,
            output_names=["vector"],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch returned no ONNX program")
    graph = program.model_proto
    _strip(graph)
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString(deterministic=True))


def _strip(model: onnx.ModelProto) -> None:
    """Remove file names and stack traces, which differ between machines and have no effect."""
    model.doc_string = ""
    graph = model.graph
    for holder in (model, graph):
        holder.ClearField("metadata_props")
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.doc_string = ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which reports its steps through stdout, warnings and logging."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
