"""Conditions on columns that stand in the words of a query."""
