"""Catalogues in JSON: one object per line, a list, or a document with a list in it."""
