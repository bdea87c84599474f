"""What understanding a query costs with the vocabulary of a large catalogue: see scripts/bench/understand."""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from opensearch.index.fields import ColumnFormat, FieldPlan, IndexSchema
from opensearch.understanding.plan import understand
from opensearch.understanding.vocabulary.artifact import Vocabulary
from opensearch.understanding.vocabulary.build import make_vocabulary
from opensearch.understanding.vocabulary.counts import ProductCounts

from .errors import mistyped

PLAN = FieldPlan(
    numbers=("price", "diagonal"),
    keywords=("brand", "colour", "category"),
    columns={"diagonal": ColumnFormat(unit="in")},
)
SCHEMA = IndexSchema(PLAN)
SYLLABLES = (
    "ba be bi bo bu ca ce co da de di do du fa fe fi fo ga ge go ha he hi ho ja jo ka ke ki ko la le li lo lu ma me mi "
    "mo mu na ne ni no pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we wi ya yo za ze zi bra "
    "cre dro fli gra plo pri sta ste stri tra tron lux max pro ter son ing er ed ly ness tion ment ous al ic able"
)
COLOURS = (
    "red",
    "blue",
    "green",
    "black",
    "white",
    "grey",
    "navy",
    "pink",
    "beige",
    "brown",
    "silver",
    "gold",
)
SUFFIXES = ("", "", "", "", " under 50", " size 42", " 40 inch", " between 20 and 100")


@click.command()
@click.option("--products", default=1_000_000, show_default=True)
@click.option("--words", default=500_000, show_default=True, help="Different words of the catalogue.")
@click.option("--queries", default=5_000, show_default=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Keep the vocabulary here, or use the one there."
)
def main(products: int, words: int, queries: int, folder: Path | None) -> None:
    """Print the time of `understand` by kind of query, and what opening the vocabulary costs."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        if not any(place.iterdir()):
            build(place, products, words)
        megabytes = sum(path.stat().st_size for path in place.iterdir()) / 1e6
        before = memory()
        started = time.perf_counter()
        vocabulary = Vocabulary.open(place)
        opened = time.perf_counter() - started
        started = time.perf_counter()
        understand("redd shoes under 50", SCHEMA, vocabulary)
        first = time.perf_counter() - started
        click.echo(
            f"{vocabulary.documents:,} products, {len(vocabulary.words):,} words, {megabytes:.0f} MB: opened in "
            f"{1e3 * opened:.1f} ms, the first query {1e3 * first:.1f} ms"
        )
        measure(vocabulary, queries)
        click.echo(f"memory of the process: {memory() - before:+.0f} MB, {memory():.0f} MB at most")


def build(place: Path, products: int, words: int) -> None:
    """Save the vocabulary of products whose words are drawn by Zipf's law."""
    started = time.process_time()
    counts = ProductCounts()
    for title, search, keywords in drawn(products, words):
        counts.add(title, search, keywords)
    counted = time.process_time()
    make_vocabulary(counts, "en").save(place)
    click.echo(
        f"counted in {counted - started:.0f} s and built in {time.process_time() - counted:.0f} s of processor time"
    )


def drawn(products: int, words: int) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield title, search text and keywords of drawn products."""
    generator, numbers = random.Random(7), np.random.default_rng(7)
    texts = vocabulary_words(words, generator)
    probabilities = 1 / np.arange(1, words + 1) ** 1.05
    cumulative = np.cumsum(probabilities / probabilities.sum())
    for start in range(0, products, 10_000):
        count = min(10_000, products - start)
        chosen = np.searchsorted(cumulative, numbers.random((count, 24))).clip(max=words - 1)
        for row in chosen.tolist():
            own = [texts[place] for place in row]
            colour, brand = generator.choice(COLOURS), texts[row[0] % 5_000]
            yield (
                f"{brand} {colour} {' '.join(own[:6])}",
                " ".join(own),
                {
                    "brand": brand,
                    "colour": colour,
                    "category": f"{texts[row[1] % 300]} {texts[row[2] % 40]}",
                },
            )


def vocabulary_words(words: int, generator: random.Random) -> list[str]:
    """Return different words made of syllables."""
    found: dict[str, None] = dict.fromkeys(["shoes", "dress", "lamp", "phone", "table"])
    syllables = SYLLABLES.split()
    while len(found) < words:
        found["".join(generator.choices(syllables, k=generator.choice((1, 2, 2, 3, 3, 4))))] = None
        found["".join(generator.choices(syllables, k=4))] = None
    return list(found)[:words]


def measure(vocabulary: Vocabulary, queries: int) -> None:
    """Print the median and the 95th percentile of queries typed correctly, and of those with an error."""
    generator = random.Random(3)
    counts = np.asarray(vocabulary.saved["words.titles"], dtype=np.float64)
    ids = np.random.default_rng(3).choice(len(counts), size=(queries, 4), p=counts / counts.sum())
    correct: list[str] = []
    typed: list[str] = []
    for row in ids.tolist():
        own = [vocabulary.words.text(id) for id in row[: generator.choice((1, 2, 2, 3, 3, 4))]]
        suffix = generator.choice(SUFFIXES)
        longest = max(range(len(own)), key=lambda place: len(own[place]))
        wrong = [mistyped(w, generator) if n == longest and len(w) > 3 else w for n, w in enumerate(own)]
        correct.append(" ".join(own) + suffix)
        typed.append(" ".join(wrong) + suffix)
    for name, lines in (("typed correctly", correct), ("with an error", typed)):
        clock, processor, fixed = [], [], 0
        for line in lines:
            started, busy = time.perf_counter(), time.thread_time()
            plan = understand(line, SCHEMA, vocabulary)
            processor.append(time.thread_time() - busy)
            clock.append(time.perf_counter() - started)
            fixed += plan.corrected is not None
        middle, high = np.percentile(clock, [50, 95]) * 1e3
        own_middle, own_high = np.percentile(processor, [50, 95]) * 1e3
        click.echo(
            f"{name}: median {middle:.3f} ms, 95th percentile {high:.3f} ms (processor time {own_middle:.3f} and "
            f"{own_high:.3f} ms); {fixed / len(lines):.1%} corrected"
        )


def memory() -> float:
    """Return the largest memory of this process so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
