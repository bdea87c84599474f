"""Fashion: titles with every colour, gender and article word masked, so that only the photo can answer."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from encoders.image import open_image_encoder
from encoders.protocol import FloatArray, TextEncoder
from encoders.text import open_text_encoder
from rerank.evaluation.intervals import bootstrap
from vitrine.store import open_store

from .common import data, image_vectors, ndcg_at_10, train
from .shifted import is_kept_back, shifted_queries, shifted_split

PLAN = """[fields]
id = "id"
title = "title"
images = ["image"]
keywords = ["gender", "subCategory", "articleType", "baseColour", "usage"]
language = "en"
"""


def is_held_out(identity: str) -> bool:
    """A fifth of the products, by a hash of the id; no tower measured here was trained on them."""
    return int(hashlib.sha256(identity.encode()).hexdigest(), 16) % 5 == 0


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(out: Path, options: tuple[str, ...]) -> None:
    """Train into OUT with the other products, measure on the held-out ones; figures as a table and in OUT.json."""
    folder = data("fashion")
    with (folder / "catalogue.csv").open(newline="", encoding="utf-8") as file:
        products = [row for row in csv.DictReader(file) if row["image"]]
    kept_back = is_kept_back(products)
    known = [row for row in products if not is_held_out(row["id"]) and not kept_back(row)]
    train_tower(folder, known, out, options)
    figures = measure(folder, [row for row in products if is_held_out(row["id"])], out)
    figures["shifted"] = measure_shifted(folder, shifted_split(products, is_held_out), out)
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    show(figures)


def train_tower(folder: Path, products: list[dict[str, str]], out: Path, options: tuple[str, ...]) -> None:
    """Train on a catalogue of these products alone, in a temporary folder."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        (work / "images").mkdir()
        for row in products:
            shutil.copyfile(folder / row["image"], work / row["image"])
        with (work / "train.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(products[0]))
            writer.writeheader()
            writer.writerows(products)
        (work / "plan.toml").write_text(PLAN)
        train(work / "train.csv", work / "plan.toml", out, options)


def measure(folder: Path, products: list[dict[str, str]], out: Path) -> dict[str, Any]:
    """Figures of the tower in `out` over these products."""
    store = open_store()
    tower = open_image_encoder(str(out), store)
    words = open_text_encoder(tower.query_encoder, store)
    images = image_vectors(tower, [folder / row["image"] for row in products])
    mask_words = set(json.loads((folder / "mask_words.json").read_text())["mask_drop"])
    views = {
        "full": words.encode([row["title"] for row in products]),
        "masked": words.encode([masked(row["title"], mask_words) for row in products]),
    }
    texts, grades = judged(folder, [row["id"] for row in products])
    queries = words.encode_queries(texts)
    by_image = queries @ images.T
    systems = {"photo alone": by_image}
    for view, titles in views.items():
        by_words = queries @ titles.T
        systems[f"{view} title"] = by_words
        systems[f"{view} title and photo"] = min_max(by_words) + min_max(by_image)
    per_query = {
        name: np.array([ndcg_at_10(s, np.exp2(g) - 1.0) for s, g in zip(scores, grades, strict=True)])
        for name, scores in systems.items()
    }
    return {
        "tower": tower.name,
        "products": len(products),
        "queries": len(queries),
        "ndcg_at_10": {name: vars(bootstrap(values)) for name, values in per_query.items()},
        "attribute_accuracy": {
            name: attribute_accuracy(images, words, products, name)
            for name in ("articleType", "baseColour", "gender")
        },
        "kagl": {name: kagl(folder, name, [row["id"] for row in products], images, words) for name in KAGL},
        "training": json.loads((out / "report.json").read_text())["seconds"],
    }


def measure_shifted(folder: Path, products: list[dict[str, str]], out: Path) -> dict[str, Any]:
    """Figures of the photo alone over the split of `shifted`."""
    tower = open_image_encoder(str(out), open_store())
    words = open_text_encoder(tower.query_encoder, open_store())
    images = image_vectors(tower, [folder / row["image"] for row in products])
    texts, grades = shifted_queries(products)
    scores = words.encode_queries(texts) @ images.T
    values = [ndcg_at_10(s, np.exp2(g) - 1.0) for s, g in zip(scores, grades, strict=True)]
    return {
        "products": len(products),
        "queries": len(texts),
        "ndcg_at_10": vars(bootstrap(np.array(values))),
        "attribute_accuracy": {
            name: attribute_accuracy(images, words, products, name)
            for name in ("articleType", "baseColour", "gender")
        },
    }


def judged(folder: Path, ids: list[str]) -> tuple[list[str], list[NDArray[np.int64]]]:
    """The queries that have an answer among `ids`, and the grade of every product for each."""
    place = {identity: row for row, identity in enumerate(ids)}
    texts, grades = [], []
    for line in (folder / "attribute_queries.jsonl").read_text().splitlines():
        query = json.loads(line)
        grade = np.zeros(len(ids), dtype=np.int64)
        for identity, value in query["qrels"].items():
            if identity in place:
                grade[place[identity]] = value
        if grade.any():
            texts.append(query["query"])
            grades.append(grade)
    return texts, grades


def masked(title: str, struck: set[str]) -> str:
    return " ".join(word for word in title.split() if re.sub(r"[^\w’'-]", "", word).casefold() not in struck)


def min_max(scores: FloatArray) -> FloatArray:
    """Each query's scores scaled to [0, 1], as by the engine's min-max normalization."""
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    scaled: FloatArray = (scores - low) / (high - low)
    return scaled


def attribute_accuracy(
    images: FloatArray, words: TextEncoder, products: list[dict[str, str]], column: str
) -> float:
    """The share of images that are nearest to their own value of a column."""
    values = sorted({row[column] for row in products})
    template = {"gender": "for {}"}.get(column, "{}")
    prompts = words.encode_queries([template.format(value.casefold()) for value in values])
    nearest = (images @ prompts.T).argmax(axis=1)
    return float(
        np.mean([values[index] == row[column] for index, row in zip(nearest, products, strict=True)])
    )


KAGL = ("category3", "baseColour")


def kagl(folder: Path, name: str, ids: list[str], images: FloatArray, words: TextEncoder) -> dict[str, float]:
    """P@1, P@10 and MRR of the published class queries over the held-out photos (a smaller pool than published)."""
    truth = json.loads((folder / "kagl_gt" / f"ground_truth_{name}-image+text.json").read_text())
    relevant = {
        query: np.array([identity in matches for identity in ids]) for query, matches in truth.items()
    }
    queries = [query for query, mask in relevant.items() if mask.any()]
    order = np.argsort(
        -(words.encode_queries([query.casefold() for query in queries]) @ images.T), axis=1, kind="stable"
    )
    hits = np.stack([relevant[query][row] for query, row in zip(queries, order, strict=True)])
    return {
        "queries": len(queries),
        "P@1": float(hits[:, 0].mean()),
        "P@10": float(hits[:, :10].mean()),
        "MRR": float((1 / (hits.argmax(axis=1) + 1)).mean()),
    }


def show(figures: dict[str, Any]) -> None:
    console = Console()
    table = Table(
        title=f"{figures['tower']}: {figures['queries']} attribute queries, {figures['products']} held-out products"
    )
    for column in ("ranked by", "nDCG@10", "95 % interval"):
        table.add_column(column)
    for name, interval in figures["ndcg_at_10"].items():
        table.add_row(
            name,
            f"{interval['mean']:.3f}",
            f"{interval['low']:.3f} to {interval['high']:.3f}",
        )
    console.print(table)
    accuracies = ", ".join(f"{name} {value:.3f}" for name, value in figures["attribute_accuracy"].items())
    console.print(f"attributes predicted from the photo: {accuracies}")
    for name, measures in figures["kagl"].items():
        text = ", ".join(f"{key} {value:.3f}" for key, value in measures.items() if key != "queries")
        console.print(f"KAGL {name} ({measures['queries']} queries, this pool only): {text}")
    shifted = figures["shifted"]
    interval = shifted["ndcg_at_10"]
    accuracies = ", ".join(f"{name} {value:.3f}" for name, value in shifted["attribute_accuracy"].items())
    console.print(
        f"other classes than in training ({shifted['queries']} queries, {shifted['products']} products): photo alone "
        f"{interval['mean']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]; {accuracies}"
    )


if __name__ == "__main__":
    main()
