"""Candidates to order, and how that judgement is learned. Read search.py first."""
