"""`vitrine evaluate`: measures against numbers worked by hand, intervals, and the error messages for bad input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import log2
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rerank.arrays import DoubleArray
from rerank.evaluation import intervals, metrics, report, trec
from vitrine.cli import main
from vitrine.errors import JudgmentError

# One query, grades a=3 b=2 c=1, ranked b, x, a: the gains by rank are 2, 0, 3 and ideally 3, 2, 1.
QRELS = {"q": {"a": 3, "b": 2, "c": 1, "d": 0}}
RUN = {"q": {"b": 9.0, "x": 8.0, "a": 7.0}}


def test_ndcg_with_linear_gain() -> None:
    dcg = 2 / log2(2) + 0 / log2(3) + 3 / log2(4)  # 3.5
    ideal = 3 / log2(2) + 2 / log2(3) + 1 / log2(4)  # 4.7618595
    values = metrics.measure_values(QRELS, RUN, ["nDCG@10"], ["q"])
    assert dcg == 3.5
    assert values["nDCG@10"] == pytest.approx([dcg / ideal], abs=1e-9)


def test_ndcg_with_exponential_gain() -> None:
    dcg = 3 / log2(2) + 7 / log2(4)  # 2^2-1 at rank 1, 2^3-1 at rank 3: 6.5
    ideal = 7 / log2(2) + 3 / log2(3) + 1 / log2(4)
    values = metrics.measure_values(QRELS, RUN, ["nDCG@10"], ["q"], gain="exp")
    assert dcg == 6.5
    assert values["nDCG@10"] == pytest.approx([dcg / ideal], abs=1e-9)


def test_other_measures_by_hand() -> None:
    values = metrics.measure_values(QRELS, RUN, ["RR@10", "P@2", "R@3", "AP"], ["q"])
    assert values["RR@10"] == pytest.approx([1.0])
    assert values["P@2"] == pytest.approx([0.5])
    assert values["R@3"] == pytest.approx([2 / 3])
    assert values["AP"] == pytest.approx([(1 / 1 + 2 / 3) / 3])


def test_judged_only_removes_products_without_a_judgment() -> None:
    dcg = 2 / log2(2) + 3 / log2(3)  # x is gone, a moves up to rank 2
    ideal = 3 / log2(2) + 2 / log2(3) + 1 / log2(4)
    values = metrics.measure_values(QRELS, metrics.keep_judged(QRELS, RUN), ["nDCG@10"], ["q"])
    assert values["nDCG@10"] == pytest.approx([dcg / ideal], abs=1e-9)


def test_a_query_that_the_run_leaves_out_counts_zero_and_is_named() -> None:
    qrels = {**QRELS, "r": {"a": 1}}
    run = {**RUN, "other": {"a": 1.0}}
    (result,) = report.evaluate_runs(qrels, {"one": run}, ["RR@10"]).runs
    assert result.means["RR@10"].mean == pytest.approx(0.5)
    assert result.missing == ("r",)
    assert result.unjudged == ("other",)


def test_a_query_without_relevant_products_is_left_out_and_named() -> None:
    evaluation = report.evaluate_runs(
        {**QRELS, "r": {"a": 0, "b": -1}}, {"one": {**RUN, "r": {"a": 1.0}}}, ["RR@10"]
    )
    assert evaluation.runs[0].means["RR@10"].mean == 1.0
    assert (evaluation.queries, evaluation.without_relevant) == (1, ("r",))
    with pytest.raises(JudgmentError, match="none of the 1 judged queries has a product graded above 0"):
        report.evaluate_runs({"r": {"a": 0}}, {"one": RUN}, ["RR@10"])


def test_difference_is_paired_with_the_first_run() -> None:
    qrels = {f"q{i}": {"a": 1} for i in range(20)}
    worse = {query: {"x": 2.0, "a": 1.0} for query in qrels}
    better = {query: {"a": 1.0} for query in qrels}
    first, second = report.evaluate_runs(qrels, {"worse": worse, "better": better}, ["RR@10"]).runs
    assert first.differences is None
    assert second.differences is not None
    assert second.differences["RR@10"] == intervals.Interval(0.5, 0.5, 0.5)
    assert second.differences["RR@10"].excludes_zero


def test_bootstrap_agrees_with_the_normal_interval() -> None:
    sample = np.random.default_rng(3).normal(0.3, 1.0, size=400)
    half = 1.96 * sample.std() / 20  # the central limit for a mean of 400
    interval = intervals.bootstrap(sample)
    assert interval.mean == pytest.approx(sample.mean())
    assert interval.low == pytest.approx(sample.mean() - half, abs=0.01)
    assert interval.high == pytest.approx(sample.mean() + half, abs=0.01)
    assert intervals.bootstrap(sample) == interval


def test_one_value_has_an_interval_of_width_zero_and_no_value_has_none() -> None:
    assert intervals.bootstrap(np.array([0.25])) == intervals.Interval(0.25, 0.25, 0.25)
    with pytest.raises(ValueError, match="no values"):
        intervals.bootstrap(np.array([]))


ids = st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=5), min_size=1, unique=True)


@given(ids)
def test_a_written_run_reads_back_in_order(products: list[str]) -> None:
    lines = [line.split() for line in trec.run_lines("q1", products, "t")]
    read = sorted(lines, key=lambda parts: (-float(parts[4]), parts[2]))
    assert [parts[2] for parts in read] == products
    assert [int(parts[3]) for parts in read] == list(range(1, len(products) + 1))


def test_an_id_with_a_space_is_refused() -> None:
    with pytest.raises(JudgmentError, match="'a b' is empty or contains white space"):
        list(trec.run_lines("q", ["a b"], "t"))


def arguments_for(folder: Path, qrels: str, run: str) -> list[str]:
    (folder / "q").write_text(qrels)
    (folder / "r").write_text(run)
    return ["evaluate", "--qrels", str(folder / "q"), "--run", str(folder / "r")]


def test_command_prints_json(tmp_path: Path) -> None:
    arguments = arguments_for(
        tmp_path, "q 0 a 3\nq 0 b 2\nq 0 c 1\n", "q Q0 b 1 9 t\nq Q0 x 2 8 t\nq Q0 a 3 7 t\n"
    )
    result = CliRunner().invoke(main, [*arguments, "--measure", "nDCG@10", "--json"])
    assert result.exit_code == 0, result.output
    (run,) = json.loads(result.stdout)["runs"]
    assert run["means"]["nDCG@10"]["mean"] == pytest.approx(3.5 / (3 + 2 / log2(3) + 0.5))


def test_command_prints_a_table_with_differences(tmp_path: Path) -> None:
    arguments = arguments_for(tmp_path, "q 0 a 1\nr 0 a 1\n", "q Q0 a 1 9 t\n")
    (tmp_path / "second").write_text("q Q0 x 1 9 t\nq Q0 a 2 8 t\nr Q0 a 1 9 t\n")
    result = CliRunner().invoke(main, [*arguments, "--run", str(tmp_path / "second")])
    assert result.exit_code == 0, result.output
    assert "0.5000 [0.0000, 1.0000]" in result.stdout
    assert "+0.2500" in result.stdout  # ((1/2 + 1) - (1 + 0)) / 2
    assert "1 of 2 judged queries are not in the run and count zero, such as r" in result.stderr


@pytest.mark.parametrize(
    ("qrels", "run", "message"),
    [
        ("q 0 a 1\n", "q Q0 a 1 9\n", "line 1: found 5 columns, expected 6"),
        ("q 0 a 1\nq a\n", "q Q0 a 1 9 t\n", "line 2: found 2 columns, expected 4"),
        ("q 0 a good\n", "q Q0 a 1 9 t\n", "grade 'good' is not a whole number"),
        ("q 0 a 1.5\n", "q Q0 a 1 9 t\n", "grade '1.5' is not a whole number"),
        ("q 0 a 1\nq 0 a 2\n", "q Q0 a 1 9 t\n", "line 2: product 'a' is graded twice"),
        ("q 0 a 1\n\nq 0 b good\n", "q Q0 a 1 9 t\n", "line 3: grade 'good'"),
        ("q 0 a inf\n", "q Q0 a 1 9 t\n", "grade 'inf' is not a whole number"),
        ("q 0 a 1\n", "q Q0 a 1 nan t\n", "line 1: score 'nan' is not a finite number"),
        ("q 0 a 1\n", "q Q0 a 1 best t\n", "line 1: score 'best' is not a finite number"),
        ("q 0 a 1\n", "q Q0 a 1 9 t\nq Q0 a 2 8 t\n", "line 2: product 'a' is listed twice"),
        ("q 0 a 1\n", "z Q0 a 1 9 t\n", "share no query"),
        ("", "q Q0 a 1 9 t\n", "has no judgments"),
        ("q 0 a 1\n", "\n", "has no results"),
    ],
)
def test_a_bad_file_is_an_error_message_with_the_line(
    tmp_path: Path, qrels: str, run: str, message: str
) -> None:
    result = CliRunner().invoke(main, arguments_for(tmp_path, qrels, run))
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_a_missing_file_and_an_unknown_measure_are_error_messages(tmp_path: Path) -> None:
    arguments = arguments_for(tmp_path, "q 0 a 1\n", "q Q0 a 1 9 t\n")
    unknown = CliRunner().invoke(main, [*arguments, "--measure", "goodness@10"])
    assert unknown.exit_code == 2
    assert "measure 'goodness@10' is not known" in unknown.stderr
    (tmp_path / "r").unlink()
    missing = CliRunner().invoke(main, arguments)
    assert missing.exit_code == 2
    assert "cannot be read: No such file or directory" in missing.stderr


def test_a_file_that_is_not_text_is_an_error_message(tmp_path: Path) -> None:
    (tmp_path / "q").write_bytes(b"\xff\xfe q 0 a 1")
    with pytest.raises(JudgmentError, match="is not UTF-8 text"):
        trec.read_qrels(tmp_path / "q")


def test_a_new_measure_is_one_entry_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def results(qrels: trec.Qrels, run: trec.Run, queries: Sequence[str], gain: metrics.Gain) -> DoubleArray:
        return np.array([float(len(run.get(query, {}))) for query in queries])

    monkeypatch.setitem(metrics.METRICS, "results", metrics.Measure("number of results", results))
    arguments = arguments_for(tmp_path, "q 0 a 1\n", "q Q0 a 1 9 t\nq Q0 b 2 8 t\n")
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["measures"] == [*metrics.METRICS]
    assert report["runs"][0]["means"]["results"] == {"mean": 2.0, "low": 2.0, "high": 2.0}


def test_help_describes_every_measure_of_the_table() -> None:
    text = " ".join(CliRunner().invoke(main, ["evaluate", "--help"]).output.split())
    assert [
        name for name, measure in metrics.METRICS.items() if f"{name}: {measure.description}" not in text
    ] == []
