"""Helpers of the tests: indexes, catalogues, encoders, logs and services that are small and known."""
