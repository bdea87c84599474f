"""The report of a load: counts, exit status, the table on stderr, and the file of rejected rows and images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexer.catalogue.product import DroppedCell
from indexer.catalogue.reader import BadRow
from indexer.commands.index_tables import print_report
from indexer.load.report import LoadReport, RejectedRows
from vitrine.errors import CatalogueError


def report() -> LoadReport:
    loaded = LoadReport(
        index="shop-1",
        read=10,
        indexed=4,
        updated=1,
        unchanged=2,
        rejected=2,
        failed=1,
        published=True,
        seconds=2,
    )
    loaded.add_dropped_cell(3, DroppedCell("price", "'N/A' is not a number"))
    loaded.add_dropped_cell(5, DroppedCell("price", "'?' is not a number"))
    return loaded


def test_every_row_has_one_outcome() -> None:
    assert report().settled == 10
    assert report().rows_per_second == 5


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"published": True}, 0),
        ({"published": False}, 1),
        ({"published": True, "rejected": 1}, 1),
        ({"published": True, "failed": 1}, 1),
        ({"published": True, "stopped": "the engine is gone"}, 1),
    ],
)
def test_the_exit_status_is_one_when_something_failed(values: dict[str, int | str], code: int) -> None:
    assert LoadReport(**values).exit_code == code  # type: ignore[arg-type]


def test_the_report_is_written_as_json() -> None:
    values = json.loads(json.dumps(report().to_dict()))
    assert values["cells_dropped"] == {"price": 2}
    assert values["dropped_cell_examples"] == {"price": "line 3: 'N/A' is not a number"}
    assert values["rows_per_second"] == 5


def test_the_table_has_the_counts_and_leaves_out_those_that_are_zero(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_report(report(), "shop")
    captured = capsys.readouterr()
    assert captured.out == ""
    text = " ".join(captured.err.split())
    assert "10 │ rows read" in text
    assert "4 │ products new in the index" in text
    assert "0 │ image vectors computed" in text
    assert "1 │ products rejected by the engine" in text
    assert "no longer in the catalogue" not in text
    assert "2.0 s, 5 rows/s" in text
    assert "column price: 2 cells left out (line 3: 'N/A' is not a number)" in text


def test_the_table_has_the_learned_weights(capsys: pytest.CaptureFixture[str]) -> None:
    loaded = report()
    loaded.weights = {
        "queries": 40,
        "weights": {"lexical": 0.6, "image": 0},
        "mrr": {"before": 0.5, "after": 0.75},
    }
    print_report(loaded, "shop")
    text = " ".join(capsys.readouterr().err.split())
    assert (
        "sub-query weights, learned from 40 known-item queries: lexical 0.6 (MRR: before 0.500, after 0.750)"
        in text
    )


def test_rejected_rows_and_images_are_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "rejected.jsonl"
    path.write_text("of an earlier load\n")
    rejected = RejectedRows(path)
    assert not path.exists()
    rejected.add_row(1, "a", "too long", {"id": "a"})
    rejected.add_bad_row(BadRow(2, "not JSON", "{"))
    rejected.add_image(3, "b", "not an image", "b.png")
    assert rejected.count == 3
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"line": 1, "id": "a", "reason": "too long", "row": {"id": "a"}},
        {"line": 2, "id": None, "reason": "not JSON", "row": "{"},
        {"line": 3, "id": "b", "reason": "not an image", "image": "b.png"},
    ]


def test_a_file_that_cannot_be_replaced_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="--rejected"):
        RejectedRows(tmp_path)
