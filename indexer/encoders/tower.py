"""The image tower: an open_clip visual model, a projection to the text space, and pixels scaled inside."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from ..errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_ARCH = "resnet18"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class TowerShape:
    """What `tower.json` says: enough to build the tower again before its weights are read."""

    arch: str  # a timm name, or an open_clip model's name when `clip` is true
    clip: bool
    dimension: int
    size: int
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    projection: bool = True  # False: the visual model's own output is the vector

    def write(self, directory: Path) -> None:
        (directory / "tower.json").write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, directory: Path) -> TowerShape:
        path = directory / "tower.json"
        if not path.is_file():
            raise EncoderError(
                f"{directory} has no tower.json, so it is no image tower; name one that was trained"
            )
        values = json.loads(path.read_text())
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})


class Tower(nn.Module):
    """Pixels (n, size, size, 3) uint8 to unit vectors (n, d)."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, shape: TowerShape, visual: nn.Module, width: int) -> None:
        super().__init__()
        self.visual = visual
        self.projection = nn.Linear(width, shape.dimension) if shape.projection else nn.Identity()
        self.register_buffer("mean", torch.tensor(shape.mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(shape.std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.vectors(pixels.permute(0, 3, 1, 2).float())

    def vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        """Unit vectors (n, d) float32 of pixels (n, 3, h, w) from 0 to 255."""
        features = self.visual((pixels - self.mean) / self.std)
        return nn.functional.normalize(self.projection(features).float(), dim=-1)


def build_tower(shape: TowerShape) -> Tower:
    """A tower of this shape with random weights. Raises EncoderError when nobody knows the architecture."""
    if shape.clip:
        return clip_tower(shape.arch, None, shape.dimension if shape.projection else None)[0]
    from open_clip.timm_model import TimmModel

    try:
        visual = TimmModel(shape.arch, shape.dimension, image_size=shape.size, pool="avg", proj="none")
    except (RuntimeError, TypeError, ValueError) as error:
        raise EncoderError(
            f"image tower {shape.arch!r} is no architecture that timm knows; try resnet18, resnet10t or resnet34"
        ) from error
    return Tower(shape, visual, int(visual.trunk.num_features))


def clip_tower(name: str, pretrained: str | None, dimension: int | None) -> tuple[Tower, TowerShape]:
    """The image tower of an open_clip model; `dimension` None keeps its own space, else a projection is added."""
    import open_clip

    _silence()
    try:
        model = open_clip.create_model(name, pretrained=pretrained, force_image_size=None)
    except Exception as error:  # hub clients raise errors of many libraries here
        what = f"{name}/{pretrained}" if pretrained else name
        raise EncoderError(
            f"open_clip model {what!r} could not be loaded ({str(error).splitlines()[0]});"
            " name one that `open_clip.list_pretrained()` lists, with a hub in reach"
        ) from error
    visual = model.visual
    size = visual.image_size[0] if isinstance(visual.image_size, tuple) else visual.image_size
    mean = tuple(getattr(visual, "image_mean", None) or open_clip.OPENAI_DATASET_MEAN)
    std = tuple(getattr(visual, "image_std", None) or open_clip.OPENAI_DATASET_STD)
    with torch.inference_mode():
        width = visual.eval()(torch.zeros(1, 3, size, size)).shape[-1]
    shape = TowerShape(name, True, dimension or width, size, mean, std, projection=dimension is not None)
    return Tower(shape, visual, width), shape


def save_weights(tower: nn.Module, path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in tower.state_dict().items()}, path)


def load_tower(directory: Path) -> Tower:
    """The tower of an artifact, ready to encode on the CPU."""
    from safetensors.torch import load_file

    tower = build_tower(TowerShape.read(directory))
    tower.load_state_dict(load_file(directory / "weights.safetensors"))
    return tower.eval()


def trainable(tower: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that the optimiser moves, by name."""
    return ((name, value) for name, value in tower.named_parameters() if value.requires_grad)


def _silence() -> None:
    """open_clip logs every step of loading through the root logger."""
    logging.getLogger("open_clip").setLevel(logging.ERROR)
