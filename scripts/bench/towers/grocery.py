"""Groceries: phone photo to studio image of the same product, in classes outside the training data."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from encoders.image import open_image_encoder
from rerank.evaluation.intervals import bootstrap
from vitrine.store import open_store

from .common import data, image_vectors, train

PLAN = """[fields]
id = "id"
title = "title"
text = ["description"]
images = ["images"]
keywords = ["coarse", "group"]
language = "en"
"""


IMAGES = 64  # of one product, as many as a catalogue row may name


@dataclass(frozen=True)
class Grocery:
    """A product: its names, its studio image and its description."""

    name: str
    coarse: str
    aisle: str  # Fruit, Packages or Vegetables
    studio: Path
    description: str
    photos: tuple[Path, ...]

    @property
    def is_held_out(self) -> bool:
        """By the coarse class: a random split would show the same shelf in both parts."""
        digest = hashlib.sha256(f"grocery-v1:{self.coarse}".encode()).hexdigest()
        return int(digest, 16) % 4 == 0


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(out: Path, options: tuple[str, ...]) -> None:
    """Train into OUT with the other classes, measure on the held-out ones; figures as text and in OUT.json."""
    groceries = read(data("grocery"))
    train_tower([grocery for grocery in groceries if not grocery.is_held_out], out, options)
    figures = measure([grocery for grocery in groceries if grocery.is_held_out], out)
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    console = Console()
    console.print(
        f"{figures['tower']}: {figures['photos']} photos of {figures['products']} products of unseen classes"
    )
    for depth in ("top_1", "top_5"):
        interval = figures[depth]
        console.print(f"{depth}: {interval['mean']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})")


def read(folder: Path) -> list[Grocery]:
    photos: dict[str, list[Path]] = {}
    for line in (folder / "train.txt").read_text().splitlines():
        path, fine, _ = (part.strip() for part in line.split(","))
        photos.setdefault(fine, []).append(folder / path)
    with (folder / "classes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Grocery(
            name=row["Class Name (str)"].replace("-", " "),
            coarse=row["Coarse Class Name (str)"],
            aisle=row["Iconic Image Path (str)"].split("/")[2],
            studio=folder / row["Iconic Image Path (str)"].lstrip("/"),
            description=(folder / row["Product Description Path (str)"].lstrip("/")).read_text().strip(),
            photos=tuple(photos.get(row["Class ID (int)"], ())),
        )
        for row in rows
    ]


def train_tower(groceries: list[Grocery], out: Path, options: tuple[str, ...]) -> None:
    """Train on every photo and studio picture of these products, in a temporary folder."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        lines = []
        for number, grocery in enumerate(groceries):
            images = [grocery.studio, *grocery.photos][:IMAGES]
            names = [f"{number}-{place}.jpg" for place in range(len(images))]
            for image, name in zip(images, names, strict=True):
                shutil.copyfile(image, work / name)
            row = {
                "id": str(number),
                "title": grocery.name,
                "description": grocery.description,
                "images": names,
            }
            row |= {"coarse": grocery.coarse.replace("-", " "), "group": grocery.aisle}
            lines.append(json.dumps(row) + "\n")
        (work / "train.jsonl").write_text("".join(lines))
        (work / "plan.toml").write_text(PLAN)
        train(work / "train.jsonl", work / "plan.toml", out, options)


def measure(groceries: list[Grocery], out: Path) -> dict[str, Any]:
    """Top-1 and top-5 accuracy: the share of photos whose nearest studio images include the photographed product."""
    tower = open_image_encoder(str(out), open_store())
    studio = image_vectors(tower, [grocery.studio for grocery in groceries])
    answers = np.array([row for row, grocery in enumerate(groceries) for _ in grocery.photos])
    photos = image_vectors(tower, [photo for grocery in groceries for photo in grocery.photos])
    order = np.argsort(-(photos @ studio.T), axis=1, kind="stable")
    hits = order == answers[:, None]
    return {
        "tower": tower.name,
        "products": len(groceries),
        "photos": len(photos),
        "top_1": vars(bootstrap(hits[:, 0].astype(np.float64))),
        "top_5": vars(bootstrap(hits[:, :5].any(axis=1).astype(np.float64))),
    }


if __name__ == "__main__":
    main()
