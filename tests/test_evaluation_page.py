"""The evaluation report as a page: readings and score quality by hand, catalogue text as text, a run over an index."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.rerank_index import (
    COLOURS,
    create_rerank_index,
    delete_rerank_index,
    drop_pointer,
    neural_artifacts,
    picture,
    products,
)

from opensearch.logs.pointer import swap_pointer
from rerank.evaluation.page.content import AblationRun, Material, report_content
from rerank.evaluation.page.render import render_page
from rerank.evaluation.page.thumbnails import ProductCard
from rerank.evaluation.readings import READINGS, judged_pool, share_judged
from rerank.evaluation.relevance import auc_by_query, judged_scores, reliability, score_quality
from rerank.evaluation.trec import Qrels, Run
from vitrine.cli import main
from vitrine.store import ArtifactSet, Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

VOID = {"meta", "img", "br", "link", "hr"}
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


class Page(HTMLParser):
    """The elements of a page; it fails on one that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def test_the_three_readings_by_hand() -> None:
    qrels: Qrels = {"q": {"a": 2, "b": 0, "c": 1, "d": 0}, "not run": {"a": 1}}
    run: Run = {"q": {"x": 9.0, "c": 8.0, "y": 7.0, "b": 6.0}, "not judged": {"a": 1.0}}
    read = {name: reading.apply(qrels, run) for name, reading in READINGS.items()}
    assert read["unjudged as wrong"] == run
    assert read["judged only"]["q"] == {"c": 8.0, "b": 6.0}
    # the two that were not retrieved come last, the worse one first
    assert read["judged pool"] == {"q": {"c": 0.0, "b": -1.0, "d": -2.0, "a": -3.0}}
    assert judged_pool(qrels, {}) == {}
    assert share_judged(qrels, run) == 0.5
    assert share_judged(qrels, run, depth=2) == 0.5


def test_auc_and_reliability_by_hand() -> None:
    qrels: Qrels = {"q": {"a": 2, "b": 0, "c": 1, "d": 0}, "r": {"a": 1, "b": 1}}
    judged = judged_scores(qrels, {"q": {"a": 5.0, "b": 4.0, "c": 1.0}, "r": {"a": 2.0}})
    assert judged.scores.tolist() == [1.0, 0.75, 0.0, -0.1, 0.0, -0.1]
    assert judged.relevant.tolist() == [True, False, True, False, True, True]
    # of the pairs (a, b), (a, d), (c, b), (c, d) of q only (c, b) is the wrong way round; r has no pair
    assert auc_by_query(judged).tolist() == [0.75]
    assert judged_scores(qrels, {"q": {"a": 1.0}}, relevant=2).relevant.tolist() == [
        True,
        False,
        False,
        False,
    ]
    low, high = reliability(np.array([0.1, 0.15, 0.95, 1.0]), np.array([False, True, True, True]))
    assert (low.predicted, low.observed, low.count) == (0.125, 0.5, 2)
    assert (high.predicted, high.observed, high.count) == (0.975, 1.0, 2)


def separable(queries: int = 10) -> tuple[Qrels, Run]:
    """Judgments that the scores of a run predict without error, at another scale in each query."""
    qrels = {f"q{n}": {"a": 1, "b": 1, "c": 0, "d": 0} for n in range(queries)}
    run = {f"q{n}": {"a": 10.0 + n, "b": 9.5 + n, "c": 1.0 + n, "d": 0.0 + n} for n in range(queries)}
    return qrels, run


def test_scores_that_tell_relevance_apart_have_no_error_and_constant_ones_the_base_rate() -> None:
    qrels, run = separable()
    quality = score_quality(judged_scores(qrels, run))
    assert quality is not None
    figures = (quality.auc, quality.average_precision, quality.accuracy, quality.f1, quality.precision)
    assert figures == (1.0, 1.0, 1.0, 1.0, 1.0)
    assert (quality.brier, quality.calibration_error) == (0.0, 0.0)
    constant = score_quality(judged_scores(qrels, {q: dict.fromkeys("abcd", 1.0) for q in qrels}))
    assert constant is not None
    assert (constant.auc, constant.average_precision, constant.brier) == (0.5, 0.5, 0.25)
    assert constant.calibration_error == 0.0


def test_score_quality_needs_products_of_both_kinds_and_two_queries() -> None:
    qrels, run = separable(1)
    assert score_quality(judged_scores(qrels, run)) is None
    assert score_quality(judged_scores({q: {"a": 1} for q in "qr"}, {q: {"a": 1.0} for q in "qr"})) is None


HOSTILE = "<script>alert('x')</script> $\\frac{a}{b}$ & \"quotes\" \u202e"


def hostile_page() -> str:
    qrels, run = separable()
    reverse = {query: {product: -score for product, score in scores.items()} for query, scores in run.items()}
    material = Material(
        qrels,
        {"first": run, HOSTILE: reverse},
        ["nDCG@10", "RR@10"],
        ablations=[AblationRun(HOSTILE, "first", reverse)],
        words={"q1": HOSTILE},
    )
    cards = {"a": ProductCard(HOSTILE, "data:image/jpeg;base64,AAAA")}
    return render_page(report_content(material), NOW, cards, subject=HOSTILE)


def test_text_of_a_catalogue_is_text_and_the_page_loads_nothing() -> None:
    text = hostile_page()
    page = Page(text)
    assert page.words.count("<script>alert") > 10
    tags = Counter(tag for tag, _ in page.tags)
    assert not tags.keys() & {"script", "iframe", "object", "embed", "form", "link", "base"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:image/jpeg;base64,", "#")) or not value, (tag, value)
    assert "url(http" not in text
    assert "default-src 'none'" in text
    ids = Counter(attributes["id"] for tag, attributes in page.tags if tag == "clippath")
    assert ids
    assert set(ids.values()) == {1}
    used = set(re.findall(r"url\(#([^)]+)\)", text))
    assert used <= ids.keys()
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawn) == 7
    assert not re.search(r":\s*#[0-9a-f]{6}", "".join(drawn))  # every colour is one of the page


