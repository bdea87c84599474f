"""Numbers written with signs that group their digits and part their fraction. Pure."""

from __future__ import annotations

import re

_WESTERN_GROUPS = r"\d{1,3}(?:S\d{3})+"
_INDIAN_GROUPS = r"\d{1,2}(?:S\d{2})+S\d{3}"


def number_of(digits: str, decimal: str) -> float | None:
    """Return the number with this decimal sign; None when the digits are grouped in no known way."""
    whole, _, fraction = digits.partition(decimal)
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        return None
    if decimal in digits and not fraction:
        return None
    if not whole:
        return float(f"0.{fraction}") if fraction else None
    if not (whole.isascii() and whole.isdigit()):
        group = next((sign for sign in whole if not sign.isdigit()), "")
        sign = re.escape(group)
        if group == decimal or not any(
            re.fullmatch(form.replace("S", sign), whole) for form in (_WESTERN_GROUPS, _INDIAN_GROUPS)
        ):
            return None
        if whole.startswith("0"):
            return None
        whole = whole.replace(group, "")
    return float(f"{whole}.{fraction or 0}")


def number_as_typed(digits: str) -> float | None:
    """Return the number of digits whose decimal sign nothing tells; None when they are grouped in no known way.

    A sign before exactly three digits groups them, so `1.249` and `1,249` are 1249; any other last sign is decimal.
    """
    with_point, with_comma = number_of(digits, "."), number_of(digits, ",")
    if with_point is None or with_comma is None:
        return with_comma if with_point is None else with_point
    return max(with_point, with_comma)
