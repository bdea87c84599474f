"""The training report as a table."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_metrics(result: dict[str, Any]) -> None:
    """Print the validation metrics on stdout, and the next command."""
    console = Console()
    metrics = result["validation"]
    table = Table(title=f"{result['encoder']}: on {metrics['products']} held-out products")
    table.add_column("task")
    table.add_column("value", justify="right")
    table.add_column("meaning", overflow="fold")
    table.add_row(
        "captions find images", f"{metrics['ndcg_at_10']:.3f}", "nDCG@10, gain 2^g-1 of g attributes"
    )
    for key, label in (
        ("title_to_image", "a title finds its image"),
        ("image_to_title", "an image finds its title"),
    ):
        for depth, value in metrics[key].items():
            table.add_row(label, f"{value:.3f}", depth)
    for name, (accuracy, most_frequent) in metrics["attributes"].items():
        table.add_row(
            f"{name} predicted", f"{accuracy:.3f}", f"accuracy; most frequent value: {most_frequent:.3f}"
        )
    console.print(table)
    console.print(
        f"{result['images']} images of {result['products']} products"
        f" ({result['unreadable_images']} unreadable), {result['epochs']} epochs, best after {result['best_epoch']};"
        f" {result['seconds']['training']:.0f} s of training on {result['device']}."
    )
    console.print(f"Use it: vitrine index CATALOGUE --image-encoder {result['encoder']}", soft_wrap=True)
