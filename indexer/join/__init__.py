"""Columns of other files: joined to the rows of a catalogue, kept by a load without them, refreshed alone."""
