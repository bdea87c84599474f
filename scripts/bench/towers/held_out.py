"""The held-out fashion products as a catalogue with queries and judgments."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import click

from encoders.training.captions import COLOURS

from .common import data
from .fashion import is_held_out, judged, masked

PLAN = """[fields]
id = "id"
title = "title"
images = ["image"]
language = "en"
"""


def is_without_image(identity: str) -> bool:
    """A fifth of the products, by a hash independent of the held-out split."""
    return int(hashlib.sha256(f"stripped:{identity}".encode()).hexdigest(), 16) % 5 == 0


def without_colour(title: str, colour: str) -> str:
    """A title without its product's colour and without other colour words."""
    left_out = COLOURS | set(colour.casefold().split())
    return " ".join(word for word in title.split() if re.sub(r"[^\w'-]", "", word).casefold() not in left_out)


@click.command()
@click.argument("work", type=click.Path(file_okay=False, path_type=Path))
@click.option("--strip-images", is_flag=True, help="Remove the image of a fifth of the products.")
@click.option("--mask-colours", is_flag=True, help="Remove the colour from titles.")
@click.option("--mask-attributes", is_flag=True, help="Remove colour, gender and article words from titles.")
def main(work: Path, strip_images: bool, mask_colours: bool, mask_attributes: bool) -> None:
    """Write products.jsonl, plan.toml, queries.jsonl and qrels into WORK; the attribute columns are left out."""
    folder = data("fashion")
    with (folder / "catalogue.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["image"] and is_held_out(row["id"])]
    struck = set(json.loads((folder / "mask_words.json").read_text())["mask_drop"])
    (work / "images").mkdir(parents=True, exist_ok=True)
    with (work / "products.jsonl").open("w") as file:
        for row in rows:
            title = without_colour(row["title"], row["baseColour"]) if mask_colours else row["title"]
            if mask_attributes:
                title = masked(title, struck) or row["id"]
            product = {"id": row["id"], "title": title}
            if not (strip_images and is_without_image(row["id"])):
                shutil.copyfile(folder / row["image"], work / row["image"])
                product["image"] = row["image"]
            file.write(json.dumps(product) + "\n")
    (work / "plan.toml").write_text(PLAN)
    ids = [row["id"] for row in rows]
    queries, grades = judged(folder, ids)
    with (work / "queries.jsonl").open("w") as query_file, (work / "qrels").open("w") as qrels:
        for number, (query, grade) in enumerate(zip(queries, grades, strict=True)):
            query_file.write(json.dumps({"id": f"q{number:03d}", "query": query}) + "\n")
            for place in grade.nonzero()[0]:
                qrels.write(f"q{number:03d} 0 {ids[place]} {grade[place]}\n")


if __name__ == "__main__":
    main()
