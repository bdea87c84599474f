"""Checkpoints of a training run: safetensors and JSON, never a pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from vitrine.errors import EncoderError

from .schedule import RunProgress


def save_checkpoint(folder: Path, tensors: dict[str, dict[str, torch.Tensor]], progress: RunProgress) -> None:
    """Write groups of tensors and the progress; a kill at any moment leaves a complete checkpoint."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    flat = {
        f"{group}/{name}": value.contiguous()
        for group, values in tensors.items()
        for name, value in values.items()
    }
    weights = folder / f"epoch-{progress.epoch}.safetensors"
    save_file(flat, weights)
    staged = folder / "progress.json.new"
    staged.write_text(json.dumps(asdict(progress)))
    staged.replace(folder / "progress.json")
    for old in folder.glob("epoch-*.safetensors"):
        if old != weights:
            old.unlink()


def load_checkpoint(folder: Path) -> tuple[dict[str, dict[str, torch.Tensor]], RunProgress] | None:
    """Return the latest checkpoint of the folder, or None when there is none. Raises EncoderError for a damaged one."""
    from safetensors.torch import load_file

    path = folder / "progress.json"
    if not path.is_file():
        return None
    progress = RunProgress(**json.loads(path.read_text()))
    weights = folder / f"epoch-{progress.epoch}.safetensors"
    if not weights.is_file():
        raise EncoderError(
            f"the checkpoint in {folder} lacks {weights.name}; delete the folder and train again"
        )
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in load_file(weights).items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = value
    return groups, progress


def optimiser_state(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, torch.Tensor]:
    """Return the optimiser's tensors by parameter name, for a checkpoint without pickles."""
    states: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return {f"{names[row]}:{key}": value for row, state in states.items() for key, value in state.items()}


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, torch.Tensor]
) -> None:
    """Load the tensors that `optimiser_state` returned into the optimiser."""
    states: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        name, _, part = key.rpartition(":")
        states.setdefault(names.index(name), {})[part] = value
    state_dict = optimiser.state_dict()
    state_dict["state"] = states
    optimiser.load_state_dict(state_dict)
