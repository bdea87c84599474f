"""Date columns: the formats, and the order of day and month, are decided by the whole column."""

from __future__ import annotations

from typing import Any

import pytest

from indexer.catalogue.notation.cells import CellError, read_date
from indexer.catalogue.notation.dates import date_formats
from opensearch.index.fields import ColumnFormat


@pytest.mark.parametrize(
    ("values", "form", "first"),
    [
        (["05.03.2025", "28.02.2026"], "%d.%m.%Y", "2025-03-05"),
        (["3/4/25", "12/31/25"], "%m/%d/%y", "2025-03-04"),
        (["3/4/2025", "31/12/2025"], "%d/%m/%Y", "2025-04-03"),
        (["1/15/24, 9:30 AM", "2/3/24, 4:05 PM"], "%m/%d/%y, %I:%M %p", "2024-01-15T09:30:00.000Z"),
        (["5.3.2025 14:30", "8.3.2025 9:00"], "%d.%m.%Y %H:%M", "2025-03-05T14:30:00.000Z"),
        (["2025/3/5", "2025/12/1"], "%Y/%m/%d", "2025-03-05"),
        (["5. März 2025", "12. Januar 2026"], "%d. %b %Y", "2025-03-05"),
        (["5 mars 2025", "12 août 2025"], "%d %b %Y", "2025-03-05"),
        (["5 de marzo de 2025", "1 de enero de 2026"], "%d de %b de %Y", "2025-03-05"),
        (["March 5th, 2025", "Jan 1, 2026"], "%b %d, %Y", "2025-03-05"),
        (["2025年3月5日", "2025年12月1日"], "%Y年%m月%d日", "2025-03-05"),
        (["Wed, 05 Mar 2025 10:00:00 GMT"], "%d %b %Y %H:%M:%S %Z", "2025-03-05T10:00:00.000Z"),
        ([1741168800, 1741168860], "epoch_second", "2025-03-05T10:00:00.000Z"),
        (["1741168800000", "1741168860000"], "epoch_millis", "2025-03-05T10:00:00.000Z"),
        ([20250305, 20251201], "%Y%m%d", "2025-03-05"),
    ],
)
def test_a_column_of_dates_has_a_format(values: list[Any], form: str, first: str) -> None:
    formats = date_formats(values, named_date=True)
    assert formats == (form,)
    assert read_date(values[0], ColumnFormat(date_format=formats)) == first


def test_a_column_may_mix_forms_and_iso_dates_are_always_read() -> None:
    formats = date_formats(["05.03.2025", "06.03.2025 10:00", "31.12.2025"], named_date=True)
    assert formats == ("%d.%m.%Y", "%d.%m.%Y %H:%M")
    assert read_date("2026-01-02", ColumnFormat(date_format=formats)) == "2026-01-02"
    with pytest.raises(CellError, match=r"not in the form %d.%m.%Y"):
        read_date("12/31/2025", ColumnFormat(date_format=formats))


def test_slashes_without_a_day_above_twelve_follow_the_language() -> None:
    assert date_formats(["3/4/2025"], named_date=True, language="en") == ("%m/%d/%Y",)
    assert date_formats(["3/4/2025"], named_date=True, language="fr") == ("%d/%m/%Y",)


@pytest.mark.parametrize(
    "values", [[1741168800], ["10-12-11"], ["1.2.3"], ["May 2025 Edition"], ["12.50"], [20250305], ["red"]]
)
def test_codes_measures_and_words_are_no_dates(values: list[Any]) -> None:
    assert date_formats(values, named_date=False) is None