def test_the_page_names_what_was_measured() -> None:
    words = Page(hostile_page()).words
    assert "is worse than first." in words
    assert "0 won , 10 lost , 0 equal" in words
    for name in (
        *READINGS,
        "AUC",
        "accuracy",
        "F1",
        "Brier score",
        "average precision",
        "Ablation",
        "Reliability",
    ):
        assert name in words


def test_one_run_gives_a_page_without_comparison(tmp_path: Path) -> None:
    qrels, run = separable()
    lines = [f"{query} 0 {product} {grade}" for query in qrels for product, grade in qrels[query].items()]
    (tmp_path / "qrels").write_text("\n".join(lines))
    rows = [f"{query} Q0 {product} 1 {score} t" for query in run for product, score in run[query].items()]
    (tmp_path / "bm25.trec").write_text("\n".join(rows))
    arguments = ["evaluate", "--qrels", str(tmp_path / "qrels"), "--run", str(tmp_path / "bm25.trec")]
    result = CliRunner().invoke(main, [*arguments, "--html", str(tmp_path / "report.html")])
    assert result.exit_code == 0, result.output
    page = Page((tmp_path / "report.html").read_text())
    assert "bm25: nDCG@10 1.000" in page.words
    assert "Wins and losses" not in page.words
    refused = CliRunner().invoke(main, [*arguments, "--html", str(tmp_path / "no" / "report.html")])
    assert refused.exit_code == 2
    assert "cannot be written: No such file or directory" in refused.stderr
    nothing = CliRunner().invoke(main, arguments[:3])
    assert nothing.exit_code == 2
    assert "--queries FILE" in nothing.stderr


@pytest.fixture(scope="module")
def reported(
    engine: OpenSearch, engine_url: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """The report of a live index with a neural model, and the command's answer."""
    folder = tmp_path_factory.mktemp("report")
    store = Store(str(tmp_path_factory.mktemp("store")))
    alias, schema = create_rerank_index(engine, store)
    swap_pointer(engine, alias, ArtifactSet(**neural_artifacts(store, schema, folder)))
    catalogue = list(products())
    for number, product in enumerate(catalogue):
        if product.get("images"):
            picture(list(COLOURS)[number // 12]).resize((200, 100)).save(folder / f"{number}.png")
    with (folder / "queries.jsonl").open("w") as queries, (folder / "qrels").open("w") as judgments:
        for colour in COLOURS:
            for thing in ("shoes", "bag", "lamp"):
                queries.write(json.dumps({"id": f"{colour}-{thing}", "query": f"{colour} {thing}"}) + "\n")
                for number, product in enumerate(catalogue):
                    of_kind = product["keywords"]["thing"] == thing
                    grade = of_kind + (list(COLOURS)[number // 12] == colour) - 1
                    if number % 5 and grade >= 0:
                        judgments.write(f"{colour}-{thing} 0 {product['id']} {grade}\n")
    arguments = [
        "evaluate", "--qrels", str(folder / "qrels"), "--queries", str(folder / "queries.jsonl"), "--index", alias,
        "--url", engine_url, "--store", store.url, "--image-folder", str(folder),
        "--html", str(folder / "report.html"), "--json",
    ]  # fmt: skip
    result = CliRunner().invoke(main, arguments)
    delete_rerank_index(engine, alias)
    drop_pointer(engine, alias)
    assert result.exit_code == 0, result.output
    return folder / "report.html", json.loads(result.stdout)


@pytest.mark.live
def test_a_report_of_a_live_index_has_the_figures_the_images_and_the_ablation(
    reported: tuple[Path, Any],
) -> None:
    path, figures = reported
    page = Page(path.read_text())
    assert [run["name"] for run in figures["runs"]] == ["engine order", "reranked"]
    for run in figures["runs"]:
        for measure in figures["measures"]:
            assert f"{run['means'][measure]['mean']:.3f}" in page.words
    left_out = re.findall(
        r"(the \w+ sub-query|text|image|numbers|behaviour) (engine order|reranked) [+−]0", page.words
    )
    assert left_out == [
        *((f"the {name} sub-query", "engine order") for name in ("lexical", "text", "image")),
        *((name, "reranked") for name in ("text", "image", "numbers", "behaviour")),
    ]
    sources = [a["src"] for tag, a in page.tags if tag == "img" and a.get("src")]
    assert len(sources) > 10
    colours = set()
    for source in sources:
        assert source is not None
        image = Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))))
        assert image.size == (120, 60)
        colours.add(tuple(round(value / 255) for value in np.asarray(image).mean(axis=(0, 1))))
    assert colours <= {(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)}
    assert len(colours) > 1
    assert "no image" in page.words  # a third of the products has none
    assert path.stat().st_size < 2_000_000


@pytest.mark.live
@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_a_browser_draws_the_report(reported: tuple[Path, Any], tmp_path: Path) -> None:
    path, _ = reported
    shot = tmp_path / "shot.png"
    subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1080,2400", f"--screenshot={shot}", path.as_uri(),
        ],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    assert pixels.shape[:2] == (2400, 1080)
    saturated = np.ptp(pixels, axis=2) > 60  # plots, badges and images
    assert saturated[:1200].sum() > 500
    assert saturated[1200:].sum() > 500
