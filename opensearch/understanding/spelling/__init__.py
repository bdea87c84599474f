"""Spelling correction of query words by the words of the catalogue."""
