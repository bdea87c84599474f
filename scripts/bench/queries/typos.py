"""How much of nDCG@10 is kept when each judged query has a typing error: see scripts/bench/typos."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np

from opensearch.client import OpenSearch, connect
from opensearch.understanding.plan import understand
from rerank.evaluation.intervals import bootstrap
from rerank.evaluation.metrics import keep_judged, measure_values
from rerank.evaluation.trec import Run, read_qrels
from rerank.search import embed_queries, search_with_vectors
from rerank.search_request import SearchRequest, resolve
from rerank.serving_context import ServingContext, open_context
from vitrine.store import open_store

from .errors import with_error

METRIC = "nDCG@10"
PATH = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("queries", type=PATH)
@click.argument("qrels", type=PATH)
@click.option("--index", "alias", default="chorus", show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--seeds", default=1, show_default=True, help="Average over so many seeds, from --seed on.")
@click.option("--sub-queries", help="Such as lexical.  [default: all]")
@click.option("--gain", type=click.Choice(["linear", "exp"]), default="linear", show_default=True)
@click.option("--judged-only", is_flag=True, help="Leave out products without a judgment.")
@click.option("--show", is_flag=True, help="Print every query that is not corrected back.")
def main(
    queries: Path,
    qrels: Path,
    alias: str,
    seed: int,
    seeds: int,
    sub_queries: str | None,
    gain: str,
    judged_only: bool,
    show: bool,
) -> None:
    """Print nDCG@10 of QUERIES typed correctly, with an error verbatim, and with the error corrected."""
    judged = read_qrels(qrels)
    texts = read_queries(queries)
    ids = sorted(id for id in texts if id in judged and max(judged[id].values()) > 0)
    client = connect()
    context = open_context(client, open_store(None), alias, ranked=False)
    if context.vocabulary is None:
        raise click.ClickException(f"index {alias} has no vocabulary: run `vitrine index` again")
    base = SearchRequest(order="engine", sub_queries=sub_queries)

    def ndcg(queries_: Mapping[str, str], verbatim: bool) -> np.ndarray:
        run = answers(client, context, queries_, base, verbatim)
        kept = keep_judged(judged, run) if judged_only else run
        return measure_values(judged, kept, [METRIC], ids, gain)[METRIC]  # type: ignore[arg-type]

    as_typed = {id: texts[id] for id in ids}
    correct, understood = ndcg(as_typed, True), ndcg(as_typed, False)
    verbatim, corrected = [], []
    for number in range(seed, seed + seeds):
        generator = random.Random(number)
        typed = {id: with_error(texts[id], generator) or texts[id] for id in ids}
        verbatim.append(ndcg(typed, True))
        corrected.append(ndcg(typed, False))
        if show:
            show_missed(texts, typed, context)
    click.echo(f"{alias}, {len(ids)} judged queries, {seeds} seeds, {METRIC} [95 % interval over queries]")
    line("typed correctly, verbatim", correct, correct)
    line("typed correctly, understood", understood, correct)
    line("with an error, verbatim", np.mean(verbatim, axis=0), correct)
    line("with an error, corrected", np.mean(corrected, axis=0), correct)
    show_understood(texts, context)


def show_understood(texts: Mapping[str, str], context: ServingContext) -> None:
    """Print which queries without an error are corrected, and which have constraints."""
    plans = {id: understand(text, context.schema, context.vocabulary) for id, text in texts.items()}
    changed = [plan for plan in plans.values() if plan.corrected]
    constrained = [plan for plan in plans.values() if plan.constraints]
    click.echo(f"of {len(texts)} untouched queries {len(changed)} are corrected:")
    for plan in changed:
        click.echo(f"  {plan.typed} -> {plan.words}")
    click.echo(f"and {len(constrained)} have constraints, such as:")
    for plan in constrained[:20]:
        found = ", ".join(f"{c.column} {c.op} {c.value}" for c in plan.constraints)
        click.echo(f"  {plan.typed}: {found}")


def read_queries(path: Path) -> dict[str, str]:
    """Return words by query id, from JSON lines or from lines `id<TAB>query`."""
    texts = {}
    for row in path.read_text(encoding="utf-8").splitlines():
        if row.startswith("{"):
            fields = json.loads(row)
            texts[str(fields["id"])] = str(fields["query"])
        elif row.strip():
            id, _, words = row.partition("\t")
            texts[id] = words
    return texts


def answers(
    client: OpenSearch, context: ServingContext, texts: Mapping[str, str], base: SearchRequest, verbatim: bool
) -> Run:
    """Return the first ten of each query's answer as a run."""
    requests = {}
    for id, text in texts.items():
        fields = {name: getattr(base, name) for name in base.__struct_fields__}
        requests[id] = SearchRequest(**{**fields, "query": text, "verbatim": verbatim})
    searches = [resolve(request, context.schema, None, context.vocabulary) for request in requests.values()]
    vectors = embed_queries(context, searches)
    with ThreadPoolExecutor(2) as threads:
        found = threads.map(
            lambda search, own: search_with_vectors(client, context, search, own), searches, vectors
        )
        return {
            id: {hit.id: 1 / hit.rank for hit in answer.hits}
            for id, answer in zip(requests, found, strict=True)
        }


def line(what: str, values: np.ndarray, correct: np.ndarray) -> None:
    """Print a mean with its interval, and the share of the correctly typed queries' mean."""
    mean = bootstrap(values)
    click.echo(
        f"{what:30} {mean.mean:.3f} [{mean.low:.3f}, {mean.high:.3f}]  "
        f"{values.mean() / correct.mean():7.1%} kept"
    )


def show_missed(texts: Mapping[str, str], typed: Mapping[str, str], context: ServingContext) -> None:
    """Print the queries whose error is not corrected to what was meant."""
    for id, text in typed.items():
        words = understand(text, context.schema, context.vocabulary).words
        if words.lower() != texts[id].lower():
            click.echo(f"  {texts[id]}: typed {text}, searched {words}")


if __name__ == "__main__":
    main()
