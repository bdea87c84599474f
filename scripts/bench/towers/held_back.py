"""The fashion products that no tower here saw, as a catalogue with queries and ratings to index and search."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import click

from encoders.training.captions import COLOURS

from .course import data
from .fashion import is_held_back, judged

PLAN = """[fields]
id = "id"
title = "title"
images = ["image"]
language = "en"
"""


def is_stripped(identity: str) -> bool:
    """A fifth of the products, by a hash that has nothing to do with what is held back."""
    return int(hashlib.sha256(f"stripped:{identity}".encode()).hexdigest(), 16) % 5 == 0


def uncoloured(title: str, colour: str) -> str:
    """A title without its product's colour and without any other word for a colour."""
    struck = COLOURS | set(colour.casefold().split())
    return " ".join(word for word in title.split() if re.sub(r"[^\w'-]", "", word).casefold() not in struck)


@click.command()
@click.argument("work", type=click.Path(file_okay=False, path_type=Path))
@click.option("--strip-pictures", is_flag=True, help="A fifth of the products has no picture.")
@click.option("--strike-colours", is_flag=True, help="Titles do not say the colour.")
def main(work: Path, strip_pictures: bool, strike_colours: bool) -> None:
    """Write products.jsonl, plan.toml, queries.jsonl and qrels into WORK; the attribute columns are left out."""
    folder = data("fashion")
    with (folder / "catalogue.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["image"] and is_held_back(row["id"])]
    (work / "images").mkdir(parents=True, exist_ok=True)
    with (work / "products.jsonl").open("w") as file:
        for row in rows:
            title = uncoloured(row["title"], row["baseColour"]) if strike_colours else row["title"]
            product = {"id": row["id"], "title": title}
            if not (strip_pictures and is_stripped(row["id"])):
                shutil.copyfile(folder / row["image"], work / row["image"])
                product["image"] = row["image"]
            file.write(json.dumps(product) + "\n")
    (work / "plan.toml").write_text(PLAN)
    ids = [row["id"] for row in rows]
    queries, grades = judged(folder, ids)
    with (work / "queries.jsonl").open("w") as asked, (work / "qrels").open("w") as rated:
        for number, (query, grade) in enumerate(zip(queries, grades, strict=True)):
            asked.write(json.dumps({"id": f"q{number:03d}", "query": query}) + "\n")
            for place in grade.nonzero()[0]:
                rated.write(f"q{number:03d} 0 {ids[place]} {grade[place]}\n")


if __name__ == "__main__":
    main()
