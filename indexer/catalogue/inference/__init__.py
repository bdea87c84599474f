"""The field plan of a catalogue that has none, inferred from the names and the values of its columns."""
