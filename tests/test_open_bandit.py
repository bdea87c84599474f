"""The benchmark of logged impressions on a drawn log of the same form, and bad input in a sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from scripts.bench.real_shoppers.open_bandit import main

ITEMS, POSITIONS = 8, 3
RATES = np.linspace(0.01, 0.15, ITEMS)


def write_log(path: Path, policy: np.ndarray, count: int, seed: int) -> None:
    """Impressions of a policy (positions, items), of which no position is clicked more than another."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    positions = rng.integers(POSITIONS, size=count)
    items = np.array([rng.choice(ITEMS, p=policy[position]) for position in positions])
    clicks = rng.random(count) < RATES[items]
    with gzip.open(path, "wt") as file:
        file.write(",timestamp,item_id,position,click,action_prob\n")
        for n, (item, position, clicked) in enumerate(zip(items, positions, clicks, strict=True)):
            file.write(f"{n},2019-11-24,{item},{position + 1},{int(clicked)},{policy[position, item]}\n")


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    bts = np.tile(RATES / RATES.sum(), (POSITIONS, 1))
    write_log(tmp_path / "random" / "men.csv.gz", np.full((POSITIONS, ITEMS), 1 / ITEMS), 4000, 1)
    write_log(tmp_path / "bts" / "men.csv.gz", bts, 4000, 2)
    (tmp_path / "bts" / "item_context.csv").write_text("item_id\n1\n")
    return tmp_path / "random", tmp_path / "bts"


def test_a_log_of_the_same_form_gives_intervals_and_no_claim_of_positions(logs: tuple[Path, Path]) -> None:
    result = CliRunner().invoke(main, [str(place) for place in logs])
    assert result.exit_code == 0, result.output
    estimates = [line for line in result.output.splitlines() if "the logged rate" in line]
    assert len(estimates) == 6
    assert not any("MISSES" in line for line in estimates)
    assert result.output.count("no effect of positions is claimed") == 2
    assert result.output.count(", within 0.10") == 2


def test_bad_input_is_refused_in_a_sentence(logs: tuple[Path, Path], tmp_path: Path) -> None:
    random, bts = logs
    header = "item_id,position,click,propensity_score\n"
    wrong = {
        "1,1,0,0.5\n1,1,2,0.5\n": "line 3: click is not 0 or 1",
        "1,1,0,0.0\n": "line 2: propensity_score is not above 0",
        "1,0,0,0.5\n": "line 2: position is not a whole number from 1",
        "a,1,0,0.5\n": "column item_id holds a value that is no number",
        "": "has no rows",
    }
    for rows, message in wrong.items():
        path = tmp_path / "wrong.csv"
        path.write_text(header + rows)
        result = CliRunner().invoke(main, [str(random), str(path)])
        assert result.exit_code == 1
        assert message in result.output
    (bts / "other.csv").write_text(header)
    assert "holds 2 files of impressions" in CliRunner().invoke(main, [str(random), str(bts)]).output
    (tmp_path / "wrong.csv").write_text("item_id,position\n")
    assert "no column click, propensity_score; it has item_id, position" in (
        CliRunner().invoke(main, [str(random), str(tmp_path / "wrong.csv")]).output
    )
