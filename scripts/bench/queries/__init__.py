"""Benchmarks of query understanding."""
