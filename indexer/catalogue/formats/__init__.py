"""Catalogue files of every kind as streams of rows, one module per format."""
