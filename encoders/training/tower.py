"""The image tower: an open_clip visual model, a projection to the text space, and pixels scaled inside."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from encoders.card import WEIGHTS_FILE
from vitrine.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_ARCH = "resnet10t"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# open_clip's resize mode -> our `fit`
CLIP_FITS = {"shortest": "crop", "squash": "squash", "longest": "pad"}
Channels = tuple[float, float, float]  # red, green, blue


@dataclass(frozen=True)
class TowerShape:
    """The content of `tower.json`, from which the tower is built before its weights are loaded."""

    arch: str  # a timm name, or an open_clip model's name when `clip` is true
    clip: bool
    dimension: int
    size: int
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    projection: bool = True  # False: the visual model's own output is the vector
    fit: str = "pad"
    quick_gelu: bool = False  # the activation that some open_clip checkpoints were trained with

    def write(self, directory: Path) -> None:
        """Write `tower.json`."""
        (directory / "tower.json").write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, directory: Path) -> TowerShape:
        """Read `tower.json`. Raises EncoderError when it is missing."""
        path = directory / "tower.json"
        if not path.is_file():
            raise EncoderError(
                f"{directory} has no tower.json, so it is not an image tower; name a trained one"
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
        """Return unit vectors (n, d) of pixels (n, size, size, 3) uint8."""
        return self.vectors(pixels.permute(0, 3, 1, 2).float())

    def vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (n, d) float32 of pixels (n, 3, h, w) from 0 to 255."""
        features = self.visual((pixels - self.mean) / self.std)
        return nn.functional.normalize(self.projection(features).float(), dim=-1)


def build_tower(shape: TowerShape) -> Tower:
    """Return a tower of this shape with random weights. Raises EncoderError for an unknown architecture."""
    if shape.clip:
        visual = create_clip(shape.arch, None, shape.quick_gelu).visual
        return Tower(shape, visual, _width(visual, shape.size))
    from open_clip.timm_model import TimmModel

    try:
        visual = TimmModel(shape.arch, shape.dimension, image_size=shape.size, pool="avg", proj="none")
    except (RuntimeError, TypeError, ValueError) as error:
        raise EncoderError(
            f"image tower {shape.arch!r} is not an architecture of timm; use resnet10t, resnet18 or resnet34"
        ) from error
    return Tower(shape, visual, int(visual.trunk.num_features))


def create_clip(name: str, pretrained: str | None, quick_gelu: bool = False) -> Any:
    """Return an open_clip model. Raises EncoderError when it is unknown or no hub has its weights."""
    import open_clip

    logging.getLogger("open_clip").setLevel(logging.ERROR)  # it logs every step through the root logger
    root = logging.getLogger()
    root.disabled, was_disabled = True, root.disabled
    try:
        return open_clip.create_model(name, pretrained=pretrained, force_quick_gelu=quick_gelu)
    except Exception as error:  # hub clients raise errors of many libraries here
        what = f"{name}/{pretrained}" if pretrained else name
        raise EncoderError(
            f"open_clip model {what!r} could not be loaded ({str(error).splitlines()[0][:200]});"
            " name one that open_clip.list_pretrained() lists, where a hub is reachable"
        ) from error
    finally:
        root.disabled = was_disabled


def clip_tower(name: str, pretrained: str | None, dimension: int | None) -> tuple[Tower, TowerShape, Any]:
    """Return the image tower of an open_clip model, its shape, and the complete model.

    `dimension` None keeps the model's own space, else a projection to that many is added.
    """
    import open_clip

    model = create_clip(name, pretrained)
    config = open_clip.get_pretrained_cfg(name, pretrained) if pretrained else {}
    preprocessing = getattr(model.visual, "preprocess_cfg", {})
    size = preprocessing.get("size") or model.visual.image_size
    size = int(size[0] if isinstance(size, tuple | list) else size)
    width = _width(model.visual, size)
    shape = TowerShape(
        arch=name,
        clip=True,
        dimension=dimension or width,
        size=size,
        mean=tuple(preprocessing.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        std=tuple(preprocessing.get("std") or open_clip.OPENAI_DATASET_STD),
        projection=dimension is not None,
        fit="pad" if dimension else CLIP_FITS.get(preprocessing.get("resize_mode", "shortest"), "crop"),
        quick_gelu=bool(config.get("quick_gelu", False)),
    )
    return Tower(shape, model.visual, width), shape, model


def _width(visual: nn.Module, size: int) -> int:
    with torch.inference_mode():
        return int(visual.eval()(torch.zeros(1, 3, size, size)).shape[-1])


def save_weights(tower: nn.Module, path: Path) -> None:
    """Write the tower's weights as safetensors."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in tower.state_dict().items()}, path)
    path.chmod(0o644)  # safetensors makes the file readable for its owner alone, and a store is shared


def load_tower(directory: Path) -> Tower:
    """Return the tower of an artifact, ready to encode on the CPU."""
    from safetensors.torch import load_file

    tower = build_tower(TowerShape.read(directory))
    tower.load_state_dict(load_file(directory / WEIGHTS_FILE))
    return tower.eval()


def trainable(tower: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Return the parameters that training changes, by name."""
    return ((name, value) for name, value in tower.named_parameters() if value.requires_grad)
