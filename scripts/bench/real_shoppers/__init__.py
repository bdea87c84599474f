"""Benchmarks on real purchases and real impressions."""
