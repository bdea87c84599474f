"""The training report as a table for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_learned(result: dict[str, Any]) -> None:
    """What the tower learned, on stdout, and how to use it."""
    console = Console()
    learned = result["validation"]
    table = Table(title=f"{result['encoder']}: on {learned['products']} products kept from training")
    table.add_column("question")
    table.add_column("figure", justify="right")
    table.add_column("meaning", overflow="fold")
    table.add_row(
        "composed words find pictures", f"{learned['ndcg_at_10']:.3f}", "nDCG@10, gain 2^g-1 of g attributes"
    )
    for key, label in (
        ("words_to_picture", "a title finds its picture"),
        ("picture_to_words", "a picture its title"),
    ):
        for depth, figure in learned[key].items():
            table.add_row(label, f"{figure:.3f}", depth)
    for name, (right, commonest) in learned["attributes"].items():
        table.add_row(
            f"{name} told by words alone", f"{right:.3f}", f"right; always the commonest: {commonest:.3f}"
        )
    console.print(table)
    console.print(
        f"{result['pictures']} pictures of {result['products']} products"
        f" ({result['unreadable_pictures']} unreadable), {result['epochs']} epochs, best after {result['best_epoch']};"
        f" {result['seconds']['training']:.0f} s of training on {result['device']}."
    )
    console.print(f"Use it: vitrine index CATALOGUE --image-encoder {result['encoder']}", soft_wrap=True)
