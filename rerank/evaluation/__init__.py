"""Evaluation of ranked runs against relevance judgments: metrics, confidence intervals, reports; no torch."""
